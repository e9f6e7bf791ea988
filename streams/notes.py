"""What our listeners heard the world tell its readers: the only writer of `Note`, and how far it is evidence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from django.db.models import F

from dashboard.lib.database import clean
from runs.models import World
from runs.observations import ChunkTold
from runs.record import ID
from streams import verdicts
from streams.arrivals import ensure_streams
from streams.models import Chunk, Note, Stream

LISTENER = 100
AT_ONCE = 500  # rows of one statement


def record_notes(world: World, seen: Sequence[ChunkTold]) -> bool:
    """Store what was heard, in one transaction with its batch; returns whether there was anything to store.

    Heard before the chunk itself is read, or of a stream that nobody knows yet, it is kept until that comes.
    Of a chunk told twice in one session the first time is kept: readers heed no other.
    """
    if not seen:
        return False
    streams = ensure_streams(world, {one.stream for one in seen})
    rows = [
        _note(stream, one) for one in seen if (stream := streams[clean(one.stream, ID)]).pruned_ns is None
    ]
    Note.objects.bulk_create(rows, batch_size=AT_ONCE, ignore_conflicts=True)
    told = Stream.objects.filter(pk__in={row.stream_id for row in rows})
    told.update(changes=F("changes") + 1)
    verdicts.doubt(told)
    return bool(rows)


def _note(stream: Stream, seen: ChunkTold) -> Note:
    return Note(
        stream=stream,
        place=seen.place,
        chunk_id=clean(seen.chunk_id, ID),
        told_ns=seen.told_ns,
        listener=clean(seen.listener, LISTENER),
    )


def told_of(stream: Stream, cap: int) -> Mapping[int, int]:
    """Of the session that heard most of a stream: the arrival of each chunk to the place of its notification.

    One session only: what was told between two of them is known to nobody. Chunks without a place were not heard.
    Nothing of a stream with more chunks than `cap`.
    """
    if stream.head > cap:
        return {}
    heard: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for listener, chunk_id, place in _rows(stream, cap):
        heard[listener][chunk_id] = place
    if not heard:
        return {}
    known = Chunk.objects.filter(stream=stream, arrival__lte=cap).values_list("chunk_id", "arrival")
    arrivals = dict(known)
    sessions = [
        {arrivals[one]: place for one, place in of_one.items() if one in arrivals}
        for of_one in heard.values()
    ]
    return max(sessions, key=len)


def _rows(stream: Stream, cap: int) -> Sequence[tuple[str, str, int]]:
    """Whoever may write to the world may also tell of chunks that are not there: no more than a few are read."""
    notes = Note.objects.filter(stream=stream).order_by("pk")
    return list(notes.values_list("listener", "chunk_id", "place")[: 4 * cap])
