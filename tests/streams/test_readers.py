"""What a reader is said to get, how sure that is, and what is said where the evidence does not decide."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from streams.readers import (
    CLOSED,
    PROVED,
    RULES,
    SUSPECTED,
    UNCHECKED,
    UNKNOWN,
    WAITS,
    ReaderFacts,
    StoredChunk,
    listed,
    read_later,
    read_live,
    rules_for,
    summary,
)

MS = 1_000_000
SECOND = 1000 * MS
POSTGRES, LOCAL = rules_for("postgres", "4.8.9"), rules_for("local", "4.8.9")


def stream(
    layout: str, *, told: Sequence[int] | None = None, stored_ms: Sequence[int] | None = None
) -> ReaderFacts:
    """One letter a chunk, | for an end marker, in the order of ids. `told`: the order of notifications."""
    chunks = []
    for at, letter in enumerate(layout):
        stored = None if stored_ms is None else stored_ms[at] * MS
        heard = None if told is None else list(told).index(at)
        chunks.append(
            StoredChunk(at + 1, f"chnk_{at:06}", letter == "|", letter != "|", stored, notified=heard)
        )
    return ReaderFacts(chunks)


def written(layout: str, calls: Sequence[tuple[float, float, str]], process: str = "p") -> ReaderFacts:
    """With the calls that wrote it: from, to (milliseconds), and the indexes of its chunks."""
    chunks = {}
    for number, (called, done, indexes) in enumerate(calls):
        for at in map(int, indexes.split()):
            chunks[at] = StoredChunk(
                at + 1,
                f"chnk_{at:06}",
                layout[at] == "|",
                called_ns=int(called * MS) + 1000,
                done_ns=int(done * MS) + 1000,
                process=process,
                call=number,
            )
    return ReaderFacts([chunks[at] for at in range(len(layout))])


def positions(arrivals: Sequence[int]) -> list[int]:
    return [arrival - 1 for arrival in arrivals]


def test_it_tells_in_one_sentence_what_a_live_and_a_later_reader_get():
    facts = stream("abcdefghij|", told=[0, 1, 4, 2, 3, 5, 6, 7, 8, 9, 10])
    live, later = read_live(facts, POSTGRES), read_later(facts, POSTGRES)
    assert summary(facts, live, later) == ("a live reader got 0 1 4 5 6 7 8 9 8 9; a later reader gets 0..9")
    assert (live.sure, live.why) == (PROVED, ())


def test_it_says_of_a_clean_stream_that_both_get_the_same():
    facts = stream("abcd|", told=range(5))
    live, later = read_live(facts, POSTGRES), read_later(facts, POSTGRES)
    assert live.arrivals == later.arrivals == (1, 2, 3, 4)
    assert summary(facts, live, later) == "a live reader got 0..3; a later reader gets 0..3"


def test_it_drops_late_notifications_but_repeats_nothing_where_the_sdk_does_not_read_again():
    facts = stream("abcdefghij|", told=[0, 1, 4, 2, 3, 5, 6, 7, 8, 9, 10])
    live = read_live(facts, rules_for("postgres", "4.2.4"))
    assert (positions(live.arrivals), live.ended) == ([0, 1, 4, 5, 6, 7, 8, 9], CLOSED)


def test_it_says_that_a_reader_waits_where_the_stream_was_never_closed():
    facts = stream("ab")
    later = read_later(facts, LOCAL)
    assert later.ended == WAITS
    assert summary(facts, read_live(facts, LOCAL), later) == (
        "what a live reader got was not checked here (when each write came back is not known: that needs the "
        "probe); a later reader gets 0 1 and then waits for ever"
    )


def test_it_names_chunks_behind_the_end_marker_by_their_arrival():
    facts = stream("ab|cd|")
    reading = read_later(facts, LOCAL, 3)
    assert (listed(facts, reading.arrivals), reading.ended) == ("#4 #5", CLOSED)


def test_it_tells_the_error_that_the_sdk_gives_to_nobody():
    facts = stream("abcde|x|")
    reading = read_later(facts, rules_for("postgres", "4.2.4"))
    assert (positions(reading.arrivals), reading.ended) == ([0], WAITS)
    assert "Controller is already closed" in reading.error
    assert "because reading failed" in summary(facts, reading, reading)
    assert read_later(facts, POSTGRES).error == ""


def test_it_gives_up_where_the_sdk_does():
    count = 1100  # workflow 5.0.0-beta.39 got 1,001 of these, and then waited
    facts = stream("a" * count + "|b")
    reading = read_later(facts, rules_for("postgres", "5.0.0-beta.39"))
    assert (len(reading.arrivals), reading.ended) == (1001, WAITS)
    assert "1000" in reading.error


def test_it_follows_the_ends_of_the_writes_on_a_local_world():
    facts = written("abc|", [(0, 30, "0"), (1, 10, "1"), (2, 20, "2"), (40, 41, "3")])
    live = read_live(facts, LOCAL)
    assert (positions(live.arrivals), live.ended, live.sure) == ([1, 2, 0], CLOSED, PROVED)
    assert positions(read_later(facts, LOCAL).arrivals) == [0, 1, 2]


def test_it_ends_a_live_reading_at_the_first_end_marker_that_was_stored():
    facts = written("ab|", [(0, 1, "0"), (2, 30, "1"), (5, 10, "2")])
    live = read_live(facts, LOCAL)
    assert (positions(live.arrivals), live.ended) == ([0], CLOSED)
    assert (live.sure, live.why) == (SUSPECTED, ("a write was under way when the stream was closed",))


def test_it_lets_a_live_reader_come_late():
    facts = written("abcd|", [(10 * at, 10 * at + 1, str(at)) for at in range(5)])
    assert positions(read_live(facts, LOCAL, -1, attached=2).arrivals) == [1, 2, 3]
    # A local world counts `startIndex` only among what is stored already.
    assert positions(read_live(facts, LOCAL, 3, attached=2).arrivals) == [2, 3]
    assert positions(read_live(stream("abcd|", told=range(5)), POSTGRES, 3, attached=2).arrivals) == [3]


@pytest.mark.parametrize(
    ("calls", "why"),
    [
        ([(0, 30, "0"), (1, 30.01, "1"), (40, 41, "2")], "too close together"),
        ([(0, 30, "0"), (1, 40, "1 2")], "another one stored several chunks"),
        ([(0, 1, "0"), (2, 140, "1 2")], "looked at the directory while"),
    ],
)
def test_it_does_not_guess_where_the_ends_of_the_writes_do_not_decide(
    calls: Sequence[tuple[float, float, str]], why: str
):
    live = read_live(written("abc", calls), LOCAL)
    assert (live.sure, live.arrivals, live.ended) == (UNCHECKED, (), UNKNOWN)
    assert why in live.why[0]


def test_it_is_not_certain_where_one_write_stored_several_chunks():
    live = read_live(written("abc", [(0, 1, "0"), (2, 9, "1 2")]), LOCAL)
    assert (positions(live.arrivals), live.sure) == ([0, 1, 2], SUSPECTED)


def test_it_allows_a_clock_of_whole_milliseconds_a_whole_one():
    facts = written("ab", [(0, 30, "0"), (1, 30.5, "1")])
    assert read_live(facts, LOCAL).sure == PROVED
    coarse = [chunk._replace(called_ns=chunk.called_ns // MS * MS) for chunk in facts.chunks]  # type: ignore[operator]
    assert read_live(ReaderFacts(coarse), LOCAL).sure == UNCHECKED


def test_it_does_not_compare_the_clocks_of_several_processes():
    one = written("ab", [(0, 1, "0"), (2, 3, "1")]).chunks
    live = read_live(ReaderFacts([one[0], one[1]._replace(process="q")]), LOCAL)
    assert (live.sure, live.arrivals) == (UNCHECKED, ())
    assert "several processes" in live.why[0]


def test_it_says_how_many_writes_are_not_known():
    one = written("ab", [(0, 1, "0"), (2, 3, "1")]).chunks
    live = read_live(ReaderFacts([one[0], one[1]._replace(done_ns=None)]), LOCAL)
    assert live.why == ("of 1 chunks it is not known when their write came back",)


def test_it_checks_a_reader_in_another_process_only_where_the_moment_makes_no_difference():
    ordered = written("ab|", [(0, 1, "0"), (2, 3, "1"), (4, 5, "2")])
    assert positions(read_live(ordered, LOCAL, elsewhere=True).arrivals) == [0, 1]
    crossed = written("ab|", [(0, 9, "0"), (1, 3, "1"), (10, 11, "2")])
    assert read_live(crossed, LOCAL, elsewhere=True).sure == UNCHECKED
    assert positions(read_live(crossed, LOCAL).arrivals) == [1, 0]


def test_it_takes_stored_times_of_postgresql_only_where_chunks_are_far_apart():
    apart = read_live(stream("ab|", stored_ms=[0, 20, 60]), POSTGRES)
    assert (positions(apart.arrivals), apart.sure) == ([0, 1], SUSPECTED)
    near = read_live(stream("ab|", stored_ms=[0, 2, 60]), POSTGRES)
    assert (near.arrivals, near.sure) == ((), UNCHECKED)
    assert "notifications" in near.why[0]


def test_it_cuts_readers_off_after_two_minutes_where_vercel_did_and_they_did_not_come_again():
    facts = stream("abc|", stored_ms=[0, 1000, 130_000, 131_000])
    old, later = rules_for("vercel", "4.2.4"), rules_for("vercel", "4.8.9")
    assert (positions(read_live(facts, old).arrivals), read_live(facts, old).ended) == ([0, 1], CLOSED)
    assert positions(read_live(facts, later).arrivals) == [0, 1, 2]
    assert positions(read_later(facts, old).arrivals) == [0, 1, 2]
    assert read_live(facts, old).sure == SUSPECTED  # nobody has seen the server's code


def test_it_says_that_a_reader_of_an_open_vercel_stream_takes_the_cut_for_the_end():
    facts = stream("ab", stored_ms=[0, 1])
    assert read_later(facts, rules_for("vercel", "5.0.0-beta.5")).ended == CLOSED
    assert read_later(facts, rules_for("vercel", "5.0.0-beta.55")).ended == WAITS


def test_it_answers_nothing_for_a_stream_that_is_not_all_here():
    facts = ReaderFacts((), "the stream has more than 20,000 chunks")
    for reading in (read_live(facts, LOCAL), read_later(facts, LOCAL)):
        assert (reading.sure, reading.why) == (UNCHECKED, (facts.missing,))


@pytest.mark.parametrize(
    ("world", "sdk", "taken"),
    [
        ("postgres", "4.8.9", "4.8.9"),
        ("local", "4.5.0", "4.2.4"),
        ("local", "4.1.0", "4.2.4"),
        ("local", "4.9.1", "4.8.9"),
        ("local", "5.0.0-beta.40", "5.0.0-beta.39"),
        ("local", "5.0.0", "5.0.0-beta.55"),
        ("postgres", "5.0.0-beta.5", "5.0.0-beta.39"),
        ("vercel", "", "5.0.0-beta.55"),
    ],
)
def test_it_takes_the_rules_of_the_nearest_version_and_says_so(world: str, sdk: str, taken: str):
    choice = rules_for(world, sdk)
    assert choice.rules is not None
    assert choice.rules.sdk == taken
    assert (taken in choice.note) == (taken != sdk)
    reading = read_later(stream("a|"), choice)
    assert reading.sure == (PROVED if taken == sdk else SUSPECTED)


@pytest.mark.parametrize(
    ("world", "sdk"), [("probe", "4.8.9"), ("local", "0.12.0"), ("local", "next"), ("x", "")]
)
def test_it_knows_no_rules_for_other_worlds_and_versions(world: str, sdk: str):
    choice = rules_for(world, sdk)
    assert choice.rules is None
    reading = read_later(stream("a|"), choice)
    assert (reading.sure, reading.why) == (UNCHECKED, (choice.note,))


def test_it_has_one_set_of_rules_for_each_world_and_version():
    keys = [(rules.world, rules.sdk) for rules in RULES]
    assert len(set(keys)) == len(keys)
    assert {world for world, _ in keys} == {"local", "postgres", "vercel"}


def test_it_lists_long_readings_in_runs():
    facts = stream("a" * 2000)
    assert listed(facts, range(1, 2001)) == "0..1999"
    assert listed(facts, [*range(1, 1001), *range(995, 1101)]) == "0..999 994..1099"
    assert listed(facts, range(1, 2001, 2)) == "0 2 4 6 8 10 12 14 16 18 20 22 … (1,000 chunks)"
    assert listed(facts, []) == "nothing"


def test_it_skips_chunks_without_bytes_and_reads_again_where_the_sdk_counts_them():
    chunks = [chunk._replace(size=0) if at == 1 else chunk for at, chunk in enumerate(stream("abc|").chunks)]
    facts = ReaderFacts(chunks)
    assert positions(read_later(facts, rules_for("local", "4.2.4")).arrivals) == [0, 2]
    for sdk in ("4.8.9", "5.0.0-beta.55"):  # seen on both
        assert positions(read_later(facts, rules_for("local", sdk)).arrivals) == [0, 2, 2]
