"""No bytes make the decoder raise, and whatever it gives can be shown, stored and sent.

`TAILRACE_FUZZ` is the number of examples, 2,000 by default. Before a release 100,000 are run, which takes
about ten minutes: `TAILRACE_FUZZ=100000 pytest -o faulthandler_timeout=0 tests/runs/payloads/test_fuzz.py`.
"""

from __future__ import annotations

import itertools
import json
import os
import zlib

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runs.payloads import FrameReader, Limits, decode, decode_chunk, decode_json, open_node
from runs.payloads.tags import MAKERS
from tests.runs.payloads.cases import KEY, corpus, frame, stands_all_uses

EXAMPLES = int(os.environ.get("TAILRACE_FUZZ", "2000"))
LIMITS = Limits(nodes=300, depth=40, inflated=2**16, seconds=1.0)

SEEDS = [it.data for it in corpus() if len(it.data) < 1000]
TAGS = st.sampled_from(sorted([*MAKERS, "TypeError", "DOMException", "Temporal.Instant", "Nope"]))
TEXTS = st.sampled_from(["", ".", "AAEC", "-1", "message", "expiredAt", "__proto__", "\ud800", "\x00\u202e"])
REFS = st.integers(-8, 12)
SCALARS = st.one_of(st.none(), st.booleans(), REFS, st.floats(), TEXTS, st.text(max_size=8))
NODES = st.one_of(
    SCALARS,
    st.lists(REFS, max_size=5),
    st.dictionaries(TEXTS, REFS, max_size=5),
    st.tuples(TAGS, REFS).map(list),
    st.tuples(TAGS, SCALARS, SCALARS, SCALARS).map(list),
    st.lists(SCALARS, max_size=5),
    st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3), max_leaves=6),
)
FLATS = st.lists(NODES, min_size=1, max_size=12)


def text_of(flat: list[object]) -> bytes:
    return b"devl" + json.dumps(flat).encode()


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A stored payload with up to three bytes or pieces changed, removed or put in."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 4))] = draw(st.binary(max_size=4))
    return bytes(data)


PAYLOADS = st.one_of(
    st.binary(max_size=80),
    st.tuples(st.sampled_from([b"devl", b"gzip", b"zstd", b"encr", b"encp"]), st.binary(max_size=80)).map(
        b"".join
    ),
    mutated(),
    FLATS.map(text_of),
    FLATS.map(lambda flat: b"gzip" + zlib.compress(text_of(flat), wbits=31)),
)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(data=PAYLOADS, cut=st.integers(0, 100), node=REFS, key=st.sampled_from([None, KEY, b"short"]))
def test_it_never_raises_whatever_is_stored(data: bytes, cut: int, node: int, key: bytes | None) -> None:
    stands_all_uses(decode(data, key=key))
    stands_all_uses(decode(data, key=key, limits=LIMITS))
    stands_all_uses(open_node(data, node, start=cut % 4, key=key, limits=LIMITS))
    for chunk in (data, frame(data), frame(data) + data[:cut], b"\x00" + data):
        for framing in (None, "framed-v1", "raw"):
            for decoded in decode_chunk(chunk, key=key, framing=framing, limits=LIMITS).values:
                stands_all_uses(decoded)


@settings(max_examples=EXAMPLES // 4, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(value=st.one_of(FLATS, NODES))
def test_it_never_raises_on_values_that_arrive_as_json(value: object) -> None:
    stands_all_uses(decode_json(value, limits=LIMITS))


@settings(max_examples=EXAMPLES // 10, deadline=None, database=None)
@given(frames=st.lists(st.binary(max_size=40), max_size=8), cuts=st.lists(st.integers(0, 400), max_size=8))
def test_it_puts_frames_together_however_they_are_split(frames: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(map(frame, frames))
    edges = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    reader, found = FrameReader(), []
    for start, end in itertools.pairwise(edges):
        found += reader.feed(stream[start:end])
    assert (found, reader.rest(), reader.problem) == (frames, b"", None)
