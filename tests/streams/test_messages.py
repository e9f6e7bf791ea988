from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from streams.messages import MessageGrammar, Violation
from streams.order import MovedChunks
from tests.examples import CLOSE, devalue, facts_of, values_of

READERS = Path(__file__).parents[1] / "fixtures" / "ai_sdk" / "readers.jsonl"
MEASURED = [json.loads(line) for line in READERS.read_text().splitlines()]
WRITTEN = [json.loads(line) for line in READERS.with_name("written.jsonl").read_text().splitlines()]

CLEAN = [
    "start text-start(t1) text-delta(t1) text-end(t1) finish close",
    "start-step text-start(0) text-end(0) finish-step start-step text-start(0) text-end(0) finish-step finish",
    "text-start(1) reasoning-start(1) text-delta(1) reasoning-delta(1) reasoning-end(1) text-end(1) finish",
    "start tool-input-start(c) tool-input-delta(c) tool-input-available(c) tool-output-available(c) finish",
    "start tool-input-available(c) tool-output-available(c,preliminary) tool-output-available(c) finish",
    "tool-input-available(c) tool-approval-request(c) tool-approval-response(c) tool-output-denied(c) finish",
    "start-step tool-input-available(c) finish-step start-step tool-output-available(c) finish-step finish",
    "data-x message-metadata start text-start(t1) source-url text-end(t1) finish data-x message-metadata",
    "start text-start(t1) text-delta(t1) error close",
    "start tool-input-start(c) tool-input-error(c) tool-output-error(c) finish close",
    "start text-start(t1) text-delta(t1) abort close",
    "text-start(t1) text-delta(t1) text-end(t1) close",
    "start text-start(t1) text-delta(t1)",
]
BROKEN = [
    ("start text-delta(t1) text-start(t1)", ["1 delta-before-start 57"]),
    ("start text-end(t1)", ["1 end-before-start 57"]),
    ("start text-start(t1) text-end(t1) text-delta(t1)", ["3 delta-after-end 57"]),
    ("start text-start(t1) text-end(t1) text-end(t1)", ["3 end-after-end 57"]),
    ("start reasoning-start(t1) text-delta(t1)", ["2 delta-before-start 57"]),
    ("start text-start(t1) text-start(t1)", ["2 duplicate-start"]),
    ("start text-start(t1) text-end(t1) text-start(t1)", ["3 id-reuse"]),
    (
        "start start-step text-start(t1) finish-step text-delta(t1)",
        ["3 part-open-at-finish-step", "4 delta-after-finish-step 5"],
    ),
    ("text-start(t1) reset-step text-delta(t1)", ["2 delta-after-reset-step 7"]),
    ("text-start(t1) start(m1) text-delta(t1)", ["1 late-start", "2 delta-after-start 57"]),
    ("start tool-input-delta(c)", ["1 tool-delta-before-start 57"]),
    ("start tool-input-available(c) tool-input-delta(c)", ["2 tool-delta-before-start 57"]),
    ("start tool-input-start(c) tool-input-available(c) tool-input-delta(c)", ["3 tool-delta-after-input"]),
    ("start tool-output-available(c)", ["1 tool-output-without-input 57"]),
    ("start tool-input-start(c) tool-output-error(c)", ["2 tool-output-before-input"]),
    ("start tool-input-available(c) tool-output-available(c) tool-output-error(c)", ["3 tool-output-twice"]),
    ("start tool-output-denied(c)", ["1 tool-denied-without-input 7"]),
    ("start tool-approval-request(c)", ["1 approval-without-tool 7"]),
    ("start tool-approval-response(c)", ["1 approval-response-unknown 7"]),
    ("start text-start(t1) start", ["2 double-start"]),
    ("text-start(t1) start", ["1 late-start"]),
    ("start text-start(t1) finish", ["2 unclosed-part"]),
    ("start(m1) finish text-start(t1)", ["2 after-finish"]),
    ("start(m1) finish finish", ["2 double-finish"]),
    ("start(m1) abort finish", ["2 double-finish"]),
    ("start start-step finish", ["2 finish-in-step"]),
    ("start start-step start-step", ["2 nested-step"]),
    ("start text-start(t1) text-end(t1) finish-step", ["3 finish-step-without-start"]),
    ("start text-start(t1) text-end(t1) close", ["3 no-finish"]),
    ('start text-start(t1) "text"', ["2 not-a-chunk 57"]),
    ("start text-start(t1) null", ["2 not-a-chunk 57"]),
    ('start text-start(t1) {"type":"mine"}', ["2 unknown-type"]),
    ('start text-start(t1) {"type":"text-delta","id":"t1"}', ["2 bad-field"]),
]


