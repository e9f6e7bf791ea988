"""Writes the zip of a bundle, member after member, and knows the SHA-256 of each."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Any

from dashboard.lib.clock import NS_PER_S

LINES = 500  # joined before they are packed
_FIRST_YEAR, _LAST_YEAR = 1980, 2107  # that a zip knows


@dataclass(slots=True)
class Member:
    """One member while it is written."""

    file: IO[bytes]
    digest: Any = field(default_factory=hashlib.sha256)
    size: int = 0

    def write(self, data: bytes) -> None:
        self.file.write(data)
        self.digest.update(data)
        self.size += len(data)


class BundleWriter:
    """`into` need not be seekable, and nothing is held but the names."""

    def __init__(self, into: IO[bytes], made_ns: int) -> None:
        self._zip = zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED, compresslevel=6)
        self._time = _zip_time(made_ns)
        self.members: dict[str, dict[str, Any]] = {}

    @contextmanager
    def member(self, name: str) -> Iterator[Member]:
        info = zipfile.ZipInfo(name, self._time)
        info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
        with self._zip.open(info, "w", force_zip64=True) as file:
            member = Member(file)
            yield member
        self.members[name] = {"sha256": member.digest.hexdigest(), "bytes": member.size}

    def text(self, name: str, text: str) -> None:
        with self.member(name) as member:
            member.write(text.encode("utf-8", "replace"))

    def json(self, name: str, value: Any) -> None:
        self.text(name, json.dumps(value, indent=1) + "\n")

    def lines(
        self, name: str, records: Iterable[Any], *, start: str = "", sep: str = "\n", end: str = "\n"
    ) -> int:
        """One record a line; returns how many. With other marks around them the same gives a JSON array."""
        count, held = 0, [start]
        with self.member(name) as member:
            for one in records:
                held.append((sep if count else "") + json.dumps(one, separators=(",", ":")))
                count += 1
                if len(held) > LINES:
                    member.write("".join(held).encode())
                    held.clear()
            member.write(("".join(held) + (end if count or start else "")).encode())
        return count

    def array(self, name: str, records: Iterable[Any]) -> int:
        return self.lines(name, records, start="[\n", sep=",\n", end="\n]\n")

    def close(self) -> None:
        self._zip.close()


def _zip_time(ns: int) -> tuple[int, int, int, int, int, int]:
    made = datetime.fromtimestamp(ns // NS_PER_S, UTC)
    return (
        max(_FIRST_YEAR, min(_LAST_YEAR, made.year)),
        made.month,
        made.day,
        made.hour,
        made.minute,
        made.second,
    )
