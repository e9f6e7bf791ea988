"""The socket of pages that show all worlds: says that their lists should be looked at again."""

from __future__ import annotations

from dashboard.lib import doorbell
from runs.managed import state_of
from runs.models import World
from streams.consumers import WorldSocket

ALL_WORLDS = "worlds"  # the group that every such socket has


class WorldsSocket(WorldSocket):
    """Listens to all worlds there are; one that is added is seen within the time after which all are read again."""

    async def find_target(self) -> str | None:
        self.listening: set[int] = set()
        self.told, self.rung = "", False
        return ALL_WORLDS

    async def pump(self) -> None:
        worlds = [world async for world in World.objects.all()]
        for pk in {world.pk for world in worlds} - self.listening:
            await self.channel_layer.group_add(doorbell.world_group(pk), self.channel_name)
            self.listening.add(pk)
        await self.tell(state_of(worlds))

    async def disconnect(self, code: int) -> None:
        for pk in getattr(self, "listening", ()):
            await self.channel_layer.group_discard(doorbell.world_group(pk), self.channel_name)
        await super().disconnect(code)
