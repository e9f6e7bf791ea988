"""How a channel is doing, as people read it. Icon and word, never a colour alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dashboard.alerts import queries
from dashboard.alerts.models import AlertChannel
from dashboard.alerts.pages._channel_form import label_of


def channel_rows(channels: Iterable[AlertChannel]) -> list[dict[str, Any]]:
    found = list(channels)
    states = queries.channel_states(channel.pk for channel in found)
    return [
        {
            "channel": channel,
            "label": label_of(channel.kind),
            "health": health_of(channel),
            "state": states[channel.pk],
            "rules": list(channel.rules.all()),
        }
        for channel in found
    ]


def health_of(channel: AlertChannel) -> dict[str, str]:
    if not channel.is_on:
        word = "switched off: it kept failing" if channel.disabled_reason else "off"
        return {"tone": "err" if channel.disabled_reason else "idle", "icon": "stop", "word": word}
    if channel.failures:
        times = "the last message" if channel.failures == 1 else f"{channel.failures:,} times in a row"
        return {"tone": "warn", "icon": "warn", "word": f"failed {times}"}
    if channel.last_success_ns is not None:
        return {"tone": "ok", "icon": "ok", "word": "works"}
    return {"tone": "idle", "icon": "pend", "word": "nothing sent yet"}
