"""`tailrace redetect`: judge anew what is stored, and say what changed."""

from __future__ import annotations

import threading
from argparse import ArgumentParser
from typing import Any, NoReturn

from django.core.management.base import BaseCommand

from dashboard.anomalies.redetect import Wanted, kinds, redetect
from runs.models import World

USAGE, INTERRUPTED = 64, 130  # exit statuses


class Command(BaseCommand):
    help = "Judge stored streams and runs anew, after detectors have changed, and say what is different."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--world", help="slug of a world (default: all)")
        parser.add_argument("--kind", default="", help="only streams, or only runs: whichever have this kind")
        parser.add_argument(
            "--outdated", action="store_true", help="only where a finding of an older version is stored"
        )
        parser.add_argument("--data", help="where Tailrace keeps its own data (default: ./.tailrace)")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = Wanted(self._world(options["world"]), self._kind(options["kind"]), options["outdated"])
        try:
            summary = redetect(wanted, self.stdout.write, threading.Event())
        except KeyboardInterrupt:
            self.stderr.write("stopped; what was set back is judged by the dashboard, or ask again")
            raise SystemExit(INTERRUPTED) from None
        for line in summary.lines():
            self.stdout.write(line)

    def _world(self, slug: str | None) -> int | None:
        if slug is None:
            return None
        world = World.objects.filter(slug=slug).first()
        return world.pk if world else self._fail(f"there is no world {slug}; tailrace worlds lists them")

    def _kind(self, kind: str) -> str:
        return kind if not kind or kind in kinds() else self._fail(f"nothing detects {kind}")

    def _fail(self, message: str) -> NoReturn:
        self.stderr.write(message)
        raise SystemExit(USAGE)
