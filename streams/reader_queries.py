"""The facts of a stored stream for the reader simulator (`streams.readers`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from streams.models import Chunk, Stream, Write
from streams.notes import told_of
from streams.origin import origin_kind
from streams.readers import (
    Choice,
    ReaderFacts,
    Reading,
    StoredChunk,
    read_later,
    read_live,
    rules_for,
    summary,
)

CAP = 20_000  # chunks of a stream that is simulated


class _Write(NamedTuple):
    process: str
    number: int
    called_ns: int
    took_ns: int | None


class Readings(NamedTuple):
    """What the stream page shows of one `startIndex`."""

    facts: ReaderFacts
    choice: Choice
    live: Reading
    later: Reading
    sentence: str


def readings_of(stream: Stream, start: int = 0) -> Readings:
    """What a reader from the beginning and a later one get of a stream."""
    facts, choice = reader_facts(stream), reader_choice(stream)
    live, later = read_live(facts, choice, start), read_later(facts, choice, start)
    return Readings(facts, choice, live, later, summary(facts, live, later))


def reader_choice(stream: Stream) -> Choice:
    """The rules for the stream's world and the SDK that its run used."""
    run = stream.run
    if run is not None and run.language == "python":
        return Choice(None, "no reader rules are known for the Python SDK")
    return rules_for(origin_kind(stream.world), run.sdk_version if run is not None else "")


def reader_facts(stream: Stream) -> ReaderFacts:
    """A few queries; none for a stream with more chunks than `CAP`, which then says so."""
    if stream.head > CAP:
        return ReaderFacts((), f"the stream has more than {CAP:,} chunks")
    if stream.pruned_ns is not None:
        return ReaderFacts((), "chunks of the stream were pruned")
    rows = Chunk.objects.filter(stream=stream, arrival__lte=CAP).order_by("arrival")
    writes, told = _writes(stream), told_of(stream, CAP)
    fields = ("arrival", "chunk_id", "is_close", "size", "stored_ns")
    return ReaderFacts([_chunk(row, writes.get(row[0]), told) for row in rows.values_list(*fields)])


def _writes(stream: Stream) -> dict[int, _Write]:
    """The write that each chunk came from, by arrival, as far as an app's probe reported it."""
    rows = Write.objects.filter(stream=stream, arrival__isnull=False, arrival__lte=CAP)
    fields = ("arrival", "process", "number", "called_ns", "took_ns")
    return {arrival: _Write(*rest) for arrival, *rest in rows.values_list(*fields)}


def _chunk(
    row: tuple[int, str, bool, int, int], write: _Write | None, told: Mapping[int, int]
) -> StoredChunk:
    chunk = StoredChunk(*row, notified=told.get(row[0]))
    if write is None:
        return chunk
    done_ns = None if write.took_ns is None else write.called_ns + write.took_ns
    return chunk._replace(
        called_ns=write.called_ns, done_ns=done_ns, process=write.process, call=write.number
    )
