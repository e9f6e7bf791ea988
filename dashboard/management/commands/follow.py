"""`tailrace follow`: for several processes, watch the worlds that are known and ring on every change."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from dashboard.celery import pull
from dashboard.worlds.watch import Watching, look_now


class Command(BaseCommand):
    help = "Watch all known worlds that are not paused, and ask the workers to read them on every change."

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()

        def end(*_: object) -> None:
            stop.set()
            look_now()

        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, end)
        self.stdout.write("following all worlds that are known (stop with Ctrl-C)")
        Watching(stop, pull.delay, self.say).run()

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
