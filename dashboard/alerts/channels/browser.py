"""Open pages of Tailrace: a toast, and a desktop notification where the reader has allowed them."""

from __future__ import annotations

from typing import ClassVar

from dashboard.alerts.channels.base import Channel, Field, Message
from dashboard.lib import doorbell

GROUP = "alerts"


class Browser(Channel):
    kind: ClassVar[str] = "browser"
    label: ClassVar[str] = "Browser"
    help: ClassVar[str] = (
        "Shown on every open page of Tailrace; as a desktop notification where it was allowed."
    )
    fields: ClassVar[tuple[Field, ...]] = ()

    def send(self, message: Message) -> str:
        """Only rings: pages read the delivery's own row, also those that are opened a little later."""
        doorbell.ring(GROUP, {"type": "alert.told"})
        return "open pages were told to look"
