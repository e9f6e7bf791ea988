"""Chunks as a bundle holds them: what they are, when, from whom, and their outline or their bytes."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import chain
from typing import Any

from dashboard.bundle.archive import BundleWriter
from dashboard.bundle.members import AT_ONCE, Source
from dashboard.bundle.outline import outline_of
from dashboard.bundle.redact import safe_text
from dashboard.bundle.writes import writer_record
from streams.export import clocks_of, identity_of
from streams.facts import ChunkFact
from streams.models import Chunk, Write
from streams.order import BEHIND
from streams.whole import chunk_pages, payloads_of

PACK_CHUNKS, PACK_BYTES = 1000, 4 * 2**20  # a member of payloads ends with the first of the two
_NONE = -1  # the length of an end marker


class Packs:
    """Where each payload lies: many small ones share a member, since a zip of a million members is no use."""

    def __init__(self) -> None:
        self._arrival = self._count = self._at = 0
        self.member = ""

    def place(self, length: int) -> tuple[str, int]:
        """The member and place of the next payload."""
        self._arrival += 1
        if not self.member or self._count >= PACK_CHUNKS or self._at >= PACK_BYTES:
            self.member, self._count, self._at = f"payloads/{self._arrival:09d}.bin", 0, 0
        at = self._at
        self._count, self._at = self._count + 1, self._at + length
        return self.member, at


def _pages(source: Source) -> Iterator[list[Chunk]]:
    return chunk_pages(source.stream, 1, source.head, AT_ONCE)


def write_payloads(archive: BundleWriter, source: Source) -> array[int]:
    """The bytes of all data chunks, as they are stored: what is encrypted stays so. Returns their lengths."""
    lengths, packs, fetch = array("q"), Packs(), payloads_of(source.stream)
    waiting: list[bytes] = []
    member = ""
    for row in chain.from_iterable(_pages(source)):
        payload = None if row.is_close else fetch(row)
        lengths.append(_NONE if payload is None else len(payload))
        place = packs.place(len(payload or b""))[0]
        if place != member:
            _write_pack(archive, member, waiting)
            member, waiting = place, []
        waiting.append(payload or b"")
    _write_pack(archive, member, waiting)
    return lengths


def _write_pack(archive: BundleWriter, name: str, payloads: list[bytes]) -> None:
    if name:
        with archive.member(name) as member:
            for payload in payloads:
                member.write(payload)


def chunk_records(source: Source, lengths: array[int] | None) -> Iterator[dict[str, Any]]:
    """One for each chunk, in the order of arrival. `lengths` are those of the payloads that were written."""
    packs = Packs()
    for rows in _pages(source):
        yield from _records(source, rows, packs, lengths)


def _records(
    source: Source, batch: list[Chunk], packs: Packs, lengths: array[int] | None
) -> Iterator[dict[str, Any]]:
    first, last = batch[0].arrival, batch[-1].arrival
    writes = Write.objects.filter(stream=source.stream, arrival__range=(first, last))
    by_arrival = {one.arrival: one for one in writes.select_related("writer").defer("data")}
    for row in batch:
        record = _record(source, row) | writer_record(by_arrival.get(row.arrival))
        if lengths is not None:
            record |= _payload(packs, lengths[row.arrival - 1])
        elif not row.is_close:
            record["outline"] = outline_of(fact_of(row, source.stream.framing), source.redactor)
        yield record


def _record(source: Source, row: Chunk) -> dict[str, Any]:
    digest = bytes(row.digest)
    return identity_of(row) | {
        "digest": (digest if source.has_payloads else source.redactor.digest(digest)).hex(),
        "clocks": clocks_of(row),
        "problem": safe_text(row.problem),
    }


def _payload(packs: Packs, length: int) -> dict[str, Any]:
    member, at = packs.place(max(0, length))
    return {} if length == _NONE else {"payload": {"member": member, "at": at, "length": length}}


def fact_of(row: Chunk, framing: str) -> ChunkFact:
    data = bytes(row.data)
    return ChunkFact(
        row.chunk_id, row.arrival, row.position, row.is_close, bool(row.marks & BEHIND), row.size, row.stored_ns,
        row.minted_ms, lambda: data, framing,
    )  # fmt: skip
