"""However a payload is made, showing it takes bounded time and memory."""

from __future__ import annotations

import gzip
import json
import time

import pytest

from runs.payloads import Cycle, Limits, Truncated, TypedBytes, as_tagged, decode
from tests.runs.payloads.cases import devl


def values_in(value: object) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(values_in, value.values()))
    if isinstance(value, list):
        return 1 + sum(map(values_in, value))
    return 1


def test_it_shows_as_many_values_as_allowed_and_says_where_the_rest_is() -> None:
    decoded = decode(devl(list(range(1, 101)), *range(100)), limits=Limits(nodes=10))
    assert decoded.status == "truncated"
    assert decoded.value == [*range(10), Truncated(0, "array", 100, 10)]
    assert decoded.problem is not None
    assert decoded.problem.reason == "more than 10 values"


def test_it_cuts_objects_and_maps_too() -> None:
    limits = Limits(nodes=3)
    big = decode(devl({str(n): 1 for n in range(9)}, "x"), limits=limits).value
    assert big == {"0": "x", "1": "x", "2": "x", "…": Truncated(0, "object", 9, 3)}
    pairs = decode(devl(["Map", *[1] * 8], "x"), limits=limits).value.items
    assert pairs == (("x", "x"), (Truncated(0, "Map", 4, 1),) * 2)


def test_it_charges_shared_parts_each_time_they_appear() -> None:
    flat = [*([n + 1] * 10 for n in range(30)), "leaf"]
    decoded = decode(devl(*flat), limits=Limits(nodes=5000))
    assert decoded.status == "truncated"
    assert values_in(decoded.value) <= 5001 + 1


def test_it_charges_long_texts_each_time_they_appear() -> None:
    data = devl([1] * 1000, "x" * 100_000)
    decoded = decode(data, limits=Limits(inflated=1_000_000))
    assert decoded.status == "truncated"
    assert len(json.dumps(as_tagged(decoded.value))) < 1_200_000
    assert decoded.value[-1] == Truncated(1, "string", 100_000)


def test_it_charges_shared_binary_data_and_long_names() -> None:
    limits = Limits(inflated=1_000_000)
    blobs = decode(devl([1] * 1000, ["Uint8Array", 2], "A" * 400_000), limits=limits)
    assert blobs.status == "truncated"
    assert sum(isinstance(it, TypedBytes) for it in blobs.value) == 4
    names = decode(devl([1] * 1000, {"k" * 400_000: 2}, None), limits=limits)
    assert names.status == "truncated"
    assert sum(isinstance(it, dict) for it in names.value) < 5


def test_it_counts_levels_of_shared_parts() -> None:
    """Each of these lists holds a chain that ends in the one before: shared, they would nest 2,500 deep."""
    flat: list[object] = [[]]
    before = None
    for _ in range(50):
        start = len(flat)
        flat[0] = [*flat[0], start]  # type: ignore[misc]
        flat += [[start + n + 1] for n in range(49)]
        flat.append([before] if before else [])
        before = start
    decoded = decode(devl(*flat), limits=Limits(depth=60))
    assert decoded.status == "truncated"
    assert deepest(decoded.value) <= 61


def deepest(value: object) -> int:
    return 1 + max(map(deepest, value), default=0) if isinstance(value, list) else 1


def test_it_stops_when_its_time_is_up() -> None:
    flat = [*([n + 1] * 10 for n in range(30)), [0]]
    started = time.monotonic()
    decoded = decode(devl(*flat), limits=Limits(nodes=10**9, seconds=0.2))
    assert decoded.status == "truncated"
    assert decoded.problem is not None
    assert decoded.problem.reason == "more than 0.2 seconds of work"
    assert time.monotonic() - started < 2


def test_it_never_inflates_more_than_allowed() -> None:
    decoded = decode(b"gzip" + gzip.compress(bytes(10_000_000)), limits=Limits(inflated=1_000_000))
    assert (decoded.status, decoded.value) == ("corrupt", None)
    assert decoded.problem is not None
    assert decoded.problem.reason == "inflates to more than 1,000,000 bytes"


@pytest.mark.parametrize(
    "text",
    [b"[" + b"[]," * 2_000_000 + b"[]]", b'["' + b"a" * 25 * 2**20 + "\U0001f600".encode() + b'"]'],
    ids=["tiny lists", "one wide character"],
)
def test_it_refuses_text_that_would_fill_the_memory(text: bytes) -> None:
    decoded = decode(b"devl" + text)
    assert decoded.status == "truncated"
    assert decoded.problem is not None
    assert decoded.problem.reason == "too large to be shown: it would take more than 160 MiB of memory"


def test_it_keeps_paths_short_however_long_the_names_are() -> None:
    name = "n" * 10_000
    flat = [*({name: at + 1} for at in range(99)), {"up": 99, "top": 0}]
    value = decode(devl(*flat)).value
    while name in value:
        value = value[name]
    assert isinstance(value["up"], Cycle)
    assert len(value["up"].to) <= 400
    assert value["top"].to == "$"


def test_it_survives_json_nested_deeper_than_python_can_go() -> None:
    assert decode(b"devl" + b"[" * 100_000).status == "corrupt"
    assert decode(b'devl["fine",' + b'{"a":' * 100_000).value == "fine"


def test_it_survives_numbers_of_any_size() -> None:
    digits = "9" * 5000
    decoded = decode(f"devl[[1,2,3],{digits},1e999,NaN]".encode())
    assert decoded.status == "corrupt"
    assert as_tagged(decoded.value)[1] == {"$": "number", "v": "Infinity"}
    assert [it["$"] for it in as_tagged(decoded.value)] == ["invalid", "number", "invalid"]
    assert decoded.problem is not None
    assert decoded.problem.offset == len("devl[[1,2,3],")


def test_a_long_list_shows_its_first_entries_whole_instead_of_all_of_them_closed():
    flat = [list(range(1, 1501)), *[{"id": 1501}] * 1500, "x"]
    data = b"devl" + json.dumps(flat).encode()
    cut = decode(data, limits=Limits(nodes=1000, breadth=100))
    assert cut.value[:100] == [{"id": "x"}] * 100
    assert cut.value[100] == Truncated(node=0, kind="array", total=1500, start=100)
    assert cut.problem is not None and cut.problem.reason == "more than 100 entries"
    assert decode(data).value == [{"id": "x"}] * 1500
