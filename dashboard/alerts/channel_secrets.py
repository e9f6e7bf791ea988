"""The secrets of channels: sealed at rest, opened only to send."""

from __future__ import annotations

import json
from collections.abc import Mapping

from dashboard.alerts.channels.base import CHANNELS, Channel, DeliveryError
from dashboard.alerts.models import AlertChannel
from dashboard.lib import sealing


def sealed_of(channel_id: int, secrets: Mapping[str, str]) -> bytes | None:
    """None where there is nothing to keep. Raises sealing.SealError."""
    kept = {name: text for name, text in secrets.items() if text}
    return sealing.seal(json.dumps(kept).encode(), _purpose(channel_id)) if kept else None


def secrets_of(row: AlertChannel) -> dict[str, str]:
    """Raises sealing.SealError."""
    if row.sealed is None:
        return {}
    found = json.loads(sealing.open_sealed(bytes(row.sealed), _purpose(row.pk)))
    return {str(name): str(text) for name, text in found.items()}


def channel_of(row: AlertChannel) -> Channel:
    """Ready to send. Raises DeliveryError where it cannot be: then a person has to act."""
    made = CHANNELS.found.get(row.kind)
    if made is None:
        raise DeliveryError(f"This version has no channels of kind {row.kind}.", permanent=True)
    try:
        return made(row.settings, secrets_of(row))
    except sealing.SealError as error:
        raise DeliveryError(f"Its secrets cannot be opened: {error}.", permanent=True) from None


def _purpose(channel_id: int) -> str:
    return f"alert-channel-{channel_id}"
