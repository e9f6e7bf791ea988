"""Watchers of one stream without a browser, in a process of their own: they take what comes, acknowledge it at once as
the page does, and check it only when all is there.

    python -m bench.parts.socket_clients ORIGIN PATH CLIENTS CHUNKS SECONDS

Says `ready` once all are connected, then one line of JSON: of each client its frames [from, to, seconds since 1970],
and what was wrong with them.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from typing import Any

from websockets.asyncio.client import connect

HEAD = re.compile(r'\{"from": (\d+), "to": (\d+),')
ROW = re.compile(r'data-arrival="(\d+)"')
MARKER = re.compile(r"L(\d{6}) ")
Taken = list[tuple[float, str]]


async def watch(origin: str, path: str, last: int, until: float, ready: asyncio.Event) -> Taken:
    taken: Taken = []
    address = origin.replace("http", "ws", 1) + path
    async with connect(address, origin=origin, max_size=None, compression=None) as socket:  # type: ignore[arg-type]
        ready.set()
        while time.time() < until:
            try:
                message = str(await asyncio.wait_for(socket.recv(), max(0.1, until - time.time())))
            except TimeoutError:
                break
            if head := HEAD.match(message):
                taken.append((time.time(), message))
                await socket.send(json.dumps({"ack": int(head[2])}))
                if int(head[2]) >= last:
                    break
    return taken


class Checked:
    """Frames that are the same for all watchers are looked into once."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def wrong_in(self, message: str) -> str:
        """What is wrong with a frame; nothing is an empty text. The clock in it is not part of it."""
        frame = json.loads(message)
        key = f"{frame['from']} {frame['to']} {hash(frame['html'])}"
        if key not in self._known:
            self._known[key] = _wrong(frame)
        return self._known[key]


def _wrong(frame: dict[str, Any]) -> str:
    html = frame["html"]
    expected = list(range(frame["from"] + 1, frame["to"] + 1))
    if list(map(int, ROW.findall(html))) != expected:
        return f"the rows from {frame['from']} to {frame['to']} are not those"
    # Chunk 0 was written before, so the chunk with arrival n carries the number n - 1; a row may say it twice.
    if list(dict.fromkeys(map(int, MARKER.findall(html)))) != [n - 1 for n in expected]:
        return f"from {frame['from']} to {frame['to']} the chunks are not in the order written"
    return ""


def report(taken: Taken, checked: Checked) -> dict[str, Any]:
    frames, wrong, at = [], [], 1
    for moment, message in taken:
        head = HEAD.match(message)
        assert head is not None
        first, last = int(head[1]), int(head[2])
        if first != at:
            wrong.append(f"a frame from {first} after one to {at}")
        if said := checked.wrong_in(message):
            wrong.append(said)
        frames.append((first, last, moment))
        at = last
    return {"frames": frames, "wrong": wrong}


async def main() -> None:
    origin, path = sys.argv[1:3]
    clients, chunks, seconds = map(int, sys.argv[3:])
    until, readies = time.time() + seconds, [asyncio.Event() for _ in range(clients)]
    tasks = [asyncio.create_task(watch(origin, path, chunks + 1, until, ready)) for ready in readies]
    await asyncio.gather(*(ready.wait() for ready in readies))
    print("ready", flush=True)
    taken = await asyncio.gather(*tasks)
    checked = Checked()
    print(json.dumps([report(one, checked) for one in taken]), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
