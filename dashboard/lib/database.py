"""Write transactions, and text that both databases can hold."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from django.db import connection, transaction

# SQLite has one writer. Threads of this process queue here, in order, instead of polling its busy handler.
_one_writer = threading.RLock()


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
