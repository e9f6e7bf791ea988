"""Values as indented text."""

from __future__ import annotations

from runs.payloads import Limits, decode, outline
from tests.runs.payloads.cases import devl


def text(*flat: object, **limits: int) -> str:
    return "\n".join(outline(decode(devl(*flat), limits=Limits(**limits)).value))


def test_it_writes_one_entry_a_line() -> None:
    assert (
        text({"a": 1, "b c": 2, "d": 4, "e": 5}, [3, 3], {"x": 3}, "y", [], {})
        == """{
  a: [
    "y"
    "y"
  ]
  "b c": {
    x: "y"
  }
  d: []
  e: {}
}"""
    )


def test_it_writes_a_shared_object_once() -> None:
    assert text([1, 1], {"x": 2}, 5) == "[\n  {\n    x: 5\n  }\n  (the same as in line 2)\n]"


def test_it_writes_what_javascript_types_contain() -> None:
    assert text(["Map", 1, 2], "k", [1]) == 'Map {\n  "k" → [\n    "k"\n  ]\n}'
    assert text(["Set", 1, 1], "k") == 'Set {\n  "k"\n  "k"\n}'
    assert text(["null", "a", 1], "k") == 'Object without prototype {\n  a: "k"\n}'
    assert text(["Blob", 1], "k") == '"Blob" (a type that is not known) [\n  "k"\n]'
    assert text(["TypeError", 1], {"message": 2}, "m") == 'TypeError: m {\n  message: "m"\n}'
    assert text(["Uint8Array", 1], "AP8=") == "Uint8Array(2) 00 ff"


def test_it_writes_long_texts_whole_and_on_one_line() -> None:
    assert text("a\n" * 300) == '"' + "a\\n" * 300 + '"'


def test_it_says_what_is_left_out() -> None:
    assert text([1], [2, 2], "x", depth=1) == '[\n  … not shown: "array", entries: 2, node 1\n]'


def test_it_puts_deep_values_on_one_line() -> None:
    lines = outline(decode(devl(*([n + 1] for n in range(150)), "x")).value)
    assert lines[40].strip() == "[" * 12 + "…" + "]" * 12
    assert len(lines) == 81
