"""Two texts compared: where they are cut makes no difference, each piece names its chunk, and it is bounded."""

from __future__ import annotations

from streams import _compare_text
from streams._compare_text import compare_texts
from streams.rebuilt import Fragment


def fragments(*texts):
    return [Fragment(text, at, at - 1) for at, text in enumerate(texts, start=1)]


def told(found):
    return [(change.kind, "".join(token.text for token in change.tokens)) for change in found.changes]


def test_the_same_text_is_no_difference_wherever_it_is_cut():
    found = compare_texts(fragments("Hel", "lo, wo", "rld"), fragments("Hello,", "", " world"))

    assert not found and told(found) == [("same", "Hello, world")]


def test_another_word_is_the_only_difference():
    found = compare_texts(fragments("the cat ", "sat down"), fragments("the dog sat", " down"))

    assert told(found) == [("same", "the "), ("out", "cat"), ("in", "dog"), ("same", " sat down")]
    assert [token.arrival for token, is_other in found.left if is_other] == [1]


def test_pieces_that_changed_places_are_told_as_pieces():
    found = compare_texts(fragments("no", "vo", " e2e"), fragments("vo", "no", " e2e"))

    assert found.changed == 4
    assert [token.arrival for token, is_other in found.right if is_other] in ([1], [2])


def test_nothing_against_something():
    assert told(compare_texts([], fragments("all"))) == [("in", "all")]
    assert not compare_texts([], [])


def test_only_the_beginning_of_long_differences_is_compared(monkeypatch):
    monkeypatch.setattr(_compare_text, "MOST", 10)
    left = fragments("a", *(f"l{at}" for at in range(50)), "z")
    right = fragments("a", *(f"r{at}" for at in range(50)), "z")

    found = compare_texts(left, right)

    assert found.is_cut and told(found)[0] == ("same", "a") and told(found)[-1] == ("same", "z")


def test_hostile_texts_end():
    found = compare_texts(fragments(*["x"] * 5000), fragments(*["x"] * 4000, "y", *["x"] * 2000))

    assert found and sum(len(text) for kind, text in told(found) if kind == "same") >= 4000
