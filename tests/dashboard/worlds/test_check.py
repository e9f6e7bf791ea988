"""Trying a world: item by item, within a limit, without its secret, and whatever its adapter does."""

from __future__ import annotations

import threading

import pytest

from dashboard.worlds import check
from dashboard.worlds.check import mends_of, tried, try_given
from dashboard.worlds.manage import taken_apart
from runs.worlds.base import Check, WorldError
from tests.kinds import SECRET, RemoteWorld, made_kind


@pytest.fixture(autouse=True)
def remote(monkeypatch):
    return made_kind(monkeypatch)


def test_it_tries_each_item_and_shows_what_mends_it():
    found = list(try_given(taken_apart("remote://db/app", "wrong-password")))
    assert [(one.name, one.ok) for one in found] == [("reachable", True), ("password", False)]
    assert found[1].message == "taken as ***" and found[1].fix.startswith("GRANT SELECT")
    assert all(one.ok for one in try_given(taken_apart("remote://db/app", SECRET)))


def test_the_variable_of_the_kind_is_asked_where_nothing_was_typed(monkeypatch):
    monkeypatch.setenv("TAILRACE_REMOTE_PASSWORD", SECRET)
    assert [one.ok for one in try_given(taken_apart("remote://db/app"))] == [True, True]


def test_a_world_that_hangs_is_given_up_after_the_limit():
    hanging = threading.Event()

    class Hangs(RemoteWorld):
        def check(self):
            yield Check("reachable", True, "it answers")
            hanging.wait()

    found = list(tried(lambda: Hangs("remote://db/app"), limit=0.2))
    hanging.set()
    assert [(one.name, one.ok) for one in found] == [("reachable", True), ("in time", False)]


@pytest.mark.parametrize(
    ("error", "says"),
    [(WorldError(f"refused for {SECRET}"), "refused for ***"), (RuntimeError(SECRET), "RuntimeError")],
)
def test_whatever_an_adapter_raises_is_an_item(error, says):
    class Raises(RemoteWorld):
        def check(self):
            raise error

    [one] = tried(lambda: Raises("remote://db/app", SECRET))
    assert one.ok is False and says in one.message and SECRET not in one.message


def test_only_a_few_are_tried_at_the_same_time(monkeypatch):
    monkeypatch.setattr(check, "AT_ONCE", threading.BoundedSemaphore(1))
    with check.AT_ONCE:
        [one] = try_given(taken_apart("remote://db/app"))
    assert one.ok is None and "right now" in one.message
    assert len(list(try_given(taken_apart("remote://db/app")))) == 2


def test_a_password_that_is_the_name_of_the_user_hides_no_command():
    found = list(try_given(taken_apart("remote://wrong-password@db/app", "wrong-password")))
    assert found[1].message == "taken as wrong-password", "it stands in the address that is shown"


def test_the_commands_that_mend_it_come_in_one_piece():
    failed = [Check(name, False, "missing", f"GRANT {name};") for name in ("a", "b")]
    others = [Check("c", True, "", "GRANT c;"), Check("d", False, "", "ask its owner")]
    assert mends_of(failed + others) == "GRANT a;\nGRANT b;"
    assert mends_of(failed[:1] + others) == ""
