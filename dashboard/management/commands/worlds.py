"""`tailrace worlds`: which worlds are known; `tailrace worlds add DIR` makes one known."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from dashboard.worlds import ensure_world
from runs.models import World


class Command(BaseCommand):
    help = "List the worlds that are known, or add one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", nargs="?", choices=["list", "add"], default="list")
        parser.add_argument("location", nargs="?")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "add":
            if not options["location"]:
                self.stderr.write("tailrace worlds add needs a directory")
                raise SystemExit(64)
            ensure_world(options["location"])
        for world in World.objects.order_by("pk"):
            self.stdout.write(f"{world.slug}\t{world.kind}\t{world.location}\t{world.trouble or 'ok'}")
