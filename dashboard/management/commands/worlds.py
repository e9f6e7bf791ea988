"""`tailrace worlds`: which worlds are known, and all that the page of worlds can do with them."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import OperationalError, connection
from django.views.decorators.debug import sensitive_variables

from dashboard.anomalies.scan import printable
from dashboard.worlds import manage
from dashboard.worlds.check import tried, try_given
from dashboard.worlds.manage import Given, Refused, taken_apart
from runs.managed import standing
from runs.models import World
from runs.secrets import adapter_of
from runs.worlds.base import WorldError

UNREADABLE, USAGE = 2, 64  # exit statuses
VARIABLE = "TAILRACE_WORLD_SECRET"
ACTIONS = (
    "list", "add", "test", "rename", "pause", "resume", "secret", "move", "archive", "remove",
)  # fmt: skip
_MARKS = {True: "ok", False: "NO", None: "--"}


class Command(BaseCommand):
    help = (
        "List the worlds that are known, or: add PLACE; test PLACE|WORLD; rename WORLD NAME; pause WORLD; resume WORLD;"
        " secret WORLD; move WORLD PLACE; archive WORLD; remove WORLD --yes. A WORLD is its short name in the list."
        f" A password or token comes in by --secret-stdin or the variable {VARIABLE}. Exit status: 0 done,"
        " 2 the world cannot be read, 64 wrong usage or refused."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", nargs="?", choices=ACTIONS, default="list")
        parser.add_argument("subject", nargs="?", help="a world, or the place of one")
        parser.add_argument("to", nargs="?", help="rename: the new name; move: the new place")
        parser.add_argument("--name", default="", help="add: what it is to be called")
        parser.add_argument(
            "--secret-stdin", action="store_true", help="read its password or token from stdin"
        )
        parser.add_argument("--yes", action="store_true", help="remove: delete all that was read of it")
        parser.add_argument("--data", help="where Tailrace keeps its own data (default: ./.tailrace)")

    @sensitive_variables()
    def handle(self, *args: Any, **options: Any) -> None:
        action, subject = options["action"], options["subject"]
        if "runs_world" not in _tables():
            self._fail(
                f"there is no database yet in {settings.DATA}: start tailrace serve first, or give --data"
            )
        if action == "list":
            return self._list()
        if not subject:
            self._fail(f"tailrace worlds {action} needs a world")
        self.secret = self._secret(options["secret_stdin"])
        try:
            match action:
                case "add":
                    self._add(subject, options["name"])
                case "test":
                    self._test(subject)
                case _:
                    self._change(action, self._world(subject), options["to"] or "", is_sure=options["yes"])
        except Refused as error:
            self._fail(str(error))

    def _list(self) -> None:
        for world in World.objects.order_by("pk"):
            state = standing(world)
            if state == "followed":
                state = world.trouble or "ok"
            self._say(f"{world.slug}\t{world.kind}\t{manage.shown_place(world)}\t{state}")

    def _add(self, given: str, name: str) -> None:
        world, is_new = manage.add(self._place(given), name)
        self._say(f"{world.slug}: {'added' if is_new else 'known already'}, {manage.shown_place(world)}")

    def _test(self, subject: str) -> None:
        """A known world with what is stored of it, any other place as it is typed."""
        world = World.objects.filter(slug=subject).first()
        if world is None:
            checks = list(try_given(self._place(subject)))
        else:
            try:
                adapter = adapter_of(world)
            except WorldError as error:
                self._fail(str(error), UNREADABLE)
            adapter.secret = self.secret or adapter.secret
            checks = list(tried(lambda: adapter))
        for one in checks:
            self._say(f"{_MARKS[one.ok]}  {one.name}: {one.message}")
            for line in one.fix.splitlines():
                self._say(f"      {line}")
        if any(one.ok is False for one in checks):
            raise SystemExit(UNREADABLE)

    def _change(self, action: str, world: World, to: str, *, is_sure: bool) -> None:
        match action:
            case "rename":
                manage.rename(world, to)
            case "pause":
                manage.pause(world)
            case "resume":
                manage.resume(world)
            case "secret":
                manage.give_secret(world, self.secret)
            case "move":
                manage.move(world, self._place(to))
            case "archive":
                manage.archive(world)
            case _ if is_sure:
                manage.remove(world)
            case _:
                self._fail(
                    f"remove deletes all that was read of {world.name}; its own storage is not touched."
                    " Say so with --yes, or keep what was read: tailrace worlds archive"
                )
        self._say(f"{world.slug}: {_done(action, self.secret)}")

    def _place(self, given: str) -> Given:
        taken = taken_apart(given, self.secret)
        if taken.place.secret and not self.secret:
            self.stderr.write(
                "The password stood on the command line, where other users of this machine and the shell's history"
                f" see it. Better: --secret-stdin, or the variable {VARIABLE}."
            )
        return taken

    def _secret(self, is_on_stdin: bool) -> str:
        return sys.stdin.readline().rstrip("\r\n") if is_on_stdin else os.environ.get(VARIABLE, "")

    def _world(self, slug: str) -> World:
        world = World.objects.filter(slug=slug).first()
        if world is None:
            self._fail(f"no world is called {slug!r}; tailrace worlds lists them")
        return world

    def _say(self, line: str) -> None:
        self.stdout.write("\t".join(printable(part) for part in line.split("\t")))

    def _fail(self, message: str, status: int = USAGE) -> NoReturn:
        self.stderr.write(printable(message))
        raise SystemExit(status)


def _tables() -> list[str]:
    try:
        return connection.introspection.table_names()
    except OperationalError:
        return []


def _done(action: str, secret: str) -> str:
    return {
        "rename": "renamed",
        "pause": "paused; nothing is read of it until it is resumed",
        "resume": "followed again; all of it is looked at",
        "secret": "its secret was replaced" if secret else "its secret was forgotten",
        "move": "moved",
        "archive": "an archive now; it is no longer followed",
        "remove": "being removed, by the dashboard or `tailrace follow` while it runs",
    }[action]
