from __future__ import annotations

import gzip

import pytest

from dashboard.anomalies.detectors.base import NotChecked
from dashboard.anomalies.detectors.undecodable_chunk import NAMED, UndecodableChunk
from streams.facts import ChunkFact, StreamFacts
from tests.dashboard.anomalies.detectors.written import OVER, asked, found_in
from tests.examples import NOW_NS, STREAM, devalue

STORED = StreamFacts(STREAM, OVER, True)
CUT = devalue("a longer text")[:-4]


def chunks(*payloads: bytes, framing: str = "") -> list[ChunkFact]:
    return [
        ChunkFact(
            f"chnk_{n:026}", n, n - 1, False, False, len(data), NOW_NS, None, lambda data=data: data, framing
        )
        for n, data in enumerate(payloads, 1)
    ]


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


@pytest.mark.parametrize(
    "broken",
    [
        CUT,
        framed(b"devl[{"),
        framed(b"gzip" + b"no gzip at all"),
        b"\0\0\0\x08nope",
        devalue("x") + b"\0\0",
    ],
)
def test_it_names_the_chunk_that_cannot_be_decoded(broken: bytes):
    one = found_in(UndecodableChunk, STORED, chunks(devalue("a"), broken, devalue("b")))
    assert (one.severity, one.certainty, [chunk.position for chunk in one.chunks]) == (
        "warning",
        "proved",
        [1],
    )
    assert one.evidence["chunks"] == 1 and one.message.startswith("A chunk cannot be decoded: ")


def test_of_very_many_it_names_the_first_and_tells_the_number():
    one = found_in(UndecodableChunk, STORED, chunks(*[CUT] * (NAMED + 5)))
    assert (len(one.chunks), one.evidence["chunks"]) == (NAMED, NAMED + 5)


@pytest.mark.parametrize(
    "payloads",
    [
        [devalue("a"), devalue({"b": 1})],
        [devalue("a") + devalue("b")],  # two frames in one chunk
        [framed(b"gzip" + gzip.compress(b'devl["zipped"]'))],
        [framed(b"encr" + b"n" * 40)],  # encrypted is not broken
        [b"raw bytes", b"gzip is a word that bytes can begin with", b"more"],
        [b"\x89PNG\r\n\x1a\n", b"\0" * 50],
        [],
    ],
)
def test_values_ciphertext_and_bytes_are_left_alone(payloads: list[bytes]):
    assert asked(UndecodableChunk, STORED, chunks(*payloads)) == []


def test_framed_bytes_are_judged_by_their_frames():
    good, cut = framed(b"bytes"), framed(b"bytes")[:-2]
    stream = StreamFacts(STREAM, OVER, True, framing="framed-v1")
    assert asked(UndecodableChunk, stream, chunks(good, good, framing="framed-v1")) == []
    assert found_in(UndecodableChunk, stream, chunks(good, cut, framing="framed-v1")).evidence["chunks"] == 1


def test_of_a_head_it_says_that_it_was_not_checked():
    (head,) = chunks(CUT)
    head.size = 5_000_000
    (one,) = asked(UndecodableChunk, STORED, [head])
    assert isinstance(one, NotChecked) and "only the head is kept" in one.reason
