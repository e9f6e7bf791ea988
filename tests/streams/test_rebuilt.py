"""Streams put together: against what the real AI SDK built, and in the writer's order against the stored one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runs.payloads import UNDEFINED
from streams import rebuilt
from streams.facts import ChunkFact
from streams.rebuilt import (
    BYTES,
    INPUT,
    MESSAGE,
    REASONING,
    TEXT,
    UNREAD,
    UTF8,
    VALUES,
    Told,
    compare,
    rebuild,
    shape_of,
    writers_order,
)
from tests.examples import facts_of, values_of

FIXTURES = Path(__file__).parents[1] / "fixtures" / "ai_sdk"
WRITTEN = {
    f"{case['case']} of AI SDK {case['sdk']}": case["chunks"]
    for case in map(json.loads, (FIXTURES / "written.jsonl").read_text().splitlines())
}
BUILT = [json.loads(line) for line in (FIXTURES / "built.jsonl").read_text().splitlines()]
ASIDE = {"providerMetadata", "callProviderMetadata", "resultProviderMetadata", "providerExecuted", "title"}


def facts_from(payloads):
    return [
        ChunkFact(f"chnk_{at:026}", at, at - 1, False, False, len(data), 0, None, lambda data=data: data)
        for at, data in enumerate(payloads, 1)
    ]


def message(chunks):
    return rebuild(list(facts_of(chunks)), MESSAGE)


def shown(line: str) -> str:
    """The message of a line of words, each part as `kind[:state] text`."""
    parts = message(values_of(line)).parts
    return " | ".join(
        f"{part.kind}{'*' if part.is_stray else ''}{'-' if part.is_dropped else ''}:{part.state}"
        f" {''.join(one.text for one in part.fragments)}".strip()
        for part in parts
    )


def as_ui_message(built):
    """The parts as the SDK's reader has them at the end."""
    begun = max((at for at, part in enumerate(built.parts) if part.kind == "message"), default=-1)
    parts = [p for p in built.parts[begun + 1 :] if not p.is_dropped and not p.is_transient]
    return {
        "id": built.message_id,
        "metadata": built.metadata,
        "parts": without_last_steps(map(ui_part, parts)),
    }


def ui_part(part):
    if part.kind in ("text", "reasoning"):
        return {"type": part.kind, "text": "".join(one.text for one in part.fragments), "state": part.state}
    if part.kind == "step":
        return {"type": "step-start"}
    return ui_tool(part) if part.tool else part.value


def ui_tool(part):
    tool = part.tool
    type_ = (
        {"type": "dynamic-tool", "toolName": tool.name} if tool.is_dynamic else {"type": f"tool-{tool.name}"}
    )
    ui = type_ | {
        "toolCallId": part.id,
        "state": part.state,
        "streamed": "".join(one.text for one in part.fragments),
    }
    ui |= {"input": tool.input} if tool.input is not UNDEFINED else {}
    ui |= {"output": tool.output} if tool.output is not UNDEFINED else {}
    ui |= {"errorText": tool.error} if tool.error else {}
    ui |= {"preliminary": True} if tool.is_preliminary else {}
    approval = {"id": tool.approval_id} | ({} if tool.approved is None else {"approved": tool.approved})
    return ui | (
        {"approval": approval | ({"reason": tool.reason} if tool.reason else {})} if tool.approval_id else {}
    )


def without_last_steps(parts):
    """The SDK tells of a step's start only together with what follows."""
    parts = list(parts)
    while parts and parts[-1].get("type") == "step-start":
        parts.pop()
    return parts


def assert_same_part(ours, theirs):
    theirs = {key: item for key, item in theirs.items() if key not in ASIDE}
    if "streamed" in ours:
        streamed, raw = ours.pop("streamed"), theirs.pop("rawInput", "")
        if isinstance(raw, str):  # of a part that began again, only what streamed since
            assert streamed.endswith(raw) or raw.endswith(streamed)
        else:
            theirs["input"] = raw  # where version 5 keeps an invalid input
        if "input" not in ours:
            theirs.pop("input", None)  # what it makes of the text so far
    elif theirs["type"] == "reasoning":
        theirs.pop("id", None)
    ours.pop("transient", None)
    assert {key: item for key, item in ours.items() if key not in ASIDE} == theirs


