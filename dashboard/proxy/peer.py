"""One side of a connection: HTTP/1.1 by h11, bytes by asyncio."""

from __future__ import annotations

import asyncio
import contextlib

import h11

READ_BYTES = 65_536
# Heads carry identity tokens of some kB.
HEAD_BYTES = 131_072
AHEAD_BYTES = 65_536

Event = h11.Event | type[h11.PAUSED]


class Gone(Exception):
    """A side hung up, or speaks no HTTP that can be passed on."""

    def __init__(self, peer: Peer, why: str, status: int = 0) -> None:
        super().__init__(why)
        self.peer, self.status = peer, status


class Peer:
    """`role` is ours: h11.SERVER towards the app, h11.CLIENT towards the backend."""

    def __init__(
        self,
        role: type[h11.SERVER] | type[h11.CLIENT],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.http = h11.Connection(role, max_incomplete_event_size=HEAD_BYTES)
        self._reader, self._writer = reader, writer
        # So that what was sent has left this process before anything else is done, breaking off included.
        writer.transport.set_write_buffer_limits(high=0)

    async def next_event(self) -> Event:
        try:
            while (event := self.http.next_event()) is h11.NEED_DATA:
                self.http.receive_data(await self._reader.read(READ_BYTES))
        except h11.RemoteProtocolError as error:
            raise Gone(self, str(error), error.error_status_hint) from error
        except OSError as error:
            raise Gone(self, str(error)) from error
        assert not isinstance(event, type) or event is h11.PAUSED
        return event

    async def send(self, event: h11.Event, without: bytes = b"") -> None:
        """Writes it at once, less the line `without`, and waits while the other side reads too slowly."""
        try:
            data = self.http.send(event)
        except h11.LocalProtocolError as error:
            raise Gone(self, f"cannot be passed on: {error}") from error
        if data:
            await self._write(data.replace(without, b"", 1) if without else data)

    async def _write(self, data: bytes) -> None:
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise Gone(self, str(error)) from error

    async def until_gone(self) -> None:
        """Returns when the other side has hung up; what it says before that is kept for later."""
        ahead = 0
        with contextlib.suppress(OSError):
            while data := await self._reader.read(READ_BYTES):
                self.http.receive_data(data)
                ahead += len(data)
                if ahead > AHEAD_BYTES:
                    await asyncio.get_running_loop().create_future()
        self.http.receive_data(b"")

    @property
    def is_done(self) -> bool:
        """Whether a next request may follow on this connection."""
        return self.http.our_state is h11.DONE and self.http.their_state is h11.DONE

    def abort(self) -> None:
        """Ends the connection wherever it is: a body that is cut off so does not look complete."""
        self._writer.transport.abort()

    async def close(self) -> None:
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            self._writer.close()
            await asyncio.wait_for(self._writer.wait_closed(), 5)
