"""Reports to the intake of Tailrace, in the background; what the proxy passes on never waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from dashboard.proxy.outbox import Outbox, Waiting

LOOK_EVERY, SIGN_OF_LIFE = 0.2, 10.0
ANSWER_WITHIN, END_WITHIN = 5.0, 2.0
RETRY_FIRST, RETRY_MOST, RETRY_AFTER_MOST = 0.5, 10.0, 60.0
ANSWER_BYTES = 10_000


@dataclass(frozen=True)
class Destination:
    """Where reports go. A token names a world itself, so `world` counts only without one."""

    url: str
    token: str = ""
    world: str = ""


@dataclass(frozen=True)
class Answer:
    status: int  # 0: nobody there
    retry_after: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)


class Clock:
    """How far Tailrace's clock is ahead of ours, from the quickest of the last exchanges."""

    def __init__(self) -> None:
        self._exchanges: deque[tuple[float, float]] = deque(maxlen=8)

    def learn(self, sent: float, got: float, answer: Mapping[str, Any]) -> None:
        received, answered = answer.get("received"), answer.get("answered")
        if isinstance(received, int | float) and isinstance(answered, int | float):
            rtt = max(0.0, (got - sent) - (answered - received))
            self._exchanges.append((rtt, ((received - sent) + (answered - got)) / 2))

    def estimate(self) -> dict[str, float] | None:
        if not self._exchanges:
            return None
        rtt, offset = min(self._exchanges)
        return {"offset": round(offset, 3), "rtt": round(rtt, 3)}


class Sender:
    def __init__(
        self, to: Destination, process: str, app: dict[str, Any], outbox: Outbox, say: Callable[[str], None]
    ) -> None:
        self._to, self._process, self.app, self._outbox, self._say = to, process, app, outbox, say
        self._clock = Clock()
        self._number = 1
        self._pending: list[Waiting] | None = None
        self._last = self._again = 0.0
        self._failures = 0
        self._ending = self.stopped = False
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def end(self) -> None:
        """Sends what is left, for a moment."""
        self._ending = True
        self._wake.set()
        if self._task is not None:
            done, _ = await asyncio.wait({self._task}, timeout=END_WITHIN)
            if not done:
                self._say("Tailrace did not take the last reports.")
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            if self.stopped:
                self._outbox.take()
            await self._report()
            if self._ending:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LOOK_EVERY)

    async def _report(self) -> None:
        while self._has_something_to_say() and not self.stopped:
            if time.monotonic() < self._again and not self._ending:
                return
            if self._pending is None:
                self._pending = self._outbox.take()
            # Read before it is sent: a batch on its way when the end is announced does not announce it.
            last = self._ending
            if not await self._send(self._pending) or (last and not len(self._outbox)):
                return

    def _has_something_to_say(self) -> bool:
        silent = not self._last or time.monotonic() - self._last > SIGN_OF_LIFE
        return self._pending is not None or bool(len(self._outbox)) or self._ending or silent

    async def _send(self, records: list[Waiting]) -> bool:
        """Whether the batch is done with, one way or the other."""
        sent = time.time() * 1000
        body = self._envelope(records, sent)
        answer = await asyncio.to_thread(
            post, self._to, body, END_WITHIN / 2 if self._ending else ANSWER_WITHIN
        )
        self._last = time.monotonic()
        if answer.status in (401, 403):
            self._refused(answer)
            return False
        if answer.status == 202:
            self._clock.learn(sent, time.time() * 1000, answer.body)
        elif answer.status in (400, 413, 415):
            self._outbox.drop(records)
            self._say(f"Tailrace could not read a report ({answer.status}): {answer.body.get('error', '')}")
        else:
            self._put_off(answer)
            return False
        self._done()
        return True

    def _done(self) -> None:
        if self._failures:
            self._say("Tailrace answers again.")
        self._pending, self._failures, self._again = None, 0, 0.0
        self._number += 1

    def _put_off(self, answer: Answer) -> None:
        if not self._failures:
            why = f"answers {answer.status}" if answer.status else "does not answer"
            self._say(
                f"Tailrace {why} at {self._to.url}: reports wait, and the oldest go when there are too many."
            )
        wait = min(RETRY_FIRST * 2.0**self._failures, RETRY_MOST)
        if answer.retry_after.isdecimal():
            wait = min(float(answer.retry_after), RETRY_AFTER_MOST)
        self._failures = min(self._failures + 1, 10)
        self._again = time.monotonic() + wait

    def _refused(self, answer: Answer) -> None:
        self.stopped, self._pending = True, None
        why = f"{answer.status}: {answer.body.get('error', '')}"
        self._say(
            f"Tailrace refused the reports ({why}): none are sent any more, requests are still passed on."
        )

    def _envelope(self, records: list[Waiting], sent: float) -> bytes:
        head: dict[str, Any] = {"v": 1, "process": self._process, "number": self._number, "sent": sent}
        head |= {"app": self.app, "dropped": self._outbox.dropped()}
        head["ending"] = self._ending and not len(self._outbox)
        if clock := self._clock.estimate():
            head["clock"] = clock
        if self._to.world and not self._to.token:
            head["world"] = self._to.world
        return f'{json.dumps(head)[:-1]}, "records": [{",".join(one.text for one in records)}]}}'.encode()


def post(to: Destination, body: bytes, within: float) -> Answer:
    url = urlsplit(to.url)
    headers = {"Content-Type": "application/json"}
    if to.token:
        headers["Authorization"] = f"Bearer {to.token}"
    kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
    connection = kind(url.hostname or "", url.port, timeout=within)
    try:
        connection.request("POST", f"{url.path.rstrip('/')}/api/v1/probe", body, headers)
        response = connection.getresponse()
        text = response.read(ANSWER_BYTES)
        return Answer(response.status, response.getheader("Retry-After") or "", read_answer(text))
    except (OSError, HTTPException):
        return Answer(0)
    finally:
        connection.close()


def read_answer(text: bytes) -> Mapping[str, Any]:
    try:
        answer = json.loads(text)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
