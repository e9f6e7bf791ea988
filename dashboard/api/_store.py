"""Batches into the inbox. Those that come while the database is busy are stored together.

SQLite has one writer, and applying a batch takes longer than storing one: a batch that waits for its turn alone would
wait for one application each. So the first in the queue stores for all who stand in it when its turn has come.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from dashboard.lib.database import write_transaction
from runs import tokens
from runs.models import InboxItem, ProbeToken


@dataclass(slots=True)
class _Waiting:
    item: InboxItem
    token: ProbeToken | None
    is_done: bool = False
    error: Exception | None = None


_guard = threading.Lock()  # of the queue
_turn = threading.Lock()  # held by the one that stores for the others
_queue: list[_Waiting] = []


def store(item: InboxItem, token: ProbeToken | None) -> None:
    """Returns when it is committed. One that is stored already is left as it is. Raises database errors."""
    mine = _Waiting(item, token)
    with _guard:
        _queue.append(mine)
    with _turn:
        if not mine.is_done:
            _store_all()
    if mine.error is not None:
        raise mine.error


def _store_all() -> None:
    taken: list[_Waiting] = []
    error: Exception | None = None
    try:
        with write_transaction():
            _take_queue(taken)
            InboxItem.objects.bulk_create([one.item for one in taken], ignore_conflicts=True)
            for one in taken:
                if one.token is not None:
                    tokens.note_use(one.token)
    except Exception as problem:  # each of those who wait raises it for its own sender
        error = problem
        if not taken:
            _take_queue(taken)
    for one in taken:
        one.is_done, one.error = True, error


def _take_queue(taken: list[_Waiting]) -> None:
    with _guard:
        taken += _queue
        _queue.clear()
