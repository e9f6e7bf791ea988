"""Rate, gaps and stalls from arrivals and their times."""

from __future__ import annotations

from streams.pace import BINS, FEWEST, Gap, Point, look_closer, pace_of, spread_of

MS = 1_000_000
S = 1000 * MS


def points(*ms: int) -> list[Point]:
    return [Point(arrival, at * MS) for arrival, at in enumerate(ms, 1)]


def test_gaps_and_stalls_are_those_between_consecutive_arrivals():
    pace = pace_of(points(0, 10, 30, 1_530, 1_540))

    assert pace.longest == [
        Gap(1_500 * MS, 4, 30 * MS),
        Gap(20 * MS, 3, 10 * MS),
        Gap(10 * MS, 2, 0),
        Gap(10 * MS, 5, 1_530 * MS),
    ]
    assert pace.stalls == [Gap(1_500 * MS, 4, 30 * MS)]
    assert (pace.gaps.count, pace.gaps.p50, pace.gaps.most) == (4, 20 * MS, 1_500 * MS)
    assert (pace.backwards, pace.unread_ns) == (0, None)


def test_a_second_is_no_stall_yet():
    assert pace_of(points(0, 1_000)).stalls == []


def test_every_chunk_is_counted_in_one_part_of_the_axis():
    pace = pace_of(points(*range(0, 960, 10)))

    assert len(pace.bins) == BINS
    assert [part.chunks for part in pace.bins[:2]] == [2, 2]
    assert sum(part.chunks for part in pace.bins) == 96
    assert pace.bins[0].first == 1 and pace.bins[-1].to_ns == pace.to_ns
    assert all(part.gap_median == part.gap_most == 10 * MS for part in pace.bins)
    assert round(pace.bins[1].rate) == 101


def test_few_chunks_get_few_parts():
    assert len(pace_of(points(0, 10, 20)).bins) == FEWEST
    assert pace_of(points(0, 10, 20)).bins[5].gap_most is None


def test_chunks_that_were_not_read_are_spread_over_the_time_between():
    pace = pace_of([Point(1, 0), Point(2, 10 * MS), Point(102, 1_010 * MS), Point(103, 1_020 * MS)])

    assert round(sum(part.chunks for part in pace.bins), 6) == 103
    assert pace.gaps.count == 2 and pace.longest[0].ns == 10 * MS
    assert pace.unread_ns == 1_000 * MS
    assert pace.stalls == []


def test_only_fair_gaps_make_percentiles():
    some = points(0, 10, 5_010, 5_020)
    pace = pace_of(some, fair={2, 4})

    assert (pace.gaps.count, pace.gaps.most) == (2, 10 * MS)
    assert pace.longest[0].ns == 5_000 * MS


def test_times_that_go_back_are_counted_and_are_no_gaps():
    pace = pace_of(points(0, 50, 40, 60))

    assert pace.backwards == 1
    assert sorted(gap.arrival for gap in pace.longest) == [2, 4]
    assert pace.gaps.count == 2
    assert sum(part.chunks for part in pace.bins) == 4


def test_one_moment_has_no_axis_and_one_chunk_no_pace():
    assert pace_of(points(5, 5, 5)).bins == []
    assert pace_of(points(5)) is None
    assert pace_of([]) is None


def test_a_spread_tells_how_many_are_at_most_so_much():
    spread = spread_of(list(range(1, 101)))
    assert (spread.count, spread.p50, spread.p90, spread.p99, spread.most) == (100, 51, 91, 100, 100)
    assert spread_of([]) is None


class World:
    """A long stream at 2 ms a chunk, but for some stalls; counts what is asked of it."""

    def __init__(self, head: int, stalls: dict[int, int]) -> None:
        self.head, self.stalls, self.asked = head, stalls, 0

    def at(self, arrival: int) -> int:
        return 2 * MS * arrival + sum(ns for before, ns in self.stalls.items() if arrival >= before)

    def ask(self, arrivals) -> dict[int, int]:
        self.asked += len(arrivals)
        return {arrival: self.at(arrival) for arrival in arrivals}

    def sample(self) -> list[Point]:
        runs = range(1, self.head, self.head // 50)
        arrivals = {arrival for start in runs for arrival in range(start, start + 8)} | {self.head}
        return [Point(arrival, self.at(arrival)) for arrival in sorted(arrivals)]


def test_the_longest_gaps_of_a_long_stream_are_found_without_reading_it():
    world = World(1_000_000, {77_778: S // 3, 654_322: 5 * S, 777_778: 2 * S})
    pace = pace_of(look_closer(world.sample(), world.ask, 10))

    assert [gap.arrival for gap in pace.longest[:3]] == [654_322, 777_778, 77_778]
    assert pace.longest[0].ns == 5 * S + 2 * MS
    assert world.asked < 5_000
    # What was not read could still hold a gap longer than the fifth that was found: it says how long.
    assert pace.unread_ns is not None and pace.unread_ns < 50 * S


def test_it_stops_where_nothing_longer_can_be_left():
    world = World(20_000, {at: S * at // 1_000 for at in (2_000, 5_000, 9_000, 12_000, 17_000)})
    pace = pace_of(look_closer(world.sample(), world.ask, 50))

    assert [gap.arrival for gap in pace.longest] == [17_000, 12_000, 9_000, 5_000, 2_000]
    assert pace.unread_ns is None
    assert world.asked < 1_000


def test_rows_that_are_gone_end_the_search():
    world = World(10_000, {})
    assert look_closer(world.sample(), lambda _: {}, 10) == world.sample()
