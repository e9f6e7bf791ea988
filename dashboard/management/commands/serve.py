"""`tailrace serve [WORLD ...]`: the dashboard in one process."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from dashboard.start import Options, start


class Command(BaseCommand):
    help = "Watch worlds and show them in a browser."
    requires_system_checks: list[str] = []  # run by start(), after the data directory is known
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "worlds", nargs="*", metavar="WORLD",
            help="directory of a local world, or an address: postgres://…, vercel:… (default: TAILRACE_WORLDS, else"
            " look for a directory); every world that is known already is followed too",
        )  # fmt: skip
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--host", default="127.0.0.1", help="any address but loopback needs a sign-in")
        parser.add_argument("--data", help="where Tailrace keeps its own data (default: ./.tailrace)")
        parser.add_argument("--keep", help="forget what is older or beyond: an age, a size or both (30d,2GB)")

    def handle(self, *args: Any, **options: Any) -> None:
        given = Options(
            tuple(options["worlds"]), options["host"], options["port"], options["data"], options["keep"]
        )
        sys.exit(start(given))
