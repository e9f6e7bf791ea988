"""Large values are opened node by node."""

from __future__ import annotations

import gzip

from runs.payloads import Limits, Truncated, decode, open_node
from tests.runs.payloads.cases import devl

DATA = devl({"list": 1, "m": 5}, [2, 3, 4], {"x": 3}, "b", "c", ["Map", 6], [7, 7, 7], [3, 4])
ONE = Limits(depth=1)


def test_it_opens_what_a_limit_left_out() -> None:
    top = decode(DATA, limits=ONE)
    assert top.status == "truncated"
    assert top.value == {"list": Truncated(1, "array", 3), "m": Truncated(5, "Map")}
    inner = open_node(DATA, 1, limits=ONE)
    assert inner.value == [Truncated(2, "object", 1), "b", "c"]
    leaf = open_node(DATA, 2, limits=ONE)
    assert (leaf.status, leaf.value) == ("ok", {"x": "b"})


def test_it_goes_on_where_a_list_was_cut() -> None:
    first = open_node(DATA, 1, limits=Limits(nodes=2, depth=1))
    rest = first.value[-1]
    assert rest == Truncated(1, "array", 3, 2)
    assert open_node(DATA, rest.node, start=rest.start).value == ["c"]


def test_it_goes_on_where_an_object_or_a_map_was_cut() -> None:
    assert open_node(DATA, 0, start=1, limits=ONE).value == {"m": Truncated(5, "Map")}
    assert open_node(DATA, 5, start=2).value.items == (("b", "c"),)


def test_it_opens_single_values_and_envelopes() -> None:
    assert open_node(DATA, 4).value == "c"
    assert open_node(b"gzip" + gzip.compress(DATA), 2).value == {"x": "b"}


def test_it_says_when_there_is_no_such_node() -> None:
    for index in (-1, 8):
        decoded = open_node(DATA, index)
        assert decoded.status == "corrupt"
        assert decoded.problem is not None
        assert decoded.problem.reason == f"no value has the number {index}: there are 8"


def test_it_is_empty_behind_the_end() -> None:
    assert open_node(DATA, 1, start=50).value == []
