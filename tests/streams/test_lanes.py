"""Who wrote when: marks to lanes, the late window, and what the axis holds."""

from __future__ import annotations

import pytest

from streams._lanes_pack import MOST_ROWS, lanes_of, tracks_of
from streams.lanes import Block, LaneWriter, Mark, Source, StepWindow, draw, late_window
from streams.ledger import StepAttempt
from streams.order import BEHIND, CLOSE, CLOSE2, MOVED_PROVED

MS = 1_000_000
T = 1_795_300_000_000 * MS


def at(ms: float) -> int:
    return T + round(ms * MS)


def writer(
    pk: int, step: str = "step_a", known: str = "step only", process: str = "p1", attempt: int = 1
) -> LaneWriter:
    return LaneWriter(pk, known, StepAttempt(process, "wrun_1", step, attempt), f"step//./w//{step}")


def mark(
    called: float, back: float | None, number: int, *, writer: int = 1, tick: float | None = -1.0, marks: int = 0,
    outcome: str = "stored", is_close: bool = False,
) -> Mark:  # fmt: skip
    minted = (back if tick == -1.0 else tick) if outcome == "stored" else None
    arrival = number if outcome == "stored" else None
    return Mark(
        writer, at(called), None if back is None else at(back), None if minted is None else at(minted), arrival,
        arrival, is_close, marks, outcome, 60, ("p1", number),
    )  # fmt: skip


def chunk(ms: float, arrival: int, marks: int = 0) -> Mark:
    return Mark(0, None, None, at(ms), arrival, arrival, bool(marks & CLOSE), marks, "stored", 60)


def source(*marks: Mark, writers: tuple[LaneWriter, ...] = (), **more) -> Source:
    return Source(marks, {one.pk: one for one in writers or (writer(1),)}, **more)


def test_each_step_attempt_has_a_lane_in_the_order_of_the_first_write():
    late, early = mark(50, 60, 1, writer=1), mark(10, 20, 2, writer=2)

    lanes = lanes_of(source(late, early, writers=(writer(1, "step_b"), writer(2, "step_a"))))

    assert [(lane.name, lane.known, lane.sub) for lane in lanes] == [
        ("step//./w//step_a", "step only", ""),
        ("step//./w//step_b", "step only", ""),
    ]


def test_another_attempt_and_another_process_are_other_writers():
    writers = (writer(1), writer(2, attempt=2), writer(3, process="p2"))

    lanes = lanes_of(
        source(*(mark(10 * pk, 10 * pk + 5, pk, writer=pk) for pk in (1, 2, 3)), writers=writers)
    )

    assert [(lane.by.process, lane.by.attempt) for lane in lanes] == [("p1", 1), ("p1", 2), ("p2", 1)]


def test_calls_under_way_at_once_never_share_a_row():
    lanes = lanes_of(source(mark(0, 90, 1), mark(5, 60, 2), mark(7, 80, 3), mark(100, 110, 4)))

    assert [(lane.sub, len(lane.marks)) for lane in lanes] == [("∥1", 2), ("∥2", 1), ("∥3", 1)]
    assert {(lane.overlapping, lane.calls) for lane in lanes} == {(3, 4)}
    assert [lane.is_first for lane in lanes] == [True, False, False]


def test_calls_one_after_another_share_one_row():
    lanes = lanes_of(source(mark(0, 10, 1), mark(10, 20, 2), mark(30, 40, 3)))

    assert [(lane.sub, lane.overlapping, len(lane.marks)) for lane in lanes] == [("", 0, 3)]


def test_chunks_of_one_call_do_not_overlap_each_other():
    together = [mark(0, 10, 1), mark(0, 10, 1)._replace(arrival=2)]

    lanes = lanes_of(source(*together))

    assert len(lanes) == 1 and lanes[0].calls == 1 and lanes[0].chunks == 2


