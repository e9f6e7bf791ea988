"""Write transactions, and text that both databases can hold."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from django.db import connection, transaction


class Queue:
    """A lock that threads get in the order in which they asked for it; its holder may take it again.

    `threading.RLock` gives it to whoever is quickest, which is whoever has just given it up: under load a batch
    that waits to be stored would wait for all that are being applied.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._holder: int | None = None
        self._depth = 0

    def __enter__(self) -> None:
        me = threading.get_ident()
        with self._guard:
            if self._holder in (None, me) and (self._holder == me or not self._waiting):
                self._holder, self._depth = me, self._depth + 1
                return
            turn = threading.Event()
            self._waiting.append(turn)
        try:
            turn.wait()
        except BaseException:  # an interrupt: nobody would ever take this turn
            self._give_up(turn)
            raise
        self._holder, self._depth = me, 1

    def __exit__(self, *_: object) -> None:
        with self._guard:
            self._depth -= 1
            if not self._depth:
                self._hand_over()

    def _hand_over(self) -> None:
        """To the next in line, not set free: whoever comes between would be ahead of its turn."""
        self._holder = _HANDED_OVER if self._waiting else None
        if self._waiting:
            self._waiting.popleft().set()

    def _give_up(self, turn: threading.Event) -> None:
        with self._guard:
            if turn in self._waiting:
                self._waiting.remove(turn)
            else:
                self._hand_over()


_HANDED_OVER = -1  # no thread has this number

# SQLite has one writer. Threads of this process queue here, in order, instead of polling its busy handler.
_one_writer = Queue()


@contextmanager
def write_transaction() -> Iterator[None]:
    """One short transaction that writes. No network and no rendering inside."""
    with _one_writer if connection.vendor == "sqlite" else nullcontext(), transaction.atomic():
        yield


def clean(text: object, limit: int) -> str:
    """Text that any database and any page can hold: no U+0000, no lone surrogates, not longer than `limit`."""
    whole = text if isinstance(text, str) else str(text)
    if whole.isascii() and "\x00" not in whole and len(whole) <= limit:
        return whole
    if len(whole) > limit:
        whole = whole[: limit - 1] + "…"
    return whole.replace("\x00", "␀").encode("utf-8", "replace").decode()
