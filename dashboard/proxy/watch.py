"""Which requests are recorded: writes and closes of streams, and events. All others only pass."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable
from urllib.parse import unquote

import h11

from dashboard.proxy.headers import header, secrets
from dashboard.proxy.outbox import Record
from dashboard.proxy.relay import Tap
from dashboard.proxy.taps import Events, Seen, StreamWrite

STREAM = re.compile(r"/v\d+/runs/([^/]+)/stream/([^/]+)\Z")
EVENT_V3 = re.compile(r"/v[1-3]/runs/([^/]+)/events\Z")
EVENT_V4 = re.compile(r"/v4/runs/([^/]+)/events/([^/]+)\Z")
CLIENT = re.compile(r"@workflow/(world-vercel)/([0-9A-Za-z.-]{1,60})")


class Watch:
    """Numbers the requests that are recorded. `sdk` is the client as it last named itself."""

    def __init__(self, report: Callable[[Record], None]) -> None:
        self._report = report
        self._numbers = itertools.count(1)
        self.sdk = ""

    def __call__(self, request: h11.Request) -> Tap | None:
        path = request.target.decode("latin-1").partition("?")[0]
        if request.method == b"PUT" and (found := STREAM.search(path)):
            return self._stream(request, unquote(found[1]), unquote(found[2]))
        if request.method != b"POST":
            return None
        if found := EVENT_V4.search(path):
            event = unquote(found[2])
            return self._events(request, found[1], "" if event == "batch" else event, frames=True)
        if found := EVENT_V3.search(path):
            return self._events(request, found[1], "", frames=False)
        return None

    def _stream(self, request: h11.Request, run: str, stream: str) -> Tap:
        done = header(request, b"x-stream-done") == "true"
        batch = header(request, b"x-stream-multi") == "true"
        return StreamWrite(
            self._seen(request, run), stream, "close" if done else "write", batch, self._report
        )

    def _events(self, request: h11.Request, run: str, event: str, frames: bool) -> Tap:
        seen = self._seen(request, "" if run == "null" else unquote(run))
        return Events(seen, event, frames, self._number, self._report)

    def _seen(self, request: h11.Request, run: str) -> Seen:
        if said := CLIENT.search(header(request, b"user-agent")):
            self.sdk = f"{said[1]} {said[2]}"
        return Seen(self._number(), time.time() * 1000, time.perf_counter(), run, secrets(request))

    def _number(self) -> int:
        return next(self._numbers)