def test_writables_that_are_known_exactly_have_a_row_each():
    writers = tuple(writer(pk, known="exact") for pk in (1, 2, 3))

    lanes = lanes_of(
        source(
            mark(0, 50, 1, writer=3), mark(60, 70, 2, writer=1), mark(65, 90, 3, writer=2), writers=writers
        )
    )

    assert [(lane.sub, lane.marks[0].writer) for lane in lanes] == [("W1", 3), ("W2", 1), ("W3", 2)]
    assert lanes[0].writables == 3 and lanes[0].overlapping == 2


def test_a_writable_for_each_chunk_does_not_fill_the_page():
    count = MOST_ROWS * 3
    writers = tuple(writer(pk, known="exact") for pk in range(1, count + 1))

    one_by_one = lanes_of(
        source(*(mark(pk * 10, pk * 10 + 5, pk, writer=pk) for pk in range(1, count)), writers=writers)
    )
    at_once = lanes_of(
        source(*(mark(pk, 900 + pk, pk, writer=pk) for pk in range(1, count)), writers=writers)
    )

    assert [lane.sub for lane in one_by_one] == [""] and one_by_one[0].writables == count
    assert len(at_once) == MOST_ROWS and sum(len(lane.marks) for lane in at_once) == count - 1


def test_nothing_is_one_empty_row():
    assert tracks_of([]) == [[]]


@pytest.mark.parametrize(
    ("one", "look"),
    [
        (mark(0, 5, 1), "ok"),
        (mark(0, 5, 1, marks=MOVED_PROVED), "moved"),
        (mark(0, 5, 1, marks=BEHIND | MOVED_PROVED), "behind"),
        (mark(0, 5, 1, marks=CLOSE, is_close=True), "close"),
        (mark(0, 5, 1, marks=CLOSE2, is_close=True), "close2"),
        (mark(0, 5, 1, outcome="rejected"), "rejected"),
        (mark(0, 5, 1, outcome="lost"), "lost"),
        (mark(0, None, 1, outcome="unmatched"), "unmatched"),
    ],
)
def test_a_mark_looks_like_what_became_of_it(one, look):
    assert one.look == look
    assert lanes_of(source(one))[0].problems == (look not in {"ok", "close", "unmatched"})


def test_without_a_probe_chunks_of_unknown_writers_stand_above_the_steps():
    windows = (StepWindow("step_b", "b", 1, at(50), at(60)), StepWindow("step_a", "a", 1, at(0), at(40)))

    lanes = lanes_of(Source([chunk(10, 1), chunk(20, 2)], {}, windows))

    assert [(lane.name, lane.known, lane.chunks) for lane in lanes] == [
        ("", "unknown", 2), ("a", "no report", 0), ("b", "no report", 0),
    ]  # fmt: skip


def test_with_a_probe_steps_that_wrote_nothing_have_no_lane_and_unknown_chunks_come_last():
    windows = (StepWindow("step_a", "a", 1, at(0), at(40)), StepWindow("step_idle", "idle", 1, at(0), at(40)))

    lanes = lanes_of(source(mark(5, 9, 1), chunk(10, 2), windows=windows))

    assert [lane.known for lane in lanes] == ["step only", "unknown"]
    assert [window.step_id for window in lanes[0].windows] == ["step_a"]


def test_a_lane_shows_the_window_of_its_own_attempt():
    windows = tuple(StepWindow("step_a", "a", one, at(one * 100), at(one * 100 + 50)) for one in (1, 2))

    lanes = lanes_of(source(mark(210, 220, 1), writers=(writer(1, attempt=2),), windows=windows))

    assert [window.attempt for window in lanes[0].windows] == [2]


def test_the_late_window_goes_from_the_close_to_the_last_steps_end():
    late = late_window(source(mark(0, 5, 1), close_ns=at(162), run_ended_ns=at(528), steps_end_ns=at(494)))

    assert late is not None
    assert (late.from_ns, late.to_ns, late.why, late.until) == (at(162), at(494), "close", "last step's end")


