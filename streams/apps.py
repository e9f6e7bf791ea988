from __future__ import annotations

import gc

from django.apps import AppConfig


class StreamsConfig(AppConfig):
    name = "streams"

    def ready(self) -> None:
        from streams.pages import _panels

        _panels.register()
        # Reading a world makes ten thousand small objects a second, none of them cyclic: at Python's own
        # threshold (700) looking for cycles takes a sixth of the time.
        gc.set_threshold(50_000, 20, 50)
