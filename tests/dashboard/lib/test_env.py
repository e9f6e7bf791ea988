from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from dashboard.lib import env


@pytest.mark.parametrize(("value", "expected"), [("1", True), ("on", True), ("No", False), ("", False)])
def test_it_reads_switches(monkeypatch, value, expected):
    monkeypatch.setenv("TAILRACE_X", value)
    assert env.flag("TAILRACE_X") is expected


def test_it_uses_the_default_where_nothing_is_set(monkeypatch):
    monkeypatch.delenv("TAILRACE_X", raising=False)
    assert env.flag("TAILRACE_X", default=True) is True
    assert env.number("TAILRACE_X", 3, 0, 9) == 3


@pytest.mark.parametrize("value", ["maybe", "2"])
def test_a_bad_switch_is_an_error_that_names_the_variable(monkeypatch, value):
    monkeypatch.setenv("TAILRACE_X", value)
    with pytest.raises(ImproperlyConfigured, match="TAILRACE_X"):
        env.flag("TAILRACE_X")


@pytest.mark.parametrize("value", ["many", "-1", "11", "nan"])
def test_a_bad_number_is_an_error_that_names_the_variable(monkeypatch, value):
    monkeypatch.setenv("TAILRACE_X", value)
    with pytest.raises(ImproperlyConfigured, match="TAILRACE_X"):
        env.number("TAILRACE_X", 3, 0, 10)


def test_it_reads_ages_and_sizes_and_nothing_else():
    assert env.duration("30d") == 30 * 86400
    assert env.duration("90 m") == 5400
    assert env.size("1.5GB") == 1_500_000_000
    assert env.duration("2GB") is env.size("30d") is env.duration("") is None


@pytest.mark.parametrize("value", ["https://tailrace.example.org", "http://10.0.0.7:8000/tailrace/"])
def test_it_reads_the_address_that_people_use(monkeypatch, value):
    monkeypatch.setenv("TAILRACE_X", value)
    assert env.base_url("TAILRACE_X") == value.rstrip("/")


@pytest.mark.parametrize(
    "value", ["tailrace.example.org", "ftp://x", "https://", "https://x/?a=b", "javascript:alert(1)"]
)
def test_an_address_that_is_none_is_an_error_that_names_the_variable(monkeypatch, value):
    monkeypatch.setenv("TAILRACE_X", value)
    with pytest.raises(ImproperlyConfigured, match="TAILRACE_X"):
        env.base_url("TAILRACE_X")
