"""Every payload of the corpus: written by three SDKs, or made to break decoders."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runs.payloads import Decoded, FrameReader, Limits, as_tagged, decode, decode_chunk, decode_json
from tests.runs.payloads.cases import KEY, Case, case, corpus, stands_all_uses

UNDECIDABLE = "python-0.12.0/set_tuple_ambiguous"
DEEP = Limits(depth=600)

WRITTEN = [it for it in corpus() if it.sdk != "hostile" and not it.name.startswith("deep_")]
PAYLOADS = [it for it in WRITTEN if not it.about["where"].startswith("stream") and str(it) != UNDECIDABLE]
STREAMS = [it for it in WRITTEN if it.about["where"].startswith("stream")]
HOSTILE = [it for it in corpus() if it.sdk == "hostile" and it.about["where"] == "payload"]
HOSTILE_CHUNKS = [it for it in corpus() if it.about["where"] == "chunk"]

CHUNKS = {
    "frame_99mb_len": ("framed-value", []),
    "frame_bad_then_good": ("framed-value", [{"$": "bytes", "type": "Uint8Array", "b64": "anVuayEh"}, 2]),
    "frame_empty": ("empty", []),
    "frame_huge_len": ("framed-value", [1]),
    "frame_legacy_jsonl": ("legacy-json-lines", [{"a": 5}, "x"]),
    "frame_raw_text": ("raw-bytes", [{"$": "bytes", "type": "Uint8Array", "b64": "cGxhaW4gbG9nIGxpbmUK"}]),
    "frame_three_in_one": ("framed-value", [1, 2, 3]),
    "frame_truncated_body": ("framed-value", []),
    "frame_truncated_header": ("framed-value", [1]),
    "frame_unframed_value": ("unframed-value", [1]),
    "frame_zero_len": ("framed-value", [None, 1]),
}
DAMAGED = {"frame_99mb_len", "frame_huge_len", "frame_truncated_body", "frame_truncated_header"}


def comparable(value: Any) -> Any:
    """Without stacks, and with what no encoder accepts as the decoder shows it."""
    if isinstance(value, dict):
        error = value.get("$") == "error"
        return {key: comparable(item) for key, item in value.items() if not (error and key == "stack")}
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return value


def read(it: Case) -> Decoded:
    if it.about.get("container"):
        return decode_json(json.loads(it.data))
    return decode(it.data, key=KEY)


def test_it_has_every_case() -> None:
    assert len(corpus()) == 220


@pytest.mark.parametrize("it", PAYLOADS, ids=str)
def test_it_shows_what_the_sdk_stored(it: Case) -> None:
    decoded = read(it)
    assert (decoded.status, decoded.problem) == ("ok", None)
    assert comparable(as_tagged(decoded.value)) == comparable(it.about["expected"])
    stands_all_uses(decoded)


@pytest.mark.parametrize("it", STREAMS, ids=str)
def test_it_shows_every_value_of_a_stream(it: Case) -> None:
    framing = it.about.get("framing")
    found = decode_chunk(it.data, key=KEY, framing=framing)
    assert found.problem is None
    assert found.kind == ("framed-bytes" if framing else "framed-value")
    assert comparable([as_tagged(one.value) for one in found.values]) == comparable(it.about["expected"])
    assert [len(one) + 4 for one in FrameReader().feed(it.data)] == it.about["chunk_sizes"]


@pytest.mark.parametrize("sdk", ["4.8.9", "5.0.0-beta.55"])
def test_it_reads_500_levels_when_the_limit_allows_them(sdk: str) -> None:
    it = case(f"{sdk}/deep_500")
    decoded = decode(it.data, limits=DEEP)
    tagged, expected, levels = as_tagged(decoded.value), it.about["expected"], 0
    while isinstance(expected, dict):
        assert tagged.keys() == expected.keys() == {"d"}
        tagged, expected, levels = tagged["d"], expected["d"], levels + 1
    assert (decoded.status, tagged, levels) == ("ok", expected, 500)


@pytest.mark.parametrize("name", ["4.8.9/deep_500", "4.8.9/deep_3000", "5.0.0-beta.55/deep_3000"])
def test_it_stops_at_the_depth_limit(name: str) -> None:
    decoded = decode(case(name).data)
    assert decoded.status == "truncated"
    assert decoded.problem is not None
    assert decoded.problem.reason == "nested more than 200 deep"
    stands_all_uses(decoded)


def test_it_takes_a_set_of_one_tuple_for_the_javascript_form() -> None:
    decoded = decode(case(UNDECIDABLE).data)
    assert as_tagged(decoded.value) == {"s": {"$": "set", "v": [1, 2]}}


@pytest.mark.parametrize("it", HOSTILE, ids=str)
def test_it_survives_hostile_payloads(it: Case) -> None:
    decoded = decode(it.data, key=KEY)
    assert decoded.status == it.about["expected_status"]
    assert decoded.status in ("ok", "expired") or decoded.problem is not None
    stands_all_uses(decoded)


@pytest.mark.parametrize("it", HOSTILE_CHUNKS, ids=str)
def test_it_survives_hostile_chunks(it: Case) -> None:
    found = decode_chunk(it.data, key=KEY)
    kind, values = CHUNKS[it.name]
    assert found.kind == kind
    assert [as_tagged(one.value) for one in found.values] == values
    assert (found.problem is not None) == (it.name in DAMAGED)


@pytest.mark.parametrize("it", [it for it in corpus() if it.about.get("key_b64")], ids=str)
def test_it_says_encrypted_without_the_key(it: Case) -> None:
    decoded = decode(it.data)
    assert decoded.status == "encrypted"
    stands_all_uses(decoded)
