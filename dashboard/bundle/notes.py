"""In which order listeners heard the world tell readers of the chunks, as a bundle holds it.

It is what proves which text somebody who read live got: nothing else in a bundle says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dashboard.bundle.members import AT_ONCE, Source
from streams.models import Note


def note_records(source: Source) -> Iterator[dict[str, Any]]:
    """Session by session as they were stored. A session is a number here: its own name says nothing more."""
    sessions: dict[str, int] = {}
    rows = Note.objects.filter(stream=source.stream).order_by("pk")
    columns = ("listener", "chunk_id", "place", "told_ns")
    for listener, chunk_id, place, told_ns in rows.values_list(*columns).iterator(AT_ONCE):
        session = sessions.setdefault(listener, len(sessions) + 1)
        yield {"session": session, "chunk_id": chunk_id, "place": place, "told_ns": told_ns}
