"""Judging a stream of 20,000 message chunks: decoding, then grammar, marks and detectors, timed apart.

Prints chunks a second and how many times `json.loads` of the same texts each took, all measured in this run.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dashboard.anomalies.judge import StreamJudge
from streams.facts import ChunkFact, RunFacts, StreamFacts

CHUNKS, ROUNDS = 20_000, 9
STREAM = StreamFacts(
    "strm_01M803XX9EKPGB0DR66MWJRZ8Z_user", RunFacts("wrun_1", status="completed", ended_ns=0), True
)


def texts() -> list[bytes]:
    """A message as the AI SDK writes it: start, one long text part, finish."""
    delta = b'[{"type":1,"id":2,"delta":3},"text-delta","t1","lorem ipsum %06d "]'
    first = [b'[{"type":1,"messageId":2},"start","m1"]', b'[{"type":1,"id":2},"text-start","t1"]']
    last = [b'[{"type":1,"id":2},"text-end","t1"]', b'[{"type":1},"finish"]']
    return first + [delta % number for number in range(CHUNKS - 4)] + last


def facts(bodies: list[bytes]) -> list[ChunkFact]:
    """New facts each time: they remember what they have decoded."""
    frames = [(len(body) + 4).to_bytes(4, "big") + b"devl" + body for body in bodies]
    return [
        ChunkFact(f"chnk_{at:026d}", at + 1, at, False, False, len(frame), at, at, partial(bytes, frame))
        for at, frame in enumerate(frames)
    ]


def timed(work: Callable[[], object]) -> float:
    """Processor time: other processes of a busy machine do not count."""
    began = time.process_time()
    work()
    return time.process_time() - began


def judge(chunks: list[ChunkFact]) -> None:
    judge = StreamJudge()
    for chunk in chunks:
        judge.feed(chunk)
    verdict = judge.judge(STREAM, 0, frozenset({"stream_list"}))
    assert not verdict.moved


def main() -> None:
    bodies = texts()
    rounds = [_round(bodies) for _ in range(ROUNDS)]
    reference, *parts = (statistics.median(times) for times in zip(*rounds, strict=True))
    print(f"json.loads: {CHUNKS / reference:,.0f} texts/s")
    for at, (name, part) in enumerate(zip(("decode", "judge what is decoded"), parts, strict=True), 1):
        ratio = statistics.median(one[at] / one[0] for one in rounds)
        print(f"{name}: {CHUNKS / part:,.0f} chunks/s, {ratio:.2f} times json.loads")


def _round(bodies: list[bytes]) -> tuple[float, float, float]:
    """json.loads, decoding and judging, one after the other: the machine's pace changes between rounds."""
    chunks = facts(bodies)
    reference = timed(lambda: [json.loads(body) for body in bodies])
    return reference, timed(partial(_decode, chunks)), timed(partial(judge, chunks))


def _decode(chunks: list[ChunkFact]) -> None:
    for chunk in chunks:
        assert chunk.plain is not None


if __name__ == "__main__":
    main()
