"""One line for list pages."""

from __future__ import annotations

import time

import pytest

from runs.payloads import decode, preview
from tests.runs.payloads.cases import devl


@pytest.mark.parametrize(
    ("flat", "line"),
    [
        (
            [{"type": 1, "id": 2, "delta": 3}, "text-delta", "t1", "e"],
            '{type: "text-delta", id: "t1", delta: "e"}',
        ),
        ([{"a b": 1, "$x": 2}, None, [3], True], '{"a b": null, $x: [true]}'),
        (['say "hi"\n\t\x00\\'], '"say \\"hi\\"\\n\\t\\0\\\\"'),
        (["a\u202eb\u2028c\x1bd"], '"a\\u202eb\\u2028c\\u001bd"'),
        (
            [[1, 2, 3, -3, -4, -5, -6, -1, -2], 1.0, 1.5, 10**20],
            "[1, 1.5, 100000000000000000000, NaN, Infinity, -Infinity, -0, undefined, <hole>]",
        ),
        ([["Date", "2024-01-01T00:00:00.000Z"]], "2024-01-01T00:00:00.000Z"),
        ([["Date", "."]], "Invalid Date"),
        ([["BigInt", "10"]], "10n"),
        ([["URL", "https://a/"]], "URL https://a/"),
        ([["URLSearchParams", "a=1"]], "URLSearchParams a=1"),
        ([["RegExp", "a+", "g"]], "/a+/g"),
        ([["Temporal.Instant", "x"]], "Instant x"),
        ([["Map", 1, 2], "a", 5], 'Map(1) {"a" → 5}'),
        ([["Set", 1, 2], "a", 5], 'Set(2) {"a", 5}'),
        ([["Headers", 1], [2], [3, 4], "a", "b"], 'Headers {"a" → "b"}'),
        ([[-7, 10, 3, 1], "x"], 'Array(10) {3 → "x"}'),
        ([["null", "a", 1], "x"], '{a: "x"}'),
        ([["Object", 1], 3], "Object(3)"),
        ([["TypeError", 1], {"message": 2}, "no\nway"], "TypeError: no\\nway"),
        ([["TypeError", 1], {}], "TypeError"),
        ([["Uint8Array", 1], "aGk="], 'Uint8Array(2) "hi"'),
        ([["Uint8Array", 1], "AP8="], "Uint8Array(2) 00 ff"),
        ([["Instance", 1], {"classId": 2, "data": 3}, "class//decimal//Decimal", "1.5"], 'Decimal("1.5")'),
        ([["Class", 1], {"classId": 2}, "c"], "class c"),
        ([["StepFunction", 1], {"stepId": 2}, "s"], "step s"),
        ([["WorkflowFunction", 1], {"workflowId": 2}, "w"], "workflow w"),
        ([["ReadableStream", 1], {"name": 2}, "strm_1"], "ReadableStream strm_1"),
        ([["AbortSignal", 1], {"aborted": 2}, True], "AbortSignal aborted"),
        ([["Request", 1], {"method": 2, "url": 3}, "GET", "https://a/"], "Request GET https://a/"),
        ([["Response", 1], {"status": 2}, 204], "Response 204"),
        ([["Blob", 1], "x"], 'Blob("x")'),
        ([{"self": 0}], "{self: <cycle to $>}"),
        ([[9]], "[<a reference outside the list of 1: 9>]"),
    ],
)
def test_it_shows_a_value_on_one_line(flat: list[object], line: str) -> None:
    assert preview(decode(devl(*flat)).value) == line


def test_it_is_cut_to_the_limit() -> None:
    assert preview({"a": "x" * 500}, 20) == '{a: "xxxxxxxxxxxxxx…'
    assert [preview("abc", limit) for limit in (0, 1, 2, 5)] == ["", "…", '"…', '"abc"']


def test_it_says_encrypted_with_the_size() -> None:
    assert preview(decode(b"encr" + bytes(1028)).value) == "encrypted, 1,000 bytes inside"


def test_it_takes_no_longer_for_large_values() -> None:
    values = [
        {"x" * 10**7: 1},
        "x" * 10**7,
        list(range(10**6)),
        {str(n): n for n in range(10**5)},
        b"x" * 10**7,
    ]
    started = time.monotonic()
    for value in values:
        assert len(preview(value)) <= 160
    assert time.monotonic() - started < 0.5


def test_it_ends_at_deep_nesting() -> None:
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    assert preview(deep, 10_000) == "[" * 12 + "…" + "]" * 12


def test_it_shows_numbers_too_long_to_write() -> None:
    assert preview(1 << 20_000) == "(20,001 bits)"
