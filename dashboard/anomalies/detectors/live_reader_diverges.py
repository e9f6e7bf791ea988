"""Who read live got something else than who reads later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from dashboard.anomalies.detectors._entries import Entry, entry_of
from dashboard.anomalies.detectors.base import (
    ChunkRef,
    Detector,
    Found,
    NotChecked,
    Severity,
    Upstream,
)
from streams.facts import ChunkFact, StreamFacts
from streams.readers import (
    CLOSED,
    PROVED,
    UNCHECKED,
    WAITS,
    Choice,
    ReaderFacts,
    Reading,
    StoredChunk,
    read_later,
    read_live,
    rules_for,
    summary,
)

CAP = 20_000  # chunks of a stream that is read again by the rules
OPEN_CAP = 2_000  # of one that still grows, since each new chunk means reading it all again


class LiveReaderDiverges(Detector):
    """## What it does
    Reads the stream as the SDK's reader of that world and version does, once live, in the order in which
    readers were told of the chunks, and once later, from what is stored; and says where the two differ. Proved
    where that order was observed (a probe's calls on a local world, the notifications of PostgreSQL).

    ## Why it matters
    The user who watched got another text than the one that is stored: scrambled, shortened or with a piece
    twice. Whoever looks into it later finds nothing wrong.

    ## Example
        run=completed world=postgres sdk=4.8.9 told=0,2,1,3 "a" "b" "c" close -> live_reader_diverges(1,2)
        run=completed world=postgres sdk=4.8.9 told=0,1,2,3 "a" "b" "c" close -> nothing

    ## Needs
    The order in which readers were told of the chunks. A local world needs the probe for it: times of files do
    not tell. On PostgreSQL it is what our own listener heard; of chunks that were stored while it was not there,
    only `created_at` is left, and what that says is suspected. Nobody may have read live: it says what such a
    reader got.

    ## False alarms
    Where the evidence does not decide the order (two writes that came back within 50 µs), it is not checked.
    Rules that were taken from the nearest version, or from a client's code, make it suspected.
    """

    kind: ClassVar[str] = "live_reader_diverges"
    severity: ClassVar[Severity] = "error"
    needs: ClassVar[frozenset[str]] = frozenset({"chunks"})
    fix: ClassVar[str] = (
        "Write through one writer per step, and let readers that must be right read again from the beginning "
        "once the stream is closed."
    )
    upstream: ClassVar[tuple[Upstream, ...]] = (
        Upstream("vercel/workflow#1002", "a live chunk is dropped as out of order"),
        Upstream("vercel/workflow#1855", "a live reader stalls while rows land"),
        Upstream("vercel/workflow#2058", "racing writables of one step"),
    )
    sdk_affected: ClassVar[str] = (
        "local: all (5.0.0-beta.55 only for several chunks in one write); PostgreSQL: all; Vercel: none known"
    )
    sdk_fixed: ClassVar[str] = "none; one cached writable (5.0.0-beta.39) makes it rare"

    def __init__(self) -> None:
        self._chunks: list[Entry] = []
        self._count = 0
        self._closed = False

    def feed(self, chunk: ChunkFact) -> None:
        self._count += 1
        self._closed = self._closed or chunk.is_close
        if self._count <= CAP:
            self._chunks.append(entry_of(chunk))

    def finish(self, stream: StreamFacts, now_ns: int) -> Iterator[Found | NotChecked]:
        if not self._count or stream.is_system or stream.expired:
            return
        if absent := self._absent(stream):
            yield NotChecked(self.kind, f"not checked here: {absent}")
            return
        facts, choice = self._facts(stream), _choice(stream)
        live = read_live(facts, choice)
        if live.sure == UNCHECKED:
            yield NotChecked(self.kind, f"not checked here: {'; '.join(live.why)}")
            return
        later = read_later(facts, choice)
        if live.arrivals != later.arrivals or (live.ended == WAITS and later.ended == CLOSED):
            yield self._found(stream, facts, live, later)

    def _absent(self, stream: StreamFacts) -> str:
        if stream.world == "vercel":
            return "who reads live gets the order in which the server stored, which alone can be seen"
        if self._count > longest_read(is_closed=self._closed):
            return "the stream is too long to be read again by the rules of its readers"
        if stream.writes is None and not stream.told and stream.world != "postgres":
            return "nobody observed in which order live readers were told of the chunks"
        return _choice(stream).note if _choice(stream).rules is None else ""

    def _facts(self, stream: StreamFacts) -> ReaderFacts:
        writes = stream.writes.facts if stream.writes is not None else ()
        of_arrival = {one.arrival: one for one in writes if one.arrival is not None}
        chunks = []
        for entry in self._chunks:
            chunk = StoredChunk(entry.arrival, entry.chunk_id, entry.is_close, entry.size, entry.stored_ns)
            write = of_arrival.get(chunk.arrival)
            if write is not None:
                done = None if write.took_ns is None else write.called_ns + write.took_ns
                chunk = chunk._replace(
                    called_ns=write.called_ns, done_ns=done, process=write.process, call=write.number
                )
            chunks.append(chunk._replace(notified=stream.told.get(chunk.arrival)))
        return ReaderFacts(chunks)

    def _found(self, stream: StreamFacts, facts: ReaderFacts, live: Reading, later: Reading) -> Found:
        sure = live.sure == PROVED and later.sure == PROVED
        return Found(
            self.kind,
            self.severity if sure else "warning",
            "proved" if sure else "suspected",
            f"{summary(facts, live, later).capitalize()}.",
            run_id=stream.run.run_id if stream.run else "",
            stream=stream.name,
            chunks=tuple(self._differing(live, later)),
            evidence={
                "live_chunks": len(live.arrivals),
                "later_chunks": len(later.arrivals),
                "live": list(live.arrivals[:100]),
                "live_ended": live.ended,
            },
            missing=() if sure else tuple(dict.fromkeys((*live.why, *later.why))),
        )

    def _differing(self, live: Reading, later: Reading) -> Iterator[ChunkRef]:
        """Chunks from the first to the last place where the two differ."""
        refs = {entry.arrival: entry.ref for entry in self._chunks}
        one, two = live.arrivals, later.arrivals
        same = next((at for at, pair in enumerate(zip(one, two, strict=False)) if pair[0] != pair[1]), None)
        begin = min(len(one), len(two)) if same is None else same
        length = min(len(one), len(two)) - begin
        tail = 0
        while tail < length and one[-1 - tail] == two[-1 - tail]:
            tail += 1
        for arrival in sorted({*one[begin : len(one) - tail], *two[begin : len(two) - tail]}):
            yield refs[arrival]


def longest_read(*, is_closed: bool) -> int:
    """Chunks of the longest stream that is read again by the rules."""
    return CAP if is_closed else OPEN_CAP


def _choice(stream: StreamFacts) -> Choice:
    run = stream.run
    if run is not None and run.language == "python":
        return Choice(None, "no reader rules are known for the Python SDK")
    return rules_for(stream.world, run.sdk_version if run is not None else "")
