"""Standard output: one line of JSON for each message, for whatever collects the logs."""

from __future__ import annotations

import json
import sys
from typing import ClassVar

from dashboard.alerts.channels.base import Channel, DeliveryError, Field, Message
from dashboard.alerts.channels.webhook import body


class Stdout(Channel):
    kind: ClassVar[str] = "stdout"
    label: ClassVar[str] = "Standard output"
    help: ClassVar[str] = (
        "One line of JSON, as a webhook gets it, on the output of the process that delivers."
    )
    fields: ClassVar[tuple[Field, ...]] = ()

    def send(self, message: Message) -> str:
        try:
            sys.stdout.write(json.dumps({"tailrace": "alert", **body(message)}) + "\n")
            sys.stdout.flush()
        except (OSError, ValueError) as error:  # closed, or a full disk behind it
            raise DeliveryError(f"standard output cannot be written: {error}") from None
        return "1 line"
