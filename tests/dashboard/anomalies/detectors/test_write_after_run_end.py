from __future__ import annotations

import pytest

from dashboard.anomalies.detectors.write_after_run_end import KEPT, WriteAfterRunEnd
from dashboard.anomalies.thresholds import DEFAULTS
from dashboard.lib.clock import NS_PER_MS, NS_PER_S
from streams.facts import ChunkFact, StreamFacts
from tests.dashboard.anomalies.detectors.written import OVER, RUNNING, asked, found_in
from tests.examples import RUN_ID, STREAM

assert OVER.ended_ns is not None
ENDED_NS = OVER.ended_ns
STREAM_OVER = StreamFacts(STREAM, OVER)


def chunk(arrival: int, stored: float, minted: float | None = None, *, close: bool = False) -> ChunkFact:
    """Seconds after the run had ended, by the world's clock and by the writer's."""
    minted_ms = None if minted is None else (ENDED_NS + int(minted * NS_PER_S)) // NS_PER_MS
    stored_ns = ENDED_NS + int(stored * NS_PER_S)
    return ChunkFact(
        f"chnk_{arrival:026}", arrival, arrival - 1, close, False, 5, stored_ns, minted_ms, lambda: b""
    )


def test_chunks_long_after_the_end_of_their_run_are_found():
    found = found_in(WriteAfterRunEnd, STREAM_OVER, [chunk(1, -1, -1), chunk(2, 5, 5), chunk(3, 7.5, 7.4)])
    assert (found.kind, found.severity, found.certainty) == ("write_after_run_end", "warning", "proved")
    assert (found.run_id, found.stream, found.step_id) == (RUN_ID, STREAM, "")
    assert found.message == "2 chunks were written after the run was completed, up to 7.5 s later."
    assert [(one.arrival, one.position) for one in found.chunks] == [(2, 1), (3, 2)]
    assert found.evidence == {
        "chunks": 2,
        "run_status": "completed",
        "seconds_late": 7.5,
        "threshold": "Written after the end: 2 s (default)",
    }


def test_without_the_writers_clock_it_is_suspected():
    found = found_in(WriteAfterRunEnd, STREAM_OVER, [chunk(1, 5)])
    assert (found.certainty, found.missing) == ("suspected", ("the writer's clock",))
    assert found.message.startswith("A chunk was written")


@pytest.mark.parametrize(
    "late",
    [
        chunk(1, DEFAULTS.late_s, 5),
        chunk(1, 60, -1),
        chunk(1, 60, 2),
        chunk(1, 1, 3600),
        chunk(1, 60, 60, close=True),
    ],
    ids=[
        "within the grace",
        "only copied later",
        "minted within the grace",
        "the writer's clock is ahead",
        "a close",
    ],
)
def test_what_one_of_the_clocks_takes_back_is_not_late(late):
    assert asked(WriteAfterRunEnd, STREAM_OVER, [late]) == []


@pytest.mark.parametrize(
    "stream",
    [
        StreamFacts(STREAM),
        StreamFacts(STREAM, RUNNING),
        StreamFacts(STREAM, OVER, is_system=True),
        StreamFacts(STREAM, OVER, expired=True),
    ],
    ids=["no run", "running", "of the SDK", "purged"],
)
def test_it_says_nothing_where_there_is_no_end_to_compare_with(stream):
    assert asked(WriteAfterRunEnd, stream, [chunk(1, 60, 60)]) == []


def test_of_very_many_the_last_are_named_and_all_are_counted():
    count = 5 * KEPT
    chunks = [chunk(n, 10 + n / 1000, 10 + n / 1000) for n in range(1, count + 1)]
    found = found_in(WriteAfterRunEnd, STREAM_OVER, [chunk(count + 1, -5, -5), *chunks])
    assert found.evidence["chunks"] == count and f"{count} chunks were" in found.message
    assert [one.arrival for one in found.chunks] == list(range(count - KEPT + 1, count + 1))


def test_an_id_with_a_time_beyond_all_clocks_is_no_danger():
    odd = chunk(1, 60)
    odd.minted_ms = 2**48 - 1
    assert len(asked(WriteAfterRunEnd, STREAM_OVER, [odd])) == 1
