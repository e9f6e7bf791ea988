"""A small backend that does what a test says, the proxy in front of it, and bare HTTP by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from dashboard.proxy.server import Proxy
from dashboard.proxy.upstream import read_upstream
from dashboard.proxy.watch import Watch

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Handler = Callable[[Reader, Writer], Awaitable[None]]
WITHIN = 20.0


@dataclass
class Setup:
    port: int
    backend_port: int
    records: list[dict[str, Any]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    async def connect(self) -> tuple[Reader, Writer]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self, request: bytes) -> bytes:
        """Everything that comes back on a connection of its own, until it is closed."""
        reader, writer = await self.connect()
        writer.write(request)
        data = await within(reader.read())
        writer.close()
        return data


async def within(waiting: Awaitable[Any]) -> Any:
    return await asyncio.wait_for(waiting, WITHIN)


async def head(reader: Reader) -> bytes:
    return await within(reader.readuntil(b"\r\n\r\n"))


async def until(condition: Callable[[], Any]) -> None:
    async def turn() -> None:
        while not condition():
            await asyncio.sleep(0.01)

    await within(turn())


@asynccontextmanager
async def proxied(handler: Handler, path: str = "", stopped: bool = False) -> AsyncIterator[Setup]:
    """The proxy in front of a backend whose connections `handler` serves, one call each, unless it is `stopped`."""

    async def serve(reader: Reader, writer: Writer) -> None:
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    setup = Setup(0, server.sockets[0].getsockname()[1])
    if stopped:
        server.close()
        await server.wait_closed()
    upstream = read_upstream(f"http://127.0.0.1:{setup.backend_port}{path}")
    proxy = Proxy(upstream, Watch(setup.records.append), setup.said.append)
    setup.port = await proxy.start("127.0.0.1", 0)
    try:
        yield setup
    finally:
        await proxy.stop()
        server.close()


def answering(answer: bytes, seen: list[bytes] | None = None) -> Handler:
    """A backend that reads a head and a body by its Content-Length, and gives the same answer to each request."""

    async def handle(reader: Reader, writer: Writer) -> None:
        while True:
            request = await head(reader)
            length = next(
                (line for line in request.split(b"\r\n") if line.lower().startswith(b"content-length")), b":0"
            )
            body = await within(reader.readexactly(int(length.split(b":")[1])))
            if seen is not None:
                seen.append(request + body)
            writer.write(answer)
            await writer.drain()

    return handle
