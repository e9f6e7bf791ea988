"""`tailrace demo`: the dashboard on a recorded run that is played before your eyes."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from dashboard.demo import play
from dashboard.start import Options, start


class Command(BaseCommand):
    help = "Play a recorded real run into a fresh directory and watch it."
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--data", help="where Tailrace keeps its own data (default: a fresh directory)")
        parser.add_argument("--plays", type=int, default=30, help="how often the run is played (default: 30)")

    def handle(self, *args: Any, **options: Any) -> None:
        root = Path(os.environ["TAILRACE_DATA"])
        world = Path(tempfile.mkdtemp(prefix="tailrace-demo-")) / "demo"
        world.mkdir()

        def player(stop: threading.Event) -> None:
            play(world, stop, options["plays"])

        self.stdout.write(f"the demo's data lies in {root} and {world}")
        sys.exit(start(Options((str(world),), port=options["port"]), player))