def test_the_late_window_begins_with_the_runs_end_if_that_is_earlier_and_lasts_until_what_was_refused():
    refused = mark(100, 180, 1, outcome="rejected")

    late = late_window(source(refused, run_ended_ns=at(135), steps_end_ns=at(112)))

    assert late is not None
    assert (late.from_ns, late.to_ns, late.why, late.until) == (at(135), at(180), "run end", "last write")


def test_there_is_no_late_window_where_nothing_came_later():
    assert (
        late_window(source(mark(0, 5, 1), close_ns=at(50), run_ended_ns=at(60), steps_end_ns=at(40))) is None
    )
    assert late_window(source(mark(0, 5, 1))) is None


def test_the_late_window_is_open_while_a_step_is_executing():
    late = late_window(source(mark(0, 5, 1), close_ns=at(3)))

    assert late is not None and late.until == "now"


def drawn(facts: Source, *args, **more):
    picture = draw(facts, lanes_of(facts), *args, **more)
    assert picture is not None
    return picture


def test_the_axis_holds_all_that_was_written_and_counts_from_the_runs_beginning():
    facts = source(mark(100, 190, 1), mark(200, 240, 2), created_ns=T, run_ended_ns=at(300))

    axis = drawn(facts).axis

    assert axis.from_ns < at(100) and axis.to_ns > at(300) and axis.zero_ns == T
    assert axis.since(at(157.13)) == "+157.1"


def test_a_run_that_ended_a_day_later_does_not_squeeze_the_writing():
    axis = drawn(source(mark(0, 100, 1), created_ns=T, run_ended_ns=at(86_400_000))).axis

    assert axis.to_ns < at(200)


def test_a_run_that_waited_for_days_is_not_what_times_are_counted_from():
    axis = drawn(source(mark(0, 100, 1), created_ns=T - 86_400_000 * MS)).axis

    assert axis.zero_ns == T


def test_a_part_has_the_same_zero_and_exactly_the_axis_asked_for():
    facts = source(mark(100, 190, 1), mark(200, 240, 2), created_ns=T)

    axis = drawn(facts, (at(150), at(160))).axis

    assert (axis.from_ns, axis.to_ns, axis.zero_ns, axis.is_fit) == (at(150), at(160), T, False)


def test_lanes_beyond_the_limit_are_summed_up_but_for_those_with_problems():
    writers = tuple(writer(pk, f"step_{pk}") for pk in range(1, 6))
    marks = [mark(pk * 10, pk * 10 + 5, pk, writer=pk) for pk in range(1, 5)]
    marks.append(mark(50, 55, 5, writer=5, marks=MOVED_PROVED))

    picture = drawn(source(*marks, writers=writers), limit=3)

    assert [lane.by.step_id for lane in picture.lanes] == ["step_1", "step_2", "step_5"]
    assert (picture.left_out, picture.left_out_chunks, picture.left_out_problems) == (2, 2, 0)


def test_there_is_no_picture_of_nothing():
    assert draw(Source(), []) is None


def test_blocks_of_a_long_stream_count_for_all_their_chunks():
    blocks = [Block(1, at(0), at(10), 2500, 1, 2500), Block(1, at(10), at(20), 2500, 2501, 5000, problems=3)]

    picture = drawn(source(blocks=blocks, is_long=True, first_ns=T))

    assert [(lane.chunks, lane.problems) for lane in picture.lanes] == [(5000, 3)]
    assert picture.axis.zero_ns == T


def test_a_writer_of_a_long_stream_keeps_its_lane_where_nothing_of_it_is_shown():
    writers = (writer(1, "step_a"), writer(2, "step_b"))

    lanes = lanes_of(source(mark(0, 5, 1, writer=2), writers=writers, is_long=True))

    assert [(lane.by.step_id, lane.chunks) for lane in lanes] == [("step_a", 0), ("step_b", 1)]
