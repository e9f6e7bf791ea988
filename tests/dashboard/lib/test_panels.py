"""Slots: one batched call a provider, and a page that stands when one fails."""

from __future__ import annotations

import pytest

from dashboard.lib import panels
from dashboard.lib.panels import NOT_AVAILABLE, Piece, collect, provide


@pytest.fixture(autouse=True)
def no_providers(monkeypatch):
    monkeypatch.setattr(panels, "_providers", panels.defaultdict(list))


def test_it_asks_each_provider_once_with_all_ids():
    asked = []

    def provider(ids):
        asked.append(ids)
        return {1: [Piece("a")], 2: []}

    provide("run_badges", provider)
    provide("run_badges", provider)
    provide("run_badges", lambda ids: {1: [Piece("b")]})
    found = collect("run_badges", [1, 2, 3])
    assert [piece.text for piece in found[1]] == ["a", "b"]
    assert found[2] == []
    assert 3 not in found
    assert asked == [[1, 2, 3]]


def test_it_knows_nothing_where_nobody_provides():
    provide("run_badges", lambda ids: {1: [Piece("a")]})
    assert collect("stream_badges", [1]) == {}


def test_it_asks_nobody_about_nothing():
    provide("run_badges", lambda ids: pytest.fail("asked"))
    assert collect("run_badges", []) == {}


def test_it_says_so_where_a_provider_fails_and_keeps_the_others(caplog):
    provide("run_badges", lambda ids: {1: [Piece("a")]})
    provide("run_badges", lambda ids: 1 / 0)
    assert collect("run_badges", [1, 2]) == {1: [Piece("a"), NOT_AVAILABLE], 2: [NOT_AVAILABLE]}
    assert "ZeroDivisionError" in caplog.text
