"""One request and its answer. Both bodies pass as they come; nothing is read ahead of the side that takes it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Protocol

import h11

from dashboard.proxy.headers import request_headers, response_headers
from dashboard.proxy.peer import Gone, Peer
from dashboard.proxy.upstream import Upstream

# How long an app may go on sending a body whose answer it already has, before the connection is closed.
LINGER = 5.0
FRAMING = b"Transfer-Encoding: chunked\r\n"


class Tap(Protocol):
    """Sees what passes. It must not raise and must not keep bodies."""

    def sent(self, data: bytes) -> None: ...
    def answered(self, response: h11.Response) -> None: ...
    def received(self, data: bytes) -> None: ...
    def ended(self) -> None: ...
    def broke(self, why: str) -> None: ...


class Relay:
    def __init__(self, client: Peer, backend: Peer, tap: Tap | None) -> None:
        self._client, self._backend, self._tap = client, backend, tap
        self._is_head = self._body_is_held_back = False

    async def run(self, request: h11.Request, upstream: Upstream) -> None:
        """Returns when the app has its whole answer; raises Gone with the side that broke off before."""
        try:
            await self._exchange(request, upstream)
        except Gone as gone:
            if self._tap:
                who = "the app hung up" if gone.peer is self._client else "the backend broke off"
                self._tap.broke(f"{who}: {gone}" if str(gone) else who)
            raise
        except asyncio.CancelledError:
            if self._tap:
                self._tap.broke("the proxy was stopped")
            raise

    async def _exchange(self, request: h11.Request, upstream: Upstream) -> None:
        self._is_head = request.method == b"HEAD"
        target = upstream.path.encode() + request.target
        headers = request_headers(request, upstream)
        await self._backend.send(h11.Request(method=request.method, target=target, headers=headers))
        upload = asyncio.create_task(self._upload())
        watch = asyncio.create_task(self._watch(upload))
        download = asyncio.create_task(self._download())
        try:
            await asyncio.wait({watch, download}, return_when=asyncio.FIRST_COMPLETED)
            if not download.done():
                watch.result()
            download.result()
            if not self._body_is_held_back:
                await asyncio.wait({upload}, timeout=LINGER)
        finally:
            await stop(upload, watch, download)

    async def _watch(self, upload: asyncio.Task[None]) -> None:
        """Raises when the app is gone. It may hang up in the middle of its body or while it waits for the answer."""
        await asyncio.shield(upload)
        await self._client.until_gone()
        raise Gone(self._client, "")

    async def _upload(self) -> None:
        while True:
            event = await self._client.next_event()
            if isinstance(event, h11.Data):
                if self._tap:
                    self._tap.sent(bytes(event.data))
                await self._to_backend(h11.Data(data=event.data))
            elif isinstance(event, h11.EndOfMessage):
                return await self._to_backend(h11.EndOfMessage(headers=event.headers))
            else:
                raise Gone(self._client, "")

    async def _to_backend(self, event: h11.Event) -> None:
        # A backend may refuse a body that it has not read: its answer is on the way, and the rest goes nowhere.
        with contextlib.suppress(Gone):
            await self._backend.send(event)

    async def _download(self) -> None:
        while True:
            event = await self._backend.next_event()
            if isinstance(event, h11.InformationalResponse):
                await self._interim(event)
            elif isinstance(event, h11.Response):
                await self._head(event)
            elif isinstance(event, h11.Data):
                if self._tap:
                    self._tap.received(bytes(event.data))
                await self._client.send(h11.Data(data=event.data))
            elif isinstance(event, h11.EndOfMessage):
                return await self._end(event)
            else:
                raise Gone(self._backend, "")

    async def _interim(self, event: h11.InformationalResponse) -> None:
        if self._client.http.their_http_version == b"1.1":
            headers = event.headers.raw_items()
            status, reason = event.status_code, event.reason
            await self._client.send(
                h11.InformationalResponse(status_code=status, headers=headers, reason=reason)
            )

    async def _head(self, event: h11.Response) -> None:
        if self._tap:
            self._tap.answered(event)
        # Sending the answer ends the wait, so ask before: such a client does not send its body any more.
        self._body_is_held_back = self._client.http.they_are_waiting_for_100_continue
        headers, reason = response_headers(event), event.reason
        answer = h11.Response(status_code=event.status_code, headers=headers, reason=reason)
        # h11 gives every head a framing; one that answers HEAD may have none, and then gets none here.
        unframed = self._is_head and b"transfer-encoding" not in {name.lower() for name, _ in headers}
        await self._client.send(answer, without=FRAMING if unframed else b"")

    async def _end(self, event: h11.EndOfMessage) -> None:
        # HTTP/1.0 has no trailers.
        headers = event.headers.raw_items() if self._client.http.their_http_version == b"1.1" else []
        if self._tap:
            self._tap.ended()
        await self._client.send(h11.EndOfMessage(headers=headers))


async def stop(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
