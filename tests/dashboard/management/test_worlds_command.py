"""`tailrace worlds`: what it prints, with which exit status, and never a secret."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.management import call_command

from runs.models import World
from runs.secrets import secret_of
from tests.kinds import SECRET, RemoteWorld, made_kind

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def remote(monkeypatch, settings, tmp_path):
    settings.DATA = tmp_path / "data"
    return made_kind(monkeypatch)


def run(*args: str, **options: Any) -> tuple[int, str, str]:
    out, err, status = io.StringIO(), io.StringIO(), 0
    try:
        call_command("worlds", *args, stdout=out, stderr=err, **options)
    except SystemExit as end:
        status = int(end.code or 0)
    assert SECRET not in out.getvalue() + err.getvalue()
    return status, out.getvalue(), err.getvalue()


def test_it_adds_lists_and_renames(tmp_path):
    assert run("add", str(tmp_path / "shop"))[1].startswith("shop: added")
    assert "known already" in run("add", str(tmp_path / "shop"))[1]
    assert run("rename", "shop", "My\x1b shop")[0] == 0
    assert run("list")[1] == f"shop\tlocal\t{tmp_path}/shop\tok\n"
    assert World.objects.get().name == "My\x1b shop"


def test_a_secret_comes_in_by_a_variable_or_standard_input(monkeypatch):
    monkeypatch.setenv("TAILRACE_WORLD_SECRET", SECRET)
    assert run("add", "remote://db/app") == (0, "app: added, remote://db/app\n", "")
    assert secret_of(World.objects.get()) == SECRET
    monkeypatch.delenv("TAILRACE_WORLD_SECRET")
    monkeypatch.setattr("sys.stdin", io.StringIO("another one\n"))
    assert "was replaced" in run("secret", "app", secret_stdin=True)[1]
    assert secret_of(World.objects.get()) == "another one"
    assert "was forgotten" in run("secret", "app")[1]


def test_a_password_on_the_command_line_works_with_a_warning():
    status, out, err = run("add", f"remote://ann:{SECRET}@db/app")
    assert (status, out) == (0, "app: added, remote://ann@db/app\n") and "--secret-stdin" in err


def test_it_tests_a_place_or_a_known_world_and_says_what_mends_it(monkeypatch):
    status, out, _ = run("test", "remote://db/app")
    assert status == 2 and "ok  reachable" in out and "NO  password" in out and "GRANT SELECT" in out
    assert not World.objects.exists(), "nothing is stored"
    monkeypatch.setenv("TAILRACE_WORLD_SECRET", SECRET)
    run("add", "remote://db/app")
    monkeypatch.delenv("TAILRACE_WORLD_SECRET")
    assert run("test", "app")[0] == 0
    RemoteWorld.away.add("db")
    assert run("test", "app")[0] == 2


def test_it_pauses_resumes_moves_and_archives():
    run("add", "remote://db/app")
    assert "paused" in run("pause", "app")[1] and run("list")[1].endswith("paused\n")
    assert "followed again" in run("resume", "app")[1]
    assert run("move", "app", "remote://db2/app")[0] == 0
    assert World.objects.get().location == "remote://db2/app"
    assert run("archive", "app")[0] == 0 and run("list")[1].endswith("archived\n")
    assert run("resume", "app")[0] == 64


def test_it_removes_only_who_says_so():
    run("add", "remote://db/app")
    status, _, err = run("remove", "app")
    assert status == 64 and "--yes" in err and World.objects.get().kind == "remote"
    assert run("remove", "app", "--yes")[0] == 0 and World.objects.get().removing_ns is not None


def test_before_the_first_start_it_says_what_to_do(monkeypatch):
    monkeypatch.setattr("dashboard.management.commands.worlds._tables", lambda: [])
    status, _, err = run("list")
    assert status == 64 and "start tailrace serve first" in err


@pytest.mark.parametrize(
    "args",
    [("add",), ("pause", "nobody"), ("add", f"mysql://u:{SECRET}@h/x"), ("rename", "app"), ("move", "app")],
)
def test_wrong_usage_is_64_and_a_sentence(args):
    run("add", "remote://db/app")
    status, _, err = run(*args)
    assert status == 64 and err.strip()
