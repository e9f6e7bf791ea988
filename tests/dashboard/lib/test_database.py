from __future__ import annotations

import pytest

from dashboard.lib.database import clean


@pytest.mark.parametrize(
    ("text", "expected"),
    [("plain", "plain"), ("é", "é"), ("a\x00b", "a␀b"), ("\ud800", "?"), ("x" * 20, "x" * 9 + "…"), (5, "5")],
)
def test_it_makes_text_that_every_database_and_page_can_hold(text, expected):
    assert clean(text, 10) == expected
