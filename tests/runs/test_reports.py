"""What a probe's batch says: every kind of record, and whatever else may stand in one."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runs.observations import AppFailed, StepKnown, WriteTried
from runs.reports import PROBLEMS_KEPT, Report, read_batch

MS = 1_000_000
CALLED = 1_795_300_591_007.125
HASH = "179543fb7d2061ee"
RUN = "wrun_01M803XX9EKPGB0DR66MWJRZ8Z"
STREAM = "strm_01M803XX9EKPGB0DR66MWJRZ8Z_user"
STEP = {"id": "step_1", "name": "step//./chat//emit", "attempt": 2, "known": "exact"}

WRITE = {
    "type": "write", "n": 17, "op": "write", "stream": STREAM, "run": RUN, "called": CALLED, "took": 88.5, "ok": True,
    "chunks": [{"size": 51, "hash": HASH, "pair": 2, "order": 5}], "step": STEP, "overlaps": [15, 16], "acquired": 10,
}  # fmt: skip
UNSENT = {
    "type": "unsent", "n": 18, "stream": STREAM, "run": RUN, "at": CALLED + 9, "step": STEP, "why": "an earlier one",
    "chunks": [{"pair": 2, "order": 6, "called": CALLED}, {"pair": 2, "order": 7}],
}  # fmt: skip
EVENT = {
    "type": "event", "n": 3, "event": "step_started", "run": RUN, "id": "step_1", "called": CALLED, "took": 20.0,
    "ok": True, "workflow": "workflow//./chat//turn", "step_name": "step//./chat//emit", "attempt": 1,
}  # fmt: skip
ERROR = {
    "type": "error", "kind": "unhandled_rejection", "at": CALLED, "name": "Error", "message": "HTTP 409", "run": RUN,
    "step": {"id": "step_1"}, "write": 17,
}  # fmt: skip
LEFT_OUT = object()


def read(*records: Any) -> Report:
    return read_batch({"process": "p1", "number": 1, "records": list(records)})


def write(**fields: Any) -> WriteTried:
    """The only write of a record with these fields; LEFT_OUT takes one away."""
    report = read({key: value for key, value in (WRITE | fields).items() if value is not LEFT_OUT})
    assert report.problems == []
    (one,) = report.writes
    return one


def test_it_reads_a_write():
    assert write() == WriteTried(
        process="p1", number=17, place=0, run_id=RUN, stream=STREAM, is_close=False, is_sent=True, ok=True,
        called_ns=1_795_300_591_007_125_000, took_ns=88_500_000, size=51, digest=bytes.fromhex(HASH), data=None,
        error="", status=None, step=StepKnown("step_1", "step//./chat//emit", 2, "exact"), writable="pair 2",
        is_sdk_writer=False, order=5, is_overlapping=True, acquired=10,
    )  # fmt: skip


def test_a_call_with_several_chunks_is_several_writes():
    chunks = [{"size": size, "hash": HASH} for size in (1, 2, 3)]
    report = read(WRITE | {"chunks": chunks})
    assert [(one.number, one.place, one.size) for one in report.writes] == [
        (17, 0, 1),
        (17, 1, 2),
        (17, 2, 3),
    ]
    assert read(WRITE | {"chunks": []}) == Report()


def test_it_reads_a_close():
    one = write(op="close", chunks=LEFT_OUT, pair=4)
    assert (one.is_close, one.writable, one.digest, one.size, one.order) == (True, "pair 4", None, None, None)
    assert write(op="close", chunks=LEFT_OUT).writable == ""


def test_it_reads_a_refusal():
    error = {"name": "Error", "message": "HTTP 409", "status": 409}
    one = write(ok=False, error=error)
    assert (one.ok, one.error, one.status) == (False, "HTTP 409", 409)
    assert write(ok=False, error={"name": "AbortError"}).error == "AbortError"


def test_a_refusal_always_has_a_reason_and_nothing_else_has():
    assert (write(ok=False).error, write(ok=False, took=LEFT_OUT).took_ns) == ("refused", 0)
    acknowledged = write(ok=True, error={"message": "no", "status": 500})
    assert (acknowledged.error, acknowledged.status) == ("", None)
    assert write(error={"message": "no"}).error == "" and write(ok=None, error={"message": "no"}).error == ""


@pytest.mark.parametrize(
    "fields", [{"ok": None, "took": LEFT_OUT}, {"ok": None}, {"took": LEFT_OUT}, {"ok": "yes"}]
)
def test_of_a_call_that_never_came_back_neither_outcome_nor_duration_is_known(fields):
    one = write(**fields)
    assert (one.ok, one.took_ns) == (None, None)


@pytest.mark.parametrize(
    ("known", "level"),
    [("exact", "exact"), ("context", "step only"), ("inferred", "inferred"), ("guess", "step only"), (7, "step only")],
)  # fmt: skip
def test_it_says_how_the_step_is_known(known, level):
    assert write(step=STEP | {"known": known}).step.known == level


@pytest.mark.parametrize("step", [LEFT_OUT, None, {}, {"id": ""}, {"id": 7, "known": "exact"}, "step_1", [1]])
def test_without_a_step_id_the_step_is_unknown(step):
    assert write(step=step).step == StepKnown()


def test_the_sdks_own_writer_counts_by_groups():
    chunks = [{"hash": HASH}, {"hash": HASH}]
    report = read(WRITE | {"writer": "wrtr_1", "group": 3, "chunks": chunks})
    assert [(one.writable, one.is_sdk_writer) for one in report.writes] == [("wrtr_1", True)] * 2
    first, second = (one.order for one in report.writes)
    assert second == first + 1
    later = read(WRITE | {"writer": "wrtr_1", "group": 4, "chunks": chunks}).writes[0].order
    assert later > second


def test_the_probes_own_order_comes_before_that_of_the_sdks_writer():
    one = write(writer="wrtr_1", group=3)
    assert (one.is_sdk_writer, one.order, one.writable) == (False, 5, "pair 2")


def test_payloads_come_with_it_up_to_their_limit():
    def sent(data: bytes) -> bytes | None:
        return write(chunks=[{"hash": HASH, "data": base64.b64encode(data).decode()}]).data

    assert sent(b"\0hello") == b"\0hello"
    assert sent(b"x" * 65_537) is None


def test_it_reads_what_was_never_sent():
    first, second = read(UNSENT).writes
    assert (first.is_sent, first.ok, first.number, first.place, first.order) == (False, None, 18, 0, 6)
    assert (first.error, first.called_ns) == ("an earlier one", write().called_ns)
    assert (second.place, second.called_ns - first.called_ns) == (1, 9 * MS)
    assert read(UNSENT | {"why": None}).writes[0].error == "never reached the world"


def test_it_reads_a_failure_of_the_app():
    assert read(WRITE, ERROR).failures == [
        AppFailed(RUN, "unhandled_rejection", write().called_ns, "Error", "HTTP 409", "step_1", 17, 1)
    ]
    bare = read({"type": "error", "at": CALLED}).failures[0]
    assert (bare.run_id, bare.kind, bare.message, bare.step_id, bare.write_number) == ("", "", "", "", None)


def test_it_reads_an_event_that_was_stored():
    (event,) = read(EVENT).events
    assert (event.run_id, event.type, event.correlation_id) == (RUN, "step_started", "step_1")
    assert event.source_ns == event.created_ns == write().called_ns + 20 * MS
    assert json.loads(event.data[4:]) == {
        "step_name": "step//./chat//emit",
        "workflow": "workflow//./chat//turn",
    }
    assert read(EVENT | {"ok": False}, EVENT | {"ok": None}) == Report()


def test_events_of_one_process_have_ids_of_their_own_that_sort_by_time():
    events = read(EVENT | {"n": 9}, EVENT | {"n": 10}, EVENT | {"n": 1, "called": CALLED + 1}).events
    assert len({one.event_id for one in events}) == 3
    assert max(one.event_id for one in events) == events[2].event_id
    other = read_batch({"process": "p2", "number": 1, "records": [EVENT | {"n": 9}]}).events[0]
    assert other.event_id != events[0].event_id


def test_it_names_the_runs_that_a_batch_is_about():
    report = read(WRITE, ERROR | {"run": "wrun_2"}, EVENT | {"run": "wrun_3"}, ERROR | {"run": ""})
    assert report.run_ids() == {RUN, "wrun_2", "wrun_3"}


BAD = [
    (WRITE, "n", [LEFT_OUT, None, "17", 1.5, True, -1, 2**63, 10**400, math.nan]),
    (WRITE, "stream", [LEFT_OUT, None, "", 7, {}]),
    (WRITE, "called", [LEFT_OUT, None, "now", True, math.nan, math.inf, -math.inf, 10**400, 1e15]),
    (WRITE, "op", [LEFT_OUT, None, "open", 1]),
    (WRITE, "chunks", [[7], [None], [[]], [{"hash": "zz" * 8}], [{"hash": "179"}], [{"hash": " " * 16}]]),
    (WRITE, "chunks", [[{"hash": HASH}, "x"], [{"data": "%%%"}], [{"hash": HASH}] * 10_001]),
    (UNSENT, "n", [LEFT_OUT, "18"]),
    (UNSENT, "stream", [LEFT_OUT, 5]),
    (UNSENT, "at", [LEFT_OUT, "soon", math.nan]),
    (UNSENT, "chunks", [[{"order": 6}, 7]]),
    (EVENT, "n", [LEFT_OUT, "3"]),
    (EVENT, "run", [LEFT_OUT, "", 7]),
    (EVENT, "event", [LEFT_OUT, "", []]),
    (EVENT, "called", [LEFT_OUT, math.inf, -1e300]),
    (ERROR, "at", [LEFT_OUT, "", math.nan]),
    (WRITE, "type", [LEFT_OUT, None, "wrote", 7, {}, ["write"]]),
]


@pytest.mark.parametrize(
    ("record", "key", "value"), [(record, key, value) for record, key, values in BAD for value in values]
)
def test_a_bad_record_costs_only_itself(record, key, value):
    bad = {name: it for name, it in (record | {key: value}).items() if it is not LEFT_OUT}
    report = read(WRITE, bad, ERROR)
    assert (len(report.writes), len(report.failures), report.events) == (1, 1, [])
    (problem,) = report.problems
    assert problem.startswith("record 1: ") and len(problem) < 500


@pytest.mark.parametrize("record", [None, 7, "write", [WRITE], True, math.nan])
def test_what_is_no_record_is_told(record):
    report = read(record, WRITE)
    assert len(report.writes) == 1 and report.problems[0].startswith("record 0: not an object")


def test_the_record_that_cannot_be_read_is_quoted():
    (problem,) = read({"type": "wrote", "text": "x" * 10_000_000}).problems
    assert '"type": "wrote"' in problem and len(problem) < 500


def test_of_many_problems_the_first_are_told_and_the_others_counted():
    report = read(*[{"type": "wrote"}] * 100)
    assert len(report.problems) == PROBLEMS_KEPT
    assert report.more_problems == 100 - PROBLEMS_KEPT


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("place", ["type", "stream", "step", "chunks", "overlaps", "unknown"])
def test_a_record_nested_deeper_than_python_goes_is_no_danger(place):
    report = read({**WRITE, place: nested(100_000)}, WRITE)
    assert len(report.writes) + len(report.problems) == 2


def test_numbers_that_no_database_holds_are_left_out():
    one = write(
        step=STEP | {"attempt": 2**31}, acquired=-1, error={"status": 2**40, "message": "no"}, ok=False,
        chunks=[{"size": 2**64, "hash": HASH, "pair": -5, "order": math.nan}], took=-3,
    )  # fmt: skip
    assert (one.step.attempt, one.acquired, one.status, one.size) == (None, None, None, None)
    assert (one.writable, one.order, one.took_ns) == ("", None, 0)
    assert write(writer="w", group=2**60, chunks=[{"hash": HASH}]).order is None


def test_the_latest_times_still_fit_together():
    one = write(called=3.9e12, took=3.9e12)
    assert one.called_ns + one.took_ns < 2**63 - 1


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b", "é" * 300, "x" * 10_000_000, "\u202e"])
def test_any_text_is_taken_as_it_is(text):
    step = {"id": text, "name": text, "known": text}
    one = write(stream=text, run=text, step=step, ok=False, error={"message": text}, writer=text)
    assert (one.stream, one.run_id, one.step.step_id, one.error) == (text, text, text, text)
    assert read(EVENT | {"run": text, "event": text, "id": text, "workflow": text}).problems == []


TEXTS = st.sampled_from(
    ["", "write", "close", "event", "\x00", "\ud800", "a" * 5000, HASH, "exact", RUN, "%"]
)
NUMBERS = st.one_of(
    st.integers(), st.integers(-(10**30), 10**30), st.floats(), st.sampled_from([10**400, -1])
)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS, st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=8,
)


@st.composite
def records(draw: st.DrawFn) -> Any:
    """One that is good but for up to three fields, of itself or of what it holds, or anything at all."""
    if draw(st.booleans()):
        return draw(ANYTHING)
    record = json.loads(json.dumps(draw(st.sampled_from([WRITE, UNSENT, EVENT, ERROR]))))
    for _ in range(draw(st.integers(0, 3))):
        inside = [record, *(it for it in record.values() if isinstance(it, dict)), *_chunks(record)]
        place = draw(st.sampled_from(inside))
        place[draw(st.sampled_from([*place, "group", "writer", "error", "data", "status", "pair"]))] = draw(
            ANYTHING
        )
    return record


def _chunks(record: dict[str, Any]) -> list[dict[str, Any]]:
    chunks = record.get("chunks")
    return [it for it in chunks if isinstance(it, dict)] if isinstance(chunks, list) else []


@settings(max_examples=500, deadline=None)
@given(st.lists(records(), max_size=5))
def test_whatever_comes_is_read_or_told_and_fits_a_database(batch):
    report = read(*batch)
    assert len(report.problems) <= len(batch)
    for one in report.writes:
        numbers = (one.number, one.called_ns, one.took_ns, one.size, one.order)
        assert all(number is None or -(2**63) <= number < 2**63 for number in numbers)
        assert all(
            number is None or 0 <= number < 2**31 for number in (one.step.attempt, one.status, one.acquired)
        )
        assert one.ok is None or one.took_ns is not None
        assert one.digest is None or len(one.digest) == 8
    assert all(-(2**63) <= one.source_ns < 2**63 and one.run_id for one in report.events)
    assert all(-(2**63) <= one.at_ns < 2**63 for one in report.failures)
