"""Live sockets. The database is the truth: a doorbell only wakes the pump, which reads rows by arrival.

Frames of a stream: `{from, to, html, head, t}` with at most 500 rows, at least 20 ms apart, at most 4 not yet
acknowledged (the server has no backpressure of its own), each read once for all watchers (`streams.tails`);
`{changed, revision, html}` for rows shown before whose marks changed; `{head}` alone for the rest; `{judged}` when
findings changed. A client that finds a gap reconnects with `?after=` its last arrival.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

from dashboard.lib import doorbell
from runs.managed import state_of
from runs.models import World
from streams import queries
from streams.models import Stream
from streams.pages._rows import rows_html
from streams.tails import FRAME_ROWS, tail_of

log = logging.getLogger("tailrace.live")

WINDOW = 4  # frames in flight
FRAME_PAUSE = 0.02  # seconds between frames
REREAD = 5  # seconds after which the database is asked even if no doorbell rang
WORLD_PAUSE = 0.5  # seconds between two rings of a world's socket
MAX_MESSAGE = 1000  # bytes a client may send


class Doorbell(AsyncWebsocketConsumer):  # type: ignore[misc]
    """A socket that listens to one group and pumps until it is closed."""

    group: str = ""

    async def connect(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.wake = asyncio.Event()
        target = await self.find_target() if self._allowed() else None
        if target is None:
            await self.close(code=4404)
            return
        self.group = target
        # Listen before the head is read: what comes in between rings a bell that is heard.
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()
        self.wake.set()
        self.task = asyncio.create_task(self._run())

    def _allowed(self) -> bool:
        return not settings.SIGN_IN or bool(self.scope["user"].is_authenticated)

    async def find_target(self) -> str | None:
        """The group to listen to; None if there is nothing to watch."""
        raise NotImplementedError

    async def pump(self) -> None:
        """Send what is new. Called after a ring, an acknowledgement, and every few seconds."""
        raise NotImplementedError

    async def _run(self) -> None:
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.wake.wait(), REREAD)
                self.wake.clear()
                await self.pump()
        except asyncio.CancelledError:
            raise
        except Exception:  # the client reconnects and resumes by itself; here the reason is kept
            log.exception("live socket of %s stopped", self.group)
            await self.close(code=1011)

    async def disconnect(self, code: int) -> None:
        if self.group:
            await self.channel_layer.group_discard(self.group, self.channel_name)
        if self.task:
            self.task.cancel()


class WorldSocket(Doorbell):
    """Says that lists of a world should be looked at again, at most once a second.

    `{state}` when it is opened, so that a page sees what changed since it was rendered (`runs.managed.state_of`);
    `{changed, state}` from then on.
    """

    async def find_target(self) -> str | None:
        world = await World.objects.filter(slug=self.scope["url_route"]["kwargs"]["slug"]).afirst()
        if world is None:
            return None
        self.world_id, self.told, self.rung = world.pk, "", False
        return doorbell.world_group(world.pk)

    async def world_changed(self, _event: dict[str, Any]) -> None:
        self.rung = True
        self.wake.set()

    async def pump(self) -> None:
        world = await World.objects.filter(pk=self.world_id).afirst()
        if world is None:
            await self.close(code=4404)
            return
        await self.tell(state_of(world))

    async def tell(self, state: str) -> None:
        if not self.rung and state == self.told:
            return
        changed = self.rung or bool(self.told)
        self.rung, self.told = False, state
        await self.send(text_data=json.dumps({"changed": changed, "state": state}))
        await asyncio.sleep(WORLD_PAUSE)


class StreamSocket(Doorbell):
    """The tail of one stream from `?after=` on."""

    async def find_target(self) -> str | None:
        where = self.scope["url_route"]["kwargs"]
        query = parse_qs(self.scope["query_string"].decode("latin-1"))
        self.sent, self.revision = _number(query, "after"), _number(query, "revision")
        self.in_flight, self.judged = 0, False
        self.told: queries.StreamHead | None = None
        stream = await Stream.objects.filter(world__slug=where["slug"], name=where["name"]).afirst()
        if stream is None:
            return None
        self.tail = tail_of(stream.pk)
        return doorbell.stream_group(stream.pk)

    async def stream_advanced(self, _event: dict[str, Any]) -> None:
        self.wake.set()

    async def stream_judged(self, _event: dict[str, Any]) -> None:
        self.judged = True
        self.wake.set()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """`{"ack": arrival}`: the client has put the rows up to it on its page."""
        message = _json(text_data)
        if isinstance(message.get("ack"), int):
            self.in_flight = max(0, self.in_flight - 1)
            self.wake.set()

    async def pump(self) -> None:
        head = await self.tail.head()
        if head.revision > self.revision:
            await self._send_changed(head.revision)
        while self.sent < head.head and self.in_flight < WINDOW:
            head = _later(head, await self._send_rows())
            await asyncio.sleep(FRAME_PAUSE)
        if head != self.told and self.sent >= head.head:
            self.told = head
            await self.send(text_data=json.dumps({"head": asdict(head)}))
        if self.judged:
            self.judged = False
            await self.send(text_data=json.dumps({"judged": True}))

    async def _send_rows(self) -> queries.StreamHead:
        """The next frame; returns the head as it was when its rows were read."""
        frame = await self.tail.frame(self.sent, self.revision)
        self.in_flight += 1
        self.sent, self.told = frame.to, frame.head
        message = {"from": frame.after, "to": frame.to, "html": frame.html, "head": asdict(frame.head)}
        await self.send(text_data=json.dumps(message | {"t": int(time.time() * 1000)}))
        return frame.head

    async def _send_changed(self, revision: int) -> None:
        since, after = self.revision, None
        while rows := await database_sync_to_async(self._changed)(since, after):
            html = await database_sync_to_async(rows_html)(rows)
            await self.send(text_data=json.dumps({"changed": True, "revision": revision, "html": html}))
            since, after = rows[-1].revision, rows[-1].arrival
        self.revision = revision

    def _changed(self, since: int, after: int | None) -> list[queries.ChunkRow]:
        return queries.chunk_rows_changed(self.tail.stream_id, self.sent, since, FRAME_ROWS, after)


def _later(head: queries.StreamHead, other: queries.StreamHead) -> queries.StreamHead:
    """A frame that others asked for first may hold a head from before the one just read."""
    return other if (other.head, other.revision) > (head.head, head.revision) else head


def _number(query: dict[str, list[str]], name: str) -> int:
    text = query.get(name, ["0"])[0]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _json(text: str | None) -> dict[str, Any]:
    if not text or len(text) > MAX_MESSAGE:
        return {}
    try:
        message = json.loads(text)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}
