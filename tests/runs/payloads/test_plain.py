"""Values as plain data, for code that reads ordinary fields."""

from __future__ import annotations

from runs.payloads import UNDEFINED, BigInt, JsError, as_plain, decode
from tests.runs.payloads.cases import devl


def test_it_returns_plain_values_as_they_are() -> None:
    value = {"type": "text-delta", "n": 1.5, "list": [1, {"x": None}], "on": True}
    assert as_plain(value) is value


def test_it_makes_short_texts_of_other_types() -> None:
    flat = [
        {"date": 1, "big": 2, "url": 3, "map": 4, "bytes": 5, "nan": -3, "fine": 6},
        ["Date", "2024-01-01"],
        ["BigInt", "10"],
        ["URL", "https://a/"],
        ["Map", 6, 6],
        ["Uint8Array", 7],
        ["x"],
        "aGk=",
    ]
    flat[6] = "x"
    assert as_plain(decode(devl(*flat)).value) == {
        "date": "2024-01-01",
        "big": "10n",
        "url": "https://a/",
        "map": 'Map(1) {"x" → "x"}',
        "bytes": 'Uint8Array(2) "hi"',
        "nan": "NaN",
        "fine": "x",
    }


def test_it_leaves_out_undefined_fields_as_json_does() -> None:
    assert as_plain({"a": UNDEFINED, "b": [UNDEFINED]}) == {"b": [None]}
    assert as_plain(UNDEFINED) is None


def test_it_opens_wrappers() -> None:
    assert as_plain(decode(devl([1, 3], ["null", "a", 2], 5, ["Object", 2])).value) == [{"a": 5}, 5]


def test_it_never_changes_the_value() -> None:
    value = {"kept": [BigInt("1")], "e": JsError("Error", "Error", {"message": "m"})}
    assert as_plain(value) == {"kept": ["1n"], "e": "Error: m"}
    assert value["kept"] == [BigInt("1")]


def test_it_survives_any_depth() -> None:
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    assert as_plain(deep) == "[" * 12 + "…" + "]" * 12