@pytest.mark.parametrize("case", BUILT, ids=lambda case: f"{case['from']}: {case['error']}"[:80])
def test_it_builds_what_the_sdk_builds(case):
    major = 5 if case["from"].endswith("5") else 7
    facts = list(facts_of(case.get("chunks") or WRITTEN[case["from"]]))
    stops = [stop for stop in rebuild(facts, MESSAGE).stops if major in stop.majors]
    assert bool(stops) == (case["error"] is not None)
    read = facts[: stops[0].arrival - 1] if stops else facts

    ours, theirs = as_ui_message(rebuild(read, MESSAGE)), case["message"] or {"id": "", "parts": []}
    assert ours["id"] == theirs["id"]
    for one, other in zip(ours["parts"], without_last_steps(theirs["parts"]), strict=True):
        assert_same_part(one, other)
    assert ours["metadata"] == theirs.get("metadata")


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ('start(m) text-start(1) text-delta(1,"no") text-end(1) finish', "message: | text:done no"),
        ('text-delta(1,"no") text-start(1) text-delta(1,"va")', "text*:streaming no | text:streaming va"),
        ('text-start(1) text-end(1) text-delta(1,"va")', "text:done | text*:streaming va"),
        (
            'text-start(1) text-start(2) text-delta(2,"b") text-delta(1,"a")',
            "text:streaming a | text:streaming b",
        ),
        ('start-step text-start(1) text-delta(1,"a") reset-step start-step', "step: | text-:streaming a | step:"),
        ('start(m) text-start(1) text-delta(1,"a") start(n) text-delta(1,"b")',
         "message: | text:streaming a | message: | text*:streaming b"),
        ("tool-output-available(c)", "tool*:output-available"),
        ("tool-input-delta(c) tool-input-start(c)", "tool*:input-streaming {"),
    ],
)  # fmt: skip
def test_it_goes_on_where_the_sdk_stops(line, parts):
    assert shown(line) == parts


def test_it_says_where_each_version_stops_and_why():
    line = 'text-start(a) finish-step text-delta(a,"x") reasoning-delta(r,"y") text-delta(z,"z")'
    stops = message(values_of(line)).stops
    assert [(stop.position, sorted(stop.majors)) for stop in stops] == [(2, [5]), (3, [7])]
    assert "comes before its start" in stops[1].error
    assert message(values_of('text-start(a) text-delta(a,"x") text-end(a) finish')).stops == ()


def test_an_error_chunk_stops_every_reader():
    built = message(values_of("start(m) error finish"))
    assert [(stop.position, sorted(stop.majors), stop.error) for stop in built.stops] == [
        (1, [5, 7], "the error 'no'")
    ]
    assert built.ending == "finish"
    assert message(values_of("start(m) error")).ending_reason == "no"


def test_a_tool_call_keeps_what_was_said_and_where():
    built = message(
        values_of("start(m) tool-input-start(c) tool-input-delta(c) tool-input-available(c) tool-approval-request(c)"
                  " tool-approval-response(c) tool-output-available(c,preliminary) tool-output-error(c)")
    )  # fmt: skip
    tool = built.parts[1].tool
    assert (tool.name, tool.input, tool.output, tool.error) == ("tool", {}, UNDEFINED, "no")
    assert (tool.input_at, tool.approval_at, tool.output_at, tool.approved) == (4, 6, 8, True)
    assert built.text(INPUT) == "{"
    assert built.parts[1].state == "output-error"


def test_data_with_the_same_id_is_replaced_in_its_place():
    chunks = [
        {"type": "data-status", "id": 1, "data": "a"},
        {"type": "data-status", "id": "1", "data": "b"},
        {"type": "data-status", "id": 1, "data": "c"},
        {"type": "data-status", "id": 1, "data": "d", "transient": True},
        {"type": "start", "messageId": "m"},
        {"type": "text-start", "id": "t"},
    ]
    data = message(chunks).parts
    assert [(part.value["data"], part.updates, part.value_at) for part in data[:3]] == [
        ("c", 1, 3), ("b", 0, 2), ("d", 0, 4),
    ]  # fmt: skip
    assert data[2].is_transient


