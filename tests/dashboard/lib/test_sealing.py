"""Secrets at rest: what opens them, and what a person is told when they do not open."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from dashboard.lib import env
from dashboard.lib.sealing import SealError, is_ready, open_sealed, seal

SECRET = bytes(range(32))


@pytest.fixture(autouse=True)
def sealing_key(settings):
    settings.KEY_SECRET = "a secret from the environment"


def test_it_opens_what_it_sealed():
    sealed = seal(SECRET, "key of world 1")
    assert is_ready()
    assert open_sealed(sealed, "key of world 1") == SECRET
    assert SECRET not in sealed


def test_it_seals_the_same_secret_differently_each_time():
    assert seal(SECRET, "a")[5:] != seal(SECRET, "a")[5:]


def test_a_seal_opens_for_its_purpose_only():
    with pytest.raises(SealError, match="belongs to something else"):
        open_sealed(seal(SECRET, "key of world 1"), "key of world 2")


def test_it_says_when_the_variable_was_changed(settings):
    sealed = seal(SECRET, "a")
    settings.KEY_SECRET = "another secret of the environment"
    with pytest.raises(SealError, match="the key was sealed with another TAILRACE_KEY_SECRET"):
        open_sealed(sealed, "a")


def test_it_says_when_the_variable_is_missing(settings):
    sealed = seal(SECRET, "a")
    settings.KEY_SECRET = ""
    assert not is_ready()
    for use in (lambda: seal(SECRET, "a"), lambda: open_sealed(sealed, "a")):
        with pytest.raises(SealError, match="TAILRACE_KEY_SECRET is not set"):
            use()


@pytest.mark.parametrize("at", [5, 17, -1])
def test_it_says_when_bytes_were_changed(at):
    sealed = bytearray(seal(SECRET, "a"))
    sealed[at] ^= 1
    with pytest.raises(SealError, match="changed"):
        open_sealed(bytes(sealed), "a")


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x02" + bytes(60), SECRET])
def test_it_says_when_it_is_no_seal(data):
    with pytest.raises(SealError, match="no sealed key"):
        open_sealed(data, "a")


def test_a_short_secret_stops_the_start_without_being_shown(monkeypatch):
    monkeypatch.setenv("TAILRACE_KEY_SECRET", "fifteen-letters")
    with pytest.raises(ImproperlyConfigured, match="TAILRACE_KEY_SECRET has 15 characters") as refused:
        env.secret("TAILRACE_KEY_SECRET", 16)
    assert "fifteen" not in str(refused.value)


@pytest.mark.parametrize(("given", "expected"), [("sixteen-letters!", "sixteen-letters!"), ("  ", "")])
def test_a_secret_is_long_enough_or_absent(monkeypatch, given, expected):
    monkeypatch.setenv("TAILRACE_KEY_SECRET", given)
    assert env.secret("TAILRACE_KEY_SECRET", 16) == expected
