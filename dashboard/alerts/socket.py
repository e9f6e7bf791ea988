"""The socket that every page has open: says that there are alerts to ask for, never which."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from channels.db import database_sync_to_async

from dashboard.alerts import toasts
from dashboard.alerts.channels.browser import GROUP
from streams.consumers import Doorbell

PAUSE = 0.5  # seconds between two words to one page


class AlertSocket(Doorbell):
    """`{changed}`: ask for what is new."""

    async def find_target(self) -> str | None:
        self.rung = False
        self.told = await database_sync_to_async(toasts.head)()
        return GROUP

    async def alert_told(self, event: dict[str, Any]) -> None:
        self.rung = True
        self.wake.set()

    async def pump(self) -> None:
        rung, self.rung = self.rung, False
        head = await database_sync_to_async(toasts.head)()
        if rung or head != self.told:
            self.told = head
            await self.send(text_data=json.dumps({"changed": True}))
        if rung:
            await asyncio.sleep(PAUSE)
