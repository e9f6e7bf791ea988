"""Trying a world, item by item, before or after it is added: in a thread of its own, with a time limit."""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from dashboard.lib.redacted import without_credentials
from dashboard.worlds.manage import Given
from runs.worlds.base import WORLDS, Check, World, WorldError

log = logging.getLogger("tailrace.check")

LIMIT_SECONDS = 20.0
MOST = 50  # items
AT_ONCE = threading.BoundedSemaphore(4)  # a world that hangs keeps its thread


def try_given(given: Given, limit: float = LIMIT_SECONDS) -> Iterator[Check]:
    """Tries what was typed; nothing of it is stored. Where no secret was typed the kind's variable is asked."""
    kind = WORLDS.found[given.kind]
    secret = given.place.secret or variable_of(kind)
    return tried(lambda: kind(given.place.location, secret), limit)


def variable_of(kind: type[World]) -> str:
    return os.environ.get(kind.secret_variable, "") if kind.secret_variable else ""


def preparation_of(given: Given) -> str:
    return WORLDS.found[given.kind].preparation(given.place.location)


def mends_of(checks: list[Check]) -> str:
    """All commands that mend what failed, in one piece to be copied; empty where there is no more than one."""
    commands = [one.fix for one in checks if one.ok is False and one.fix.endswith(";")]
    return "\n".join(commands) if len(commands) > 1 else ""


def tried(make: Callable[[], World], limit: float = LIMIT_SECONDS) -> Iterator[Check]:
    """What `check` of an adapter says, as it says it. Never raises, never shows the secret, never takes longer."""
    if not AT_ONCE.acquire(blocking=False):
        yield Check("tried", None, "Several worlds are being tried right now.", "Try again in a moment.")
        return
    said: queue.SimpleQueue[Check | None] = queue.SimpleQueue()
    threading.Thread(target=_ask, args=(make, said), name="check", daemon=True).start()
    until = time.monotonic() + limit
    for _ in range(MOST):
        try:
            one = said.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            yield Check(
                "in time", False, f"No answer within {limit:g} s.", "Is it reachable from this machine?"
            )
            return
        if one is None:
            return
        yield one


def _ask(make: Callable[[], World], said: queue.SimpleQueue[Check | None]) -> None:
    world: World | None = None
    try:
        world = make()
        for one in world.check():
            said.put(_shown(one, world))
    except WorldError as error:
        said.put(_shown(Check("readable", False, str(error)), world))
    except Exception as error:  # the edge of a thread: the page would wait for its limit and never say why
        log.exception("a check failed")
        said.put(Check("checked", False, f"The check itself failed: {type(error).__name__}."))
    finally:
        said.put(None)
        AT_ONCE.release()
        if world is not None:
            world.close()


def _shown(one: Check, world: World | None) -> Check:
    """Whatever a server or a driver put into its words.

    A password that equals the user's or the database's name stands in the address, which is shown anyway: without
    that name a GRANT could not be copied.
    """
    message, fix = without_credentials(one.message), one.fix
    secret, shown = (world.secret, world.location) if world is not None else ("", "")
    if len(secret) > 3 and secret not in shown:
        message, fix = message.replace(secret, "***"), fix.replace(secret, "***")
    return replace(one, message=message, fix=fix)
