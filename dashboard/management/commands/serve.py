"""`tailrace serve [WORLD]`: the dashboard in one process."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from dashboard.start import Options, start


class Command(BaseCommand):
    help = "Watch a world and show it in a browser."
    requires_system_checks: list[str] = []  # run by start(), after the data directory is known
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("world", nargs="?", help="directory of a local world (default: look for one)")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--host", default="127.0.0.1", help="any address but loopback needs a sign-in")
        parser.add_argument("--data", help="where Tailrace keeps its own data (default: ./.tailrace)")
        parser.add_argument("--keep", help="forget what is older or beyond: an age, a size or both (30d,2GB)")

    def handle(self, *args: Any, **options: Any) -> None:
        given = Options(options["world"], options["host"], options["port"], options["data"], options["keep"])
        sys.exit(start(given))
