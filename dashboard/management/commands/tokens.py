"""`tailrace tokens`: with which tokens probes may report; `create WORLD` makes one, `revoke ID` ends one."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any, NoReturn

from django.core.management.base import BaseCommand

from dashboard.worlds.known import TooManyWorlds, find_or_make_world
from runs import tokens
from runs.models import ProbeToken

USAGE = 64  # exit status


class Command(BaseCommand):
    help = "List the tokens of probes, make one for a world, or revoke one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", nargs="?", choices=["list", "create", "revoke"], default="list")
        parser.add_argument(
            "subject", nargs="?", help="create: slug or name of a world; revoke: id of a token"
        )
        parser.add_argument("--name", default="probe", help="what the token is for")

    def handle(self, *args: Any, **options: Any) -> None:
        match options["action"]:
            case "create":
                self._create(options["subject"], options["name"])
            case "revoke":
                self._revoke(options["subject"])
            case _:
                self._list()

    def _create(self, world: str | None, name: str) -> None:
        if not world:
            self._fail("tailrace tokens create needs a world")
        try:
            token, plain = tokens.create(find_or_make_world(world), name)
        except TooManyWorlds as error:
            self._fail(str(error))
        self.stdout.write(f"this token may report to {token.world.slug}; it is shown once:\n{plain}")

    def _revoke(self, subject: str | None) -> None:
        number = int(subject) if subject and subject.isdecimal() and len(subject) < 19 else 0
        if not tokens.revoke(number):
            self._fail("there is no such token in force; tailrace tokens lists their ids")
        self.stdout.write(f"token {number} is revoked")

    def _list(self) -> None:
        for token in ProbeToken.objects.select_related("world").order_by("pk"):
            state = (
                "revoked" if token.revoked_ns else "never used" if token.last_used_ns is None else "in use"
            )
            self.stdout.write(f"{token.pk}\t{token.world.slug}\t{token.name}\t{token.hint}…\t{state}")

    def _fail(self, message: str) -> NoReturn:
        self.stderr.write(message)
        raise SystemExit(USAGE)
