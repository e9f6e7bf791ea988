"""Stored payloads as pages show them: every form, bounded, escaped, and never an exception."""

from __future__ import annotations

import json

import pytest

from runs.pages._tree import tree_html
from runs.pages._values import error_line, one_line, shown
from runs.payloads import BigInt, JsDate, JsError, JsMap, JsSet, TypedBytes, Unknown
from runs.worlds.base import stored_bytes
from tests.factories import devalue

EVIL = "<script>alert(1)</script>"


def test_it_shows_nothing_for_nothing():
    assert shown(None) is None
    assert one_line(None) == ""
    assert error_line(None) == ""


def test_it_reads_bytes_of_the_sdk():
    value = shown(devalue({"a": [1, "x"]}))
    assert value.preview == '{a: [1, "x"]}'
    assert (value.problem, value.hex, value.text) == ("", "", "")


def test_it_reads_plain_json_with_the_sdks_bytes_inside():
    wrapped = {"__type": "Uint8Array", "data": "ZGV2bFt7ImEiOjF9LDQyXQ=="}
    assert (
        shown(stored_bytes({"error": "text", "input": wrapped}, "")).preview
        == '{error: "text", input: {a: 42}}'
    )
    assert one_line(stored_bytes(wrapped, "")) == "{a: 42}"


def test_it_says_how_much_of_a_large_value_is_kept():
    value = shown(stored_bytes("é" * 1_000_000, "runs/x.json"))
    assert value.note.startswith("kept as head: 65,532 bytes of 2,000,00")
    assert value.text.startswith('"éé')
    assert value.tree == ""
    assert "too large" in value.problem
    assert "2.0 MB" in one_line(stored_bytes("é" * 1_000_000, "runs/x.json"))


def test_it_shows_unreadable_bytes_raw_with_the_reason():
    value = shown(b"\x00\x01\x02\xff" * 10)
    assert value.hex.startswith("00 01 02 ff")
    assert value.problem
    assert value.text == ""
    assert shown(b"devl[{broken").hex == "64 65 76 6c 5b 7b 62 72 6f 6b 65 6e"
    assert shown(b"JSON{broken").problem.startswith("not JSON")
    assert shown(b'HEADnonsense\nJSON"abc').preview


@pytest.mark.parametrize(
    "stored",
    [b"", b"J", b"JSON", b"HEAD", b"HEAD{}", b'HEAD{"size": "x"}\n', b"JSONnull", b"devl", b"devl-1",
     b"encr" + b"x" * 40, b"JSON" + b"[" * 50_000, b"devl[[1],[2],[0]]", b"gzip\x1f\x8b", b"\xff" * 100],
)  # fmt: skip
def test_it_never_raises(stored):
    assert shown(stored) is not None
    one_line(stored)
    error_line(stored)


def test_it_gives_one_line_for_lists():
    assert one_line(devalue("a\nb")) == '"a\\nb"'
    assert one_line(devalue("x" * 1000), limit=20) == '"' + "x" * 18 + "…"
    assert "ff 00" in one_line(b"\xff\x00")
    assert "too large for a list" in one_line(devalue("cut off")[:9], whole=5000)


def test_it_names_an_error_by_its_class_where_that_is_stored():
    assert (
        error_line(stored_bytes({"message": "boom", "stack": "FatalError: boom\n  at x"}, ""))
        == "FatalError: boom"
    )
    assert error_line(stored_bytes({"message": "boom", "stack": "elsewhere"}, "")) == "boom"
    assert error_line(stored_bytes({"other": 1}, "")) == "{other: 1}"
    assert error_line(stored_bytes("only text", "")) == '"only text"'


def test_it_escapes_names_and_values_in_the_tree():
    plain = ({EVIL: EVIL}, [EVIL], EVIL, f"{EVIL}\nline")
    typed = (JsError(EVIL, EVIL, {"message": EVIL}), Unknown(EVIL, (EVIL,)), JsMap(((EVIL, EVIL),)))
    for value in (*plain, *typed, BigInt(EVIL), JsDate(EVIL), TypedBytes(EVIL, EVIL.encode())):
        html = tree_html({"in": value})
        assert "<script" not in html
        assert "alert" in html


def test_it_shows_the_parts_of_javascript_types():
    html = tree_html({"m": JsMap((("k", 1),)), "s": JsSet((2,)), "b": TypedBytes("Uint8Array", b"\x01\x02")})
    assert '<span class="k">&quot;k&quot;</span> <span class="y">1</span>' in html
    assert '<span class="k">0</span> <span class="y">2</span>' in html
    assert "01 02" in html


def test_it_bounds_the_tree_in_every_direction():
    deep = current = {}
    for _ in range(500):
        current["x"] = {}
        current = current["x"]
    laughs = ["ha"]
    for _ in range(30):
        laughs = [laughs] * 10
    for value in (
        deep,
        laughs,
        list(range(1_000_000)),
        "x" * 10_000_000,
        {str(at): at for at in range(100_000)},
    ):
        assert len(tree_html(value)) < 400_000
    assert "8,000 more entries, not shown" in tree_html(list(range(9_999)))


def test_it_shows_control_signs_and_surrogates_in_the_tree():
    html = tree_html({"a\x00": "b\ud800\u202e"})
    html.encode()
    assert "␀" in html
    assert "\u202e" not in html


def test_it_keeps_the_lines_of_a_stack():
    assert "Error: x\n    at y" in tree_html({"stack": "Error: x\n    at y"})
    assert json.dumps("kept") in tree_html({"a": {"b": "kept"}}).replace("&quot;", '"')
