"""`tailrace follow`: for several processes, watch the worlds of this machine and ring on every change."""

from __future__ import annotations

import threading
from typing import Any

from django.core.management.base import BaseCommand

from dashboard.celery import pull
from runs.models import World
from streams.ingest import follow


class Command(BaseCommand):
    help = "Watch all known worlds and ask the workers to read them on every change."

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        threads = [
            threading.Thread(target=follow, args=(pk, stop, pull.delay), daemon=True)
            for pk in World.objects.values_list("pk", flat=True)
        ]
        for thread in threads:
            thread.start()
        self.stdout.write(f"following {len(threads)} worlds (stop with Ctrl-C)")
        try:
            for thread in threads:
                thread.join()
        except KeyboardInterrupt:
            stop.set()
