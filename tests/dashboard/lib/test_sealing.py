"""Secrets at rest: what opens them, and what a person is told when they do not open."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from dashboard.lib import env
from dashboard.lib.sealing import FILE, SealError, is_ready, open_sealed, seal

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


@pytest.fixture
def data(settings, tmp_path):
    """The embedded set-up: the database lies in the data directory, and no variable is set."""
    settings.KEY_SECRET, settings.DATABASE_URL, settings.DATA = "", "", tmp_path / "data"
    return settings.DATA


def test_without_the_variable_a_key_is_made_in_the_data_directory(data):
    assert is_ready() and not data.exists(), "it is made when there is something to seal"
    sealed = seal(SECRET, "a")
    assert open_sealed(sealed, "a") == SECRET
    [file] = data.iterdir()
    assert file.name == FILE and file.stat().st_mode & 0o777 == 0o600
    assert open_sealed(seal(b"another", "b"), "b") == b"another" and [file] == list(data.iterdir())


def test_what_the_file_sealed_opens_when_the_variable_is_set_later(data, settings):
    sealed = seal(SECRET, "a")
    settings.KEY_SECRET = "a secret from the environment"
    assert open_sealed(sealed, "a") == SECRET
    assert seal(SECRET, "a")[1:5] != sealed[1:5], "what is new is sealed with the variable"


def test_what_the_variable_sealed_needs_it_and_says_so(data, settings):
    settings.KEY_SECRET = "a secret from the environment"
    sealed = seal(SECRET, "a")
    settings.KEY_SECRET = ""
    with pytest.raises(SealError, match="TAILRACE_KEY_SECRET, which is not set"):
        open_sealed(sealed, "a")


def test_a_data_directory_that_cannot_be_written_is_one_sentence(data, settings):
    data.write_text("a file")
    with pytest.raises(SealError, match="cannot be made in the data directory"):
        seal(SECRET, "a")


def test_it_says_when_the_variable_is_missing(settings):
    sealed = seal(SECRET, "a")
    settings.KEY_SECRET, settings.DATABASE_URL = "", "postgresql://elsewhere/tailrace"
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
