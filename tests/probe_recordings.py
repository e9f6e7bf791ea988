"""What an earlier probe journalled while the recordings were made, pushed into a world's inbox."""

from __future__ import annotations

import json

from dashboard.lib.clock import now_ns
from runs.models import AppProcess, InboxItem, World
from streams.models import Stream
from tests.probe_journal import batches, recorded

__all__ = ["batches", "look_again", "push", "recorded"]


def push(world: World, sdk: str, label: str) -> None:
    """The journal into the world's inbox."""
    for batch in batches(sdk, label):
        InboxItem.objects.create(
            world=world,
            process=batch["process"],
            number=batch["number"],
            received_ns=now_ns(),
            body=json.dumps(batch).encode(),
        )


def look_again(world: World) -> None:
    """As if the app had just run, and everything had been looked at again since; all streams are to be judged."""
    AppProcess.objects.filter(world=world).update(clock_offset_ns=0)
    World.objects.filter(pk=world.pk).update(looked_ns=now_ns())
    Stream.objects.filter(world=world).update(changes=100_000)
