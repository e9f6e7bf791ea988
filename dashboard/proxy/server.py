"""Accepts connections from the app and pairs each with one to the backend."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

import h11

from dashboard.proxy.headers import tokens
from dashboard.proxy.peer import Gone, Peer
from dashboard.proxy.relay import Relay, Tap, stop
from dashboard.proxy.upstream import Upstream

Watch = Callable[[h11.Request], Tap | None]


class Proxy:
    """`watch` says which requests are recorded; `say` gets a line when the backend cannot be reached.

    Connections are paired one to one and never shared, so that what the backend does to one (keeps it, closes it
    while idle, breaks it) happens to the app's own, and the app's client decides as if it spoke with the backend.
    """

    def __init__(self, upstream: Upstream, watch: Watch, say: Callable[[str], None]) -> None:
        self._upstream, self._watch, self._say = upstream, watch, say
        self._context = ssl.create_default_context()
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listens and returns the port."""
        self._server = await asyncio.start_server(self._connected, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._server:
            self._server.close()
        await stop(*self._connections)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(Peer(h11.SERVER, reader, writer)))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, client: Peer) -> None:
        pair = Pair(client)
        try:
            while request := await pair.next_request():
                if not await self._handle(pair, request):
                    break
            await client.close()
        except Gone as gone:
            await self._complain(client, gone)
        finally:
            pair.abort()

    async def _handle(self, pair: Pair, request: h11.Request) -> bool:
        """Whether another request may follow."""
        if refused := refusal(request):
            await answer(pair.client, refused)
            return False
        tap = self._watch(request)
        if pair.backend is None:
            pair.backend = await self._connect(pair.client, tap)
        await Relay(pair.client, pair.backend, tap).run(request, self._upstream)
        return pair.next_cycle()

    async def _connect(self, client: Peer, tap: Tap | None) -> Peer:
        try:
            reader, writer = await self._upstream.connect(self._context)
        except (OSError, TimeoutError) as error:
            why = f"{self._upstream.url} cannot be reached: {str(error) or 'no answer'}"
            self._say(why)
            if tap:
                tap.broke(why)
            # Not a 502: clients retry a connection that fails, but not every kind of answer.
            raise Gone(client, why) from error
        return Peer(h11.CLIENT, reader, writer)

    async def _complain(self, client: Peer, gone: Gone) -> None:
        """What the app sent was no HTTP: say so if there is still a chance. In all other cases, break off."""
        if gone.peer is client and gone.status and client.http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            await answer(client, gone.status)
            await client.close()


class Pair:
    """The app's connection and the one to the backend that goes with it."""

    def __init__(self, client: Peer) -> None:
        self.client = client
        self.backend: Peer | None = None

    async def next_request(self) -> h11.Request | None:
        """The app's next request; None when it, or the backend, hangs up in between."""
        reading = asyncio.create_task(self.client.next_event())
        watch = asyncio.create_task(self.backend.until_gone()) if self.backend else None
        try:
            await asyncio.wait({reading, *([watch] if watch else [])}, return_when=asyncio.FIRST_COMPLETED)
            event = reading.result() if reading.done() else None
        finally:
            reading.cancel()
            if watch:
                await stop(watch)
        return event if isinstance(event, h11.Request) else None

    def next_cycle(self) -> bool:
        if self.backend is None or not (self.client.is_done and self.backend.is_done):
            return False
        self.client.http.start_next_cycle()
        self.backend.http.start_next_cycle()
        return True

    def abort(self) -> None:
        self.client.abort()
        if self.backend:
            self.backend.abort()


def refusal(request: h11.Request) -> int:
    """The status with which a request is refused that cannot be passed on; 0 for all others.

    404 for a WebSocket is what makes the 5.x client fall back to HTTP, where its writes can be seen.
    """
    if b"websocket" in tokens(request, b"upgrade"):
        return 404
    return 0 if request.target.startswith(b"/") else 400


async def answer(client: Peer, status: int) -> None:
    headers = [("Content-Length", "0"), ("Connection", "close")]
    await client.send(h11.Response(status_code=status, headers=headers))
    await client.send(h11.EndOfMessage())
