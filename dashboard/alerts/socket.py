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
    """`{changed}`: ask for what is new. `{test}`: somebody has pressed the test button."""

    async def find_target(self) -> str | None:
        self.rung = self.is_test = False
        self.told = await database_sync_to_async(toasts.head)()
        return GROUP

    async def alert_told(self, event: dict[str, Any]) -> None:
        self.is_test = self.is_test or bool(event.get("is_test"))
        self.rung = self.rung or not event.get("is_test")
        self.wake.set()

    async def pump(self) -> None:
        is_test, rung = self.is_test, self.rung
        self.is_test = self.rung = False
        head = await database_sync_to_async(toasts.head)()
        if is_test:
            await self.send(text_data=json.dumps({"test": True}))
        if rung or head != self.told:
            self.told = head
            await self.send(text_data=json.dumps({"changed": True}))
        if is_test or rung:
            await asyncio.sleep(PAUSE)
