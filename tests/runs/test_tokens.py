"""Tokens of probes: shown once, kept as a hash, for one world, revoked at once."""

from __future__ import annotations

import pytest
from django.core.management import call_command

from runs import tokens
from runs.models import ProbeToken
from tests.factories import START_NS, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def world():
    return make_world("shop")


def test_a_token_is_found_by_itself_and_kept_as_a_hash(world):
    row, plain = tokens.create(world, "laptop", "owner")
    assert plain.startswith("trp_") and len(plain) >= 40
    assert tokens.find(plain) == row
    kept = ProbeToken.objects.values_list().get()
    assert plain not in [str(value) for value in kept]
    assert plain.startswith(row.hint) and len(row.hint) < 12
    assert (row.name, row.created_by, row.world) == ("laptop", "owner", world)


@pytest.mark.parametrize("guess", ["", "trp_", "trp_x", "\ud800", "x" * 100_000])
def test_anything_else_is_not_found(world, guess):
    tokens.create(world, "laptop")
    assert tokens.find(guess) is None


def test_the_hash_of_a_token_is_no_token(world):
    row, _ = tokens.create(world, "laptop")
    assert tokens.find(row.hash) is None


def test_two_tokens_are_never_the_same(world):
    assert len({tokens.create(world, "laptop")[1] for _ in range(20)}) == 20


def test_a_name_is_cut_and_never_empty(world):
    assert tokens.create(world, "  ")[0].name == "probe"
    assert len(tokens.create(world, "x" * 500)[0].name) == 100


def test_a_revoked_token_is_still_found_as_such(world):
    row, plain = tokens.create(world, "laptop")
    assert tokens.revoke(row.pk)
    assert tokens.find(plain).revoked_ns is not None
    assert not tokens.revoke(row.pk), "once is enough"


def test_a_token_of_another_world_is_not_revoked(world):
    row, plain = tokens.create(world, "laptop")
    assert not tokens.revoke(row.pk, make_world("other"))
    assert tokens.find(plain).revoked_ns is None


def test_its_last_use_is_written_down_once_a_minute(world, monkeypatch):
    plain = tokens.create(world, "laptop")[1]
    for at, kept in ((0, 0), (59, 0), (61, 61)):
        now = START_NS + at * 10**9
        monkeypatch.setattr(tokens, "now_ns", lambda now=now: now)
        tokens.note_use(tokens.find(plain))
        assert ProbeToken.objects.get().last_used_ns == START_NS + kept * 10**9


def test_those_in_force_are_listed_first(world):
    first, second, third = (tokens.create(world, name)[0] for name in ("a", "b", "c"))
    tokens.create(make_world("other"), "elsewhere")
    tokens.revoke(third.pk)
    assert [token.name for token in tokens.of_world(world.pk)] == [second.name, first.name, third.name]


def test_the_command_makes_lists_and_revokes(world, capsys):
    call_command("tokens", "create", "shop", "--name", "ci")
    plain = capsys.readouterr().out.split()[-1]
    row = tokens.find(plain)
    assert (row.world, row.name) == (world, "ci")
    call_command("tokens")
    listed = capsys.readouterr().out
    assert f"{row.pk}\tshop\tci\t{row.hint}" in listed
    assert plain not in listed
    call_command("tokens", "revoke", str(row.pk))
    assert "revoked" in capsys.readouterr().out
    assert tokens.find(plain).revoked_ns is not None


@pytest.mark.parametrize("args", [["create"], ["revoke"], ["revoke", "x"], ["revoke", "99"]])
def test_the_command_refuses_what_makes_no_sense(world, args, capsys):
    with pytest.raises(SystemExit):
        call_command("tokens", *args)
    assert capsys.readouterr().err.strip()
    assert not ProbeToken.objects.exists()


def test_the_command_makes_a_world_of_kind_probe_for_a_name_that_is_not_known(capsys):
    call_command("tokens", "create", "nightly builds")
    assert ProbeToken.objects.get().world.kind == "probe"