def test_text_that_is_no_string_is_what_javascript_makes_of_it():
    deltas = [
        {"type": "text-delta", "id": "1", **({} if one is ... else {"delta": one})}
        for one in (..., None, True, 1, {})
    ]
    built = message([{"type": "start", "messageId": "m"}, {"type": "text-start", "id": "1"}, *deltas])
    assert built.text() == "undefinednulltrue1[object Object]"


@pytest.mark.parametrize(
    ("values", "shape"),
    [
        (values_of("start(m) text-start(1) text-delta(1) text-end(1) finish"), MESSAGE),
        (["a", "b"], TEXT),
        (["a", {"b": 1}], VALUES),
        ([{"type": "text"}], VALUES),
        (values_of("undecodable undecodable"), BYTES),
        ([*values_of("undecodable"), "a"], TEXT),
        ([], UNREAD),
    ],
)
def test_it_tells_what_a_stream_carries(values, shape):
    assert shape_of(facts_of(values)) == shape


def test_strings_are_joined_and_each_names_its_chunk():
    built = rebuild(list(facts_of(["no", *values_of("undecodable"), "vo"])), TEXT)
    assert built.text() == "novo"
    assert [(one.text, one.arrival, one.position) for one in built.flows[TEXT]] == [
        ("no", 1, 0),
        ("vo", 3, 2),
    ]
    assert (built.unread.count, built.unread.arrival) == (1, 2)
    assert built.order == (1, 2, 3)


def test_bytes_that_are_text_are_joined_across_a_cut_character():
    facts = list(facts_from([b"gr\xc3", b"\xbcn \xf0\x9f", b"\x8c\xb1"]))
    assert shape_of(facts) == UTF8
    assert [one.text for one in rebuild(facts, UTF8).flows[TEXT]] == ["gr", "ün ", "🌱"]
    assert rebuild(facts, UTF8).unread.count == 0


def test_other_bytes_are_not_joined():
    facts = list(facts_from([b"\x89PNG\xff", b"text"]))
    assert shape_of(facts) == BYTES
    assert rebuild(facts, BYTES).flows == {}


def test_values_are_a_list_of_previews():
    built = rebuild(list(facts_of([{"a": "b" * 1000}, [1], "s"])), VALUES)
    texts = [one.text for one in built.flows[TEXT]]
    assert texts[1:] == ["[1]", '"s"']
    assert len(texts[0]) <= 200


def test_it_takes_only_so_many_values(monkeypatch):
    monkeypatch.setattr(rebuilt, "MOST", 3)
    assert rebuild(list(facts_of("abcdef")), TEXT).order == (1, 2, 3)
    line = "start(m) text-start(1) text-delta(1) text-end(1) finish"
    assert message(values_of(line)).order == (1, 2, 3)
    monkeypatch.setattr(rebuilt, "MOST", 30)
    assert message(values_of(line)).order == (1, 2, 3, 4, 5)


def told(*pairs, exact=True, scope="a"):
    return [Told(arrival, scope, (number,), exact) for arrival, number in pairs]


def test_the_writers_order_is_by_its_numbers():
    order = writers_order([1, 2, 3], told((1, 2), (2, 0), (3, 1)))
    assert (order.arrivals, order.known, order.certainty) == ((2, 3, 1), 3, "proved")


def test_writers_keep_their_places_among_each_other():
    both = [*told((1, 1), (3, 0), scope="a"), *told((2, 0), (5, 1), scope="b")]
    assert writers_order([1, 2, 3, 4, 5], both).arrivals == (3, 2, 1, 4, 5)


def test_the_order_of_calls_is_only_suspected():
    assert writers_order([1, 2], told((1, 0), (2, 1), exact=False)).certainty == "suspected"


@pytest.mark.parametrize("reports", [[], told((9, 0))], ids=["none", "of other chunks"])
def test_without_reports_the_order_is_not_known(reports):
    order = writers_order([1, 2], reports)
    assert (order.arrivals, order.certainty) == ((), "")


def fragments(texts, arrivals):
    by_arrival = dict(zip(arrivals, texts, strict=True))
    return [rebuilt.Fragment(by_arrival[arrival], arrival, arrival - 1) for arrival in arrivals]