def violations(values: list[Any]) -> list[Violation]:
    grammar = MessageGrammar()
    return [one for chunk in facts_of(values) for one in grammar.feed(chunk)]


def told(line: str) -> list[str]:
    return [
        f"{one.arrival - 1} {one.code} {''.join(map(str, sorted(one.throws_in)))}".strip()
        for one in violations(values_of(line))
    ]


@pytest.mark.parametrize("line", CLEAN)
def test_it_accepts_a_proper_message(line: str):
    assert told(line) == []


@pytest.mark.parametrize("case", WRITTEN, ids=lambda case: f"{case['case']} of AI SDK {case['sdk']}")
def test_it_accepts_whatever_the_sdk_itself_writes(case: dict[str, Any]):
    grammar, moved = MessageGrammar(), MovedChunks()
    found = []
    for chunk in facts_of([*case["chunks"], CLOSE]):
        found += grammar.feed(chunk)
        moved.feed(chunk)
    assert (found, moved.moved()) == ([], {})
    assert grammar.is_message and not grammar.unfinished


@pytest.mark.parametrize(("line", "expected"), BROKEN)
def test_it_names_the_chunk_and_who_throws(line: str, expected: list[str]):
    assert told(line) == expected


@pytest.mark.parametrize("case", MEASURED, ids=range(len(MEASURED)))
def test_it_foretells_which_readers_throw(case: dict[str, Any]):
    throwing = frozenset[int]().union(*(one.throws_in for one in violations(case["chunks"])))
    assert sorted(throwing) == case["throws_in"]


def test_it_says_where_in_words():
    (one,) = violations(values_of("start text-start(t1) text-end(t1) text-delta(t1)"))
    assert one.message == "text-delta of 't1' comes after its end at position 2"
    assert (one.chunk_id, one.position) == (f"chnk_{3:026}", 3)


def test_it_names_only_some_of_many_open_parts():
    line = "start " + " ".join(f"text-start(t{n})" for n in range(9)) + " finish"
    (one,) = violations(values_of(line))
    assert one.message == "finish comes while parts are open: 't0', 't1', 't2' and 6 more"


def test_it_judges_nothing_behind_the_first_end_marker():
    assert told("start text-start(t1) text-end(t1) finish close text-delta(t9) close text-end(t9)") == []


def test_it_does_not_complain_about_a_second_message_chunk_by_chunk():
    message = "start({}) text-start(t1) text-delta(t1) text-end(t1) finish"
    assert told(f"{message.format('m1')} {message.format('m2')} close") == ["5 double-start"]


def test_it_claims_no_missing_piece_once_a_chunk_cannot_be_read():
    grammar = MessageGrammar()
    chunks = facts_of(values_of('start undecodable text-delta(t1) {"type":"mine"}'))
    found = [one for chunk in chunks for one in grammar.feed(chunk)]
    assert [one.code for one in found] == ["unknown-type"]
    assert grammar.blind


def test_it_reads_several_values_in_one_chunk():
    grammar = MessageGrammar()
    (chunk,) = facts_of(["both frames lie in one chunk"])
    chunk.load = lambda: b"".join(map(devalue, values_of("start text-delta(t1)")))
    assert [one.code for one in grammar.feed(chunk)] == ["delta-before-start"]
    assert not grammar.blind


def test_it_stops_reading_a_stream_that_is_no_message():
    grammar = MessageGrammar()
    for chunk in facts_of([{"n": n} for n in range(20)]):
        grammar.feed(chunk)
    (unread,) = facts_of(["never decoded"])
    unread.load = lambda: pytest.fail("the payload was read")
    assert grammar.feed(unread) == [] and not grammar.is_message


def test_it_says_whether_the_message_is_unfinished():
    grammar = MessageGrammar()
    states = [
        grammar.feed(chunk) or grammar.unfinished for chunk in facts_of(values_of("start(m1) data-x finish"))
    ]
    assert states == [True, True, False]


@pytest.mark.parametrize("odd", [None, 7, {"a": 1}, ["x"], "i" * 10_000])
def test_it_survives_ids_of_any_kind(odd: Any):
    values = [{"type": "text-start", "id": odd}, {"type": "text-start", "id": odd}, {"type": "finish"}]
    assert all(len(one.message) < 200 for one in violations(values))
    assert "duplicate-start" in [one.code for one in violations(values)]
