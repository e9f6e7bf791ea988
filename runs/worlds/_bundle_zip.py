"""A bundle's zip, opened with suspicion: it came by mail, from anybody.

Nothing of it is ever unpacked to disk, names are compared and never used as paths, and no more is read of a member than
its directory entry says. What cannot be trusted as a whole is refused in one sentence; a single damaged member is told
by `Damaged`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

from runs.worlds.base import WorldError

FORMAT = "tailrace-bundle"
VERSION = 1
MANIFEST = "manifest.json"
MEMBERS_MAX = 20_000
TOTAL_MAX = 16 * 2**30  # bytes of all members
WHOLE_MAX = 64 * 2**20  # bytes of a member that is read whole
LINE_MAX = 4 * 2**20  # bytes of a line
SMALL = 64 * 2**20  # bytes up to which it does not matter how well they were packed
RATIO_MAX = 200  # lines of JSON shrink to a tenth or a thirtieth; a bomb to a thousandth
_BLOCK = 1 << 20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DRIVE = re.compile(r"[A-Za-z]:")
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError, OSError)


class Damaged(Exception):
    """One member cannot be used; the message says why. The others can."""


@dataclass(slots=True)
class Archive:
    """An opened bundle whose manifest was read and whose directory was found harmless."""

    zip: zipfile.ZipFile
    manifest: dict[str, Any]
    _sound: dict[str, str] = field(default_factory=dict)  # member to what is wrong with it, or ""
    _kept: tuple[str, bytes] = ("", b"")  # the last part's member: the next is nearly always in the same

    def has(self, name: str) -> bool:
        """Whether the bundle has, or should have, that member."""
        return name in self._listed()

    def check(self, name: str) -> None:
        """Raises Damaged where the member is not the one that was bundled. Reads it once."""
        if name not in self._sound:
            self._sound[name] = self._trouble(name)
        if self._sound[name]:
            raise Damaged(self._sound[name])

    def json(self, name: str) -> Any:
        """Raises Damaged."""
        self.check(name)
        with self._open(name) as member:
            return _parsed(member.read(WHOLE_MAX + 1))

    def lines(self, name: str) -> Iterator[tuple[int, bytes]]:
        """Number and bytes of each line. Raises Damaged at once, before the first line."""
        self.check(name)
        with self._open(name) as member:
            number = 0
            while line := member.readline(LINE_MAX):
                number += 1
                yield number, line

    def part(self, name: str, at: int, length: int) -> bytes:
        """Some bytes of a member of at most WHOLE_MAX. Raises Damaged."""
        if name != self._kept[0]:
            self.check(name)
            with self._open(name) as member:
                self._kept = (name, member.read(WHOLE_MAX))
        return self._kept[1][at : at + length]

    def _listed(self) -> dict[str, Any]:
        listed = self.manifest.get("members")
        return listed if isinstance(listed, dict) else {}

    def _trouble(self, name: str) -> str:
        about = self._listed().get(name)
        if not isinstance(about, dict):
            return "the manifest does not name it"
        try:
            size = self.zip.getinfo(name).file_size
            found = self._digest(name)
        except KeyError:
            return "it is missing"
        except _BROKEN as error:
            return f"it is damaged: {error}"
        if found != about.get("sha256") or size != about.get("bytes"):
            return "it is not what was bundled: its SHA-256 is another one than in the manifest"
        return ""

    def _digest(self, name: str) -> str:
        digest = hashlib.sha256()
        with self._open(name) as member:
            while block := member.read(_BLOCK):
                digest.update(block)
        return digest.hexdigest()

    def _open(self, name: str) -> IO[bytes]:
        return self.zip.open(name)


@contextmanager
def opened(path: str) -> Iterator[Archive]:
    """The bundle at a path. Raises WorldError where it is none that can be read here."""
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise WorldError(f"{path} does not exist") from None
    except _BROKEN as error:
        raise _refused(path, f"is no bundle: {error}") from None
    with archive:
        _check_directory(path, archive)
        yield Archive(archive, _manifest(path, archive))


def signature(path: str) -> tuple[int, int, int]:
    """Changes when the file does. Raises WorldError if it is gone."""
    try:
        found = os.stat(path)
    except OSError as error:
        raise WorldError(f"{path} cannot be read: {error.strerror}") from None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _refused(path: str, why: str) -> WorldError:
    return WorldError(f"{path} {why}", permanent=True)


def _check_directory(path: str, archive: zipfile.ZipFile) -> None:
    """Raises WorldError for what no bundle of ours has: odd paths, two of a name, a bomb."""
    members = archive.infolist()
    if len(members) > MEMBERS_MAX:
        raise _refused(path, f"has {len(members):,} members: no bundle has more than {MEMBERS_MAX:,}")
    names: set[str] = set()
    for one in members:
        why = _oddity(one, names)
        if why:
            raise _refused(path, f"is no bundle of Tailrace: {why}")
        names.add(one.filename)
    _check_sizes(path, members)


def _oddity(member: zipfile.ZipInfo, before: set[str]) -> str:
    name = member.orig_filename
    parts = re.split(r"[/\\]", name)
    if not name or "\0" in name or parts[0] == "" or ".." in parts or _DRIVE.match(name):
        return f"a member leads out of it ({name[:80]!r})"
    if member.filename in before:
        return f"it has two members of the name {name[:80]!r}"
    if member.flag_bits & 1 or member.compress_type not in _METHODS:
        return f"{name[:80]!r} is encrypted or packed in another way than ours"
    return ""


def _check_sizes(path: str, members: list[zipfile.ZipInfo]) -> None:
    total = sum(one.file_size for one in members)
    packed = sum(one.compress_size for one in members)
    if packed > os.path.getsize(path):  # members that lie in one another
        raise _refused(path, "is no bundle: its members overlap")
    if total > TOTAL_MAX or any(one.file_size > max(SMALL, RATIO_MAX * one.compress_size) for one in members):
        raise _refused(path, f"unpacks to {total:,} bytes: that is no bundle but a bomb")


def _manifest(path: str, archive: zipfile.ZipFile) -> dict[str, Any]:
    try:
        with archive.open(MANIFEST) as member:
            found = _parsed(member.read(WHOLE_MAX + 1))
    except KeyError:
        raise _refused(path, f"is no bundle of Tailrace: it has no {MANIFEST}") from None
    except (Damaged, *_BROKEN) as error:
        raise _refused(path, f"has a {MANIFEST} that cannot be read: {error}") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise _refused(path, f"is no bundle of Tailrace: its {MANIFEST} says otherwise")
    if found.get("version") != VERSION:
        says = (
            f"its format is version {str(found.get('version'))[:20]}, this Tailrace reads version {VERSION}"
        )
        raise _refused(
            path, f"cannot be opened: {says}; use the version of Tailrace that made it or a newer one"
        )
    return found


def _parsed(data: bytes) -> Any:
    if len(data) > WHOLE_MAX:
        raise Damaged(f"it has more than {WHOLE_MAX:,} bytes")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"it is no JSON: {type(error).__name__}") from None
