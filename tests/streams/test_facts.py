from __future__ import annotations

from streams.facts import Attempt, ChunkFact, attempts_of


def chunk(data: bytes, *, size: int | None = None, minted_ms: int | None = None) -> ChunkFact:
    length = len(data) if size is None else size
    return ChunkFact("chnk_1", 1, 0, False, False, length, 5_000_000_000, minted_ms, lambda: data)


def test_attempts_tell_a_retry_from_a_second_start():
    log = [
        ("step_created", 1),
        ("step_started", 2),
        ("step_retrying", 3),
        ("step_started", 4),
        ("step_started", 5),
    ]
    assert attempts_of(log) == (Attempt(2, False), Attempt(4, True), Attempt(5, False))
    assert attempts_of([("step_retrying", 1), ("step_completed", 2)]) == ()


def test_a_chunk_knows_whether_its_payload_is_whole_and_sealed():
    assert chunk(b"\0\0\0\x04devl").is_whole and not chunk(b"\0\0\0\x04devl").is_sealed
    assert not chunk(b"head", size=9_000_000).is_whole
    assert chunk(b"\0\0\0\x08encr1234").is_sealed and chunk(b"encp12345678").is_sealed


def test_its_time_is_the_earlier_of_both_clocks():
    assert chunk(b"x", minted_ms=4_000).time_ns == 4_000_000_000
    assert chunk(b"x", minted_ms=6_000).time_ns == chunk(b"x").time_ns == 5_000_000_000


def test_its_payload_is_loaded_once():
    loads = []

    def load() -> bytes:
        loads.append(1)
        return b'\0\0\0\x08devl["a"]'

    fact = ChunkFact("chnk_1", 1, 0, False, False, 12, 0, None, load)
    assert (fact.plain, fact.values, len(fact.payload), len(loads)) == (fact.plain, fact.values, 13, 1)
