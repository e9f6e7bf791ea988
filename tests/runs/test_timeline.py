"""Bars, attempts and marks on one axis."""

from __future__ import annotations

from runs.timeline import Bar, Lane, Moment, attempts_by_step, draw

MS = 1_000_000


def test_it_draws_bars_in_percent_of_one_axis():
    drawn = draw(0, [Lane("step", "a", (Bar(0, 50 * MS, "queue"), Bar(50 * MS, 100 * MS)))], [])
    assert drawn.length_ns == 104 * MS  # a little room at the end
    queue, bar = drawn.rows[0].spans
    assert (queue.x, queue.end) == (0.0, 48.08)
    assert (bar.x, bar.end) == (48.08, 96.15)
    assert drawn.rows[0].took_ns == 50 * MS


def test_it_draws_what_is_still_open_to_the_edge():
    drawn = draw(
        0, [Lane("hook", "h", (Bar(10 * MS, None, "wait"),)), Lane("step", "s", (Bar(0, 100 * MS),))], []
    )
    span = drawn.rows[0].spans[0]
    assert (span.end, span.is_open) == (100.0, True)
    assert drawn.rows[0].took_ns is None


def test_it_keeps_what_took_no_time_visible():
    drawn = draw(0, [Lane("step", "s", (Bar(5 * MS, 5 * MS),)), Lane("step", "t", (Bar(0, 100 * MS),))], [])
    assert drawn.rows[0].spans[0].width == 0.3


def test_it_begins_before_the_run_if_something_was_stored_before():
    drawn = draw(100 * MS, [Lane("step", "s", (Bar(50 * MS, 150 * MS),))], [])
    assert (drawn.start_ns, drawn.rows[0].spans[0].x) == (50 * MS, 0.0)


def test_it_stands_without_any_length():
    drawn = draw(5, [Lane("step", "s", (Bar(5, 5),))], [Moment(5, "run end", "end")])
    assert drawn.length_ns > 0
    assert drawn.marks[0].x == 0.0


def test_it_writes_round_ticks_for_any_length():
    for length in (1, 7, 104, 999, 60_000, 86_400_000, 10**12):
        ticks = draw(0, [Lane("step", "s", (Bar(0, length * MS),))], []).ticks
        assert 2 <= len(ticks) <= 9
        assert ticks[0].label.startswith("0")


def test_it_keeps_labels_of_marks_apart():
    moments = [Moment(at * MS, f"close of stream {at}", "close") for at in (10, 11, 12, 13, 14, 15)]
    marks = draw(0, [Lane("step", "s", (Bar(0, 100 * MS),))], moments).marks
    assert len({mark.y for mark in marks if mark.label}) == 4
    assert sum(not mark.label for mark in marks) == 2
    last = draw(0, [Lane("step", "s", (Bar(0, 100 * MS),))], [Moment(100 * MS, "run end", "end")]).marks[0]
    assert (last.anchor, last.look) == ("end", "end")


def test_it_leaves_out_lanes_beyond_its_limit_and_says_how_many():
    drawn = draw(0, [Lane("step", str(at), (Bar(0, 5),)) for at in range(5)], [], limit=3)
    assert (len(drawn.rows), drawn.left_out) == (3, 2)


def test_it_takes_attempts_from_the_log():
    found = attempts_by_step(
        [
            ("s", "step_started", 1),
            ("s", "step_retrying", 2),
            ("s", "step_started", 5),
            ("s", "step_completed", 8),
        ]
    )
    assert found == {"s": (Bar(1, 2, "fail"), Bar(5, 8, ""))}


def test_it_takes_an_attempt_that_was_started_again_for_broken_off():
    found = attempts_by_step([("s", "step_started", 1), ("s", "step_started", 4)])
    assert found == {"s": (Bar(1, 4, "fail"), Bar(4, None))}


def test_it_ignores_ends_without_a_start_and_events_without_a_time():
    assert attempts_by_step([("s", "step_completed", 3), ("s", "step_started", None)]) == {"s": ()}