def words(difference) -> str:
    signs = {"same": "=", "out": "-", "in": "+"}
    return " ".join(
        f"{signs[change.kind]}{''.join(one.text for one in change.fragments).replace(' ', '_')}"
        for change in difference.changes
    )


def test_the_difference_moves_as_few_fragments_as_can_be():
    meant = fragments(["nov", "o", " e", "2", "e", " ok"], [1, 2, 4, 3, 5, 6])
    stored = fragments(["nov", "o", "2", " e", "e", " ok"], [1, 2, 3, 4, 5, 6])
    difference = compare(meant, stored)
    assert len(difference.out) == len(difference.into) == 1
    assert words(difference) in ("=novo -_e =2 +_e =e_ok", "=novo +2 =_e -2 =e_ok")


def test_two_chunks_with_the_same_text_may_change_places():
    one, other = fragments(["a", "b", "a"], [1, 2, 3]), fragments(["a", "b", "a"], [3, 2, 1])
    assert not compare(one, other)
    assert words(compare(one, other)) == "=aba"


def test_what_only_one_order_has_is_a_difference():
    meant, stored = fragments(["a", "b", "c"], [1, 2, 3]), fragments(["a", "c"], [1, 3])
    assert words(compare(meant, stored)) == "=a -b =c"
    assert words(compare([], stored)) == "+ac"
    assert compare([], []).changes == ()


@settings(max_examples=200, deadline=None)
@given(
    st.permutations(range(1, 13)),
    st.lists(st.sampled_from("ab "), min_size=12, max_size=12),
    st.integers(0, 12),
)
def test_the_changes_hold_both_texts_whole(order, texts, missing):
    stored = fragments(texts, range(1, 13))[missing:]
    meant = [rebuilt.Fragment(texts[arrival - 1], arrival, None) for arrival in order]
    changes = compare(meant, stored).changes
    before = "".join(one.text for change in changes if change.kind != "in" for one in change.fragments)
    after = "".join(one.text for change in changes if change.kind != "out" for one in change.fragments)
    assert before == "".join(one.text for one in meant)
    assert after == "".join(one.text for one in stored)


TYPES = [
    "start", "finish", "abort", "error", "start-step", "finish-step", "reset-step", "text-start", "text-delta",
    "text-end", "reasoning-start", "reasoning-delta", "reasoning-end", "tool-input-start", "tool-input-delta",
    "tool-input-available", "tool-input-error", "tool-output-available", "tool-output-error", "tool-output-denied",
    "tool-approval-request", "tool-approval-response", "data-x", "file", "source-url", "message-metadata", "custom",
    "bogus", "text-", "-delta", "",
]  # fmt: skip
HOSTILE = st.sampled_from(["a", "\ud800", "<b>", "\u202e"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5) | HOSTILE,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
FIELDS = [
    "id", "delta", "toolCallId", "toolName", "inputTextDelta", "input", "output", "errorText", "approvalId", "data",
    "approved", "messageId", "messageMetadata", "transient", "dynamic", "reason", "preliminary",
]  # fmt: skip
CHUNKS = st.builds(
    lambda kind, fields: {**fields, "type": kind},
    st.sampled_from(TYPES),
    st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=5),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(CHUNKS | ANYTHING, max_size=25), st.sampled_from([MESSAGE, TEXT, VALUES, BYTES, UNREAD]))
def test_it_never_raises_and_shows_every_text_once(chunks, shape):
    facts = list(facts_of(chunks))
    shape_of(facts)
    built = rebuild(facts, shape)
    assert built.order == tuple(fact.arrival for fact in facts)
    if shape == MESSAGE:
        for kind, flow in (("text-delta", TEXT), ("reasoning-delta", REASONING), ("tool-input-delta", INPUT)):
            wanted = [
                at for at, one in enumerate(chunks, 1) if isinstance(one, dict) and one.get("type") == kind
            ]
            assert sorted(one.arrival for one in built.flows.get(flow, ())) == wanted
    elif shape in (TEXT, VALUES):
        assert [one.arrival for one in built.flows.get(TEXT, ())] == list(built.order)
