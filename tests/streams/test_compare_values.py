"""What chunks are compared by: values without the ids and times that differ between two runs."""

from __future__ import annotations

import json
import os

import pytest

from runs.worlds.base import digest_of
from streams._compare_rows import OpenedChunk
from streams._compare_values import differing_fields, entries_of
from streams.compare import ALIKE, CHANGED, MOVED, RECUT, SAME, align
from tests.factories import CLOSE_MARKER, frame


def chunk(value, arrival=1, *, size=None):
    data = b"" if value is CLOSE_MARKER else value if isinstance(value, bytes) else frame(value)
    fact = OpenedChunk(
        f"chnk_{arrival:026d}",
        arrival,
        arrival - 1,
        value is CLOSE_MARKER,
        False,
        size or len(data),
        0,
        None,
        lambda: data,
    )
    return fact, digest_of(data)


def relations(left, right):
    sides = ([chunk(value, at) for at, value in enumerate(side, start=1)] for side in (left, right))
    return [row.relation for row in align(*entries_of(*sides)).rows]


def message(part, message_id, tool="call_1", text="hi"):
    return [
        {"type": "start", "messageId": message_id},
        {"type": "text-start", "id": part},
        {"type": "text-delta", "id": part, "delta": text},
        {"type": "text-end", "id": part},
        {"type": "tool-input-start", "toolCallId": tool, "toolName": "weather"},
        {"type": "tool-output-available", "toolCallId": tool, "output": {"ok": True}},
        {"type": "finish"},
        CLOSE_MARKER,
    ]


def test_the_same_values_are_the_same():
    assert set(relations(message("t1", "m"), message("t1", "m"))) == {SAME}


def test_ids_of_another_run_make_no_difference():
    found = relations(message("t1", "m1", "call_a"), message("t2", "m2", "call_b"))

    assert found == [ALIKE] * 6 + [SAME] * 2


def test_another_text_under_another_id_is_a_change():
    assert CHANGED in relations(message("t1", "m1"), message("t2", "m2", text="ho"))


def test_ids_are_matched_consistently():
    """Two parts whose pieces changed places: the ids alone do not hide it."""
    left = [{"type": "text-delta", "id": part, "delta": "x"} for part in ("a", "b", "a", "b")]
    right = [{"type": "text-delta", "id": part, "delta": "x"} for part in ("c", "d", "d", "c")]

    assert relations(left, right) != [ALIKE] * 4
    assert relations(left, [right[0], right[1], right[0], right[1]]) == [ALIKE] * 4


def test_ids_that_both_runs_use_stand_for_themselves():
    left = [{"type": "text-start", "id": "t1"}, {"type": "text-start", "id": "t2"}]

    assert relations(left, left[::-1]).count(MOVED) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"at": "2026-11-21T22:33:40.518Z"}, {"at": "2026-11-22T01:00:00Z"}),
        ({"createdAt": 1795300000000}, {"createdAt": 1795400000000}),
        (
            {"trace": "0f8fad5b-d9cb-469f-a165-70867728950e"},
            {"trace": "7c9e6679-7425-40de-944b-e07fc1f90ae7"},
        ),
        ({"run": "wrun_01M803WTVFBDZEV5ANQ0GCB2X6"}, {"run": "wrun_01M803XX9EKPGB0DR66MWJRZ8Z"}),
        ({"type": "start", "messageId": "a"}, {"messageId": "b", "type": "start"}),
    ],
)
def test_times_and_random_ids_stand_for_one_another(one, other):
    assert relations([one], [other]) == [ALIKE]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"count": 1795300000000}, {"count": 1795400000000}),
        ({"userId": "42"}, {"userId": "43"}),
        ({"id": "order-1"}, {"id": "order-2"}),
        ({"createdAt": 3}, {"createdAt": 4}),
        ({"price": True}, {"price": 1}),
        ({"word": "internationalization"}, {"word": "internationalisation"}),
    ],
)
def test_other_values_do_not(one, other):
    assert relations([one], [other]) == [CHANGED]


def test_the_order_of_fields_makes_no_difference():
    assert relations([{"a": 1, "b": 2}], [{"b": 2, "a": 1}]) == [SAME]


def test_text_that_bytes_cut_elsewhere_is_seen():
    assert relations([b"\xffHel", b"lo"], [b"\xffHello"]) == [RECUT, RECUT]


def test_a_chunk_that_cannot_be_read_is_compared_by_its_bytes():
    broken = b"\x00\x00\x00\x06devl[["

    assert relations([broken, {"a": 1}], [broken, {"a": 1}]) == [SAME, SAME]
    assert relations([broken], [b"\x00\x00\x00\x06devl[{"]) == [CHANGED]


def test_a_chunk_of_which_only_the_head_is_here_is_compared_by_its_digest():
    one, _ = chunk({"a": 1}, size=10_000_000)

    same, other = (
        align(*entries_of([(one, digest)], [(one, b"d1")])).rows[0] for digest in (b"d1", os.urandom(16))
    )

    assert (same.relation, other.relation) == (SAME, CHANGED)
    assert same.left.type == "large"


def test_a_value_that_grows_beyond_its_bytes_is_compared_by_them():
    def doubled(last):
        """Arrays of two times the next one: 2 to the 9th values in few bytes."""
        body = b"devl" + json.dumps([*([at, at] for at in range(1, 10)), last]).encode()
        return len(body).to_bytes(4, "big") + body

    grown, data = chunk(doubled("2026-11-21T22:33:40Z"))
    other, more = chunk(doubled("2026-11-22T22:33:40Z"))

    assert len(data) < 200
    assert [row.relation for row in align(*entries_of([(grown, data)], [(grown, data)])).rows] == [SAME]
    assert [row.relation for row in align(*entries_of([(grown, data)], [(other, more)])).rows] == [CHANGED]


def test_the_fields_that_differ_are_named():
    one, other = (
        chunk({"type": "x", "a": 1, "b": {"c": 1}})[0],
        chunk({"type": "x", "a": 1, "b": {"c": 2}, "d": 0})[0],
    )

    assert differing_fields(one, other) == ["b", "d"]
    assert differing_fields(one, one) == []
    assert differing_fields(one, chunk(CLOSE_MARKER)[0]) == []
