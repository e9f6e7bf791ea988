"""The contentless wake-up: tells open sockets that there is something to read, never what.

A channel layer delivers at most once and may drop; whoever listens reads the database and looks again by
itself every few seconds.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import InMemoryChannelLayer, get_channel_layer

log = logging.getLogger("tailrace.doorbell")

# The ASGI server's loop, when it runs in this process. From another thread, handing over to it costs 0.3 ms;
# async_to_sync would start a loop of its own (280 ms and more) whose sends the server's loop never sees in time.
_server_loop: asyncio.AbstractEventLoop | None = None


def use_loop(loop: asyncio.AbstractEventLoop | None) -> None:
    global _server_loop
    _server_loop = loop


def stream_group(stream_id: int) -> str:
    return f"stream.{stream_id}"


def world_group(world_id: int) -> str:
    return f"world.{world_id}"


def ring(group: str, message: dict[str, Any]) -> None:
    """Wake the listeners of a group. Never raises: a lost ring is late, not lost."""
    try:
        layer = get_channel_layer()
        if _server_loop is None and isinstance(layer, InMemoryChannelLayer):
            return  # nobody in this process can be listening
        send = layer.group_send
        if _server_loop is not None and _server_loop.is_running():
            asyncio.run_coroutine_threadsafe(send(group, message), _server_loop)
        else:
            async_to_sync(send)(group, message)
    except Exception:  # the broker may be away: listeners re-read by themselves
        log.warning("could not ring %s", group, exc_info=True)
