"""`tailrace open BUNDLE`: the dashboard on the evidence that another Tailrace packed, read-only."""

from __future__ import annotations

import os
import shutil
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from dashboard.start import Options, start

PORT = 8001  # not that of `serve`, to which an app's probe reports unless it is told another


class Command(BaseCommand):
    help = "Open a bundle read-only and show it in a browser."
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("bundle", help="a file that a stream page gave (bundle.zip)")
        parser.add_argument("--port", type=int, default=PORT)
        parser.add_argument(
            "--data", help="where Tailrace keeps its own data (default: a directory that goes away)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        status = start(Options((options["bundle"],), port=options["port"], is_bundle=True))
        if options["data"] is None:
            shutil.rmtree(os.environ["TAILRACE_DATA"], ignore_errors=True)
        sys.exit(status)
