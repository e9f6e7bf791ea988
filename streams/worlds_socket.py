"""The socket of pages that show all worlds: says that their lists should be looked at again."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from channels.db import database_sync_to_async

from dashboard.lib import doorbell
from runs.models import World
from streams.consumers import WORLD_PAUSE, Doorbell

NOBODY_RINGS = "worlds"  # the one group that every such socket has


def world_states() -> dict[int, tuple[int, str]]:
    return {
        pk: (generation, trouble)
        for pk, generation, trouble in World.objects.values_list("pk", "generation", "trouble")
    }


class WorldsSocket(Doorbell):
    """Listens to all worlds there are; one that is added is seen within the time after which all are read again."""

    async def find_target(self) -> str | None:
        self.listening: set[int] = set()
        self.rung = False
        self.told = await self._listen()
        return NOBODY_RINGS

    async def _listen(self) -> dict[int, tuple[int, str]]:
        states: dict[int, tuple[int, str]] = await database_sync_to_async(world_states)()
        for pk in states.keys() - self.listening:
            await self.channel_layer.group_add(doorbell.world_group(pk), self.channel_name)
            self.listening.add(pk)
        return states

    async def world_changed(self, _event: dict[str, Any]) -> None:
        self.rung = True
        self.wake.set()

    async def pump(self) -> None:
        states = await self._listen()
        if self.rung or states != self.told:
            self.rung, self.told = False, states
            await self.send(text_data=json.dumps({"changed": True}))
            await asyncio.sleep(WORLD_PAUSE)

    async def disconnect(self, code: int) -> None:
        for pk in getattr(self, "listening", ()):
            await self.channel_layer.group_discard(doorbell.world_group(pk), self.channel_name)
        await super().disconnect(code)
