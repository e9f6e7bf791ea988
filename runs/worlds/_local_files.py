"""One file of a local world: its name made printable, its bytes read without trusting what lies there."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from dataclasses import dataclass

from dashboard.lib.clock import NS_PER_MS, NS_PER_S, clamp_ns, now_ns
from runs.worlds.base import WorldError

# A link in the last place is refused by the kernel (then looked at closely), and a pipe does not block.
OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
BLOCK = 1_000_000  # bytes read at once of what is too large to be read whole
HEAD = 200  # bytes shown of something unreadable
WHERE_MAX = 400  # characters
YOUNG_NS = NS_PER_S  # the writer of a file that changed within this time may not be done with it
TICK_NS = 20 * NS_PER_MS  # two versions within a clock tick of the kernel can carry the same mtime

_REASONS = {
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EISDIR: "a directory where a file should be",
    errno.ENOTDIR: "a file where a directory should be",
    errno.ELOOP: "a symbolic link that leads nowhere",
}


class Unfit(Exception):
    """What lies there cannot be read, and waiting will not help; `head` is its first bytes."""

    def __init__(self, reason: str, head: bytes = b"") -> None:
        super().__init__(reason)
        self.reason, self.head = reason, head[:HEAD]


class Unsettled(Exception):
    """Someone is writing it right now: the next look finds it again."""


@dataclass(frozen=True, slots=True)
class Version:
    """The whole content of a file, and the mtime that belongs to exactly this content."""

    data: bytes
    mtime_ns: int

    @property
    def is_young(self) -> bool:
        return is_young(self.mtime_ns)

    @property
    def source_ns(self) -> int:
        """The mtime, or 1 ns less while a second version with the same mtime could still follow.

        The smudged number differs from the file's, so that the next look reads it again (as git does with
        entries that are as young as its index). The clock is ours, the mtime the file system's: the same
        machine's unless the directory is mounted from another.
        """
        return self.mtime_ns - 1 if abs(now_ns() - self.mtime_ns) < TICK_NS else self.mtime_ns


def mtime_of(status: os.stat_result) -> int:
    """The file's time; a year that 64 bits cannot hold becomes the last one that they can."""
    ns = status.st_mtime_ns
    return ns if 0 <= ns < 2**63 else clamp_ns(ns)


def is_young(mtime_ns: int) -> bool:
    """Changed within the last second. A file from the future is not young: its clock is wrong."""
    return abs(now_ns() - mtime_ns) < YOUNG_NS


def printable(text: str) -> str:
    """`text` with what cannot be shown (or stored) as escapes; different names stay different."""
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(char if char.isprintable() and char != "\\" else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    if "\udc80" <= char <= "\udcff":  # a byte that is no UTF-8, as Python carries it in file names
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def relative_to(root: str, path: str) -> str:
    """The rest of a path that was made from `root`."""
    return path.removeprefix(root).lstrip("/")


def where_in(root: str, path: str) -> str:
    """The place of `path` for people and as a key: relative to the world, printable, of bounded length."""
    where = printable(relative_to(root, path))
    if len(where) <= WHERE_MAX:
        return where
    return f"{where[: WHERE_MAX - 17]}~{hashlib.sha256(where.encode()).hexdigest()[:16]}"


def is_inside(root: str, path: str) -> bool:
    """Whether `path` really lies in the world, with every link in it followed."""
    real = os.path.realpath(path)
    return real == root or real.startswith(root.rstrip("/") + "/")


def reason_of(error: OSError) -> str:
    """What is wrong, for people. Raises WorldError where it is us who have run out of something."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        raise WorldError("the world cannot be read: too many open files in this process or on this machine")
    return _REASONS.get(error.errno or 0) or (error.strerror or str(error)).lower()


def open_inside(root: str, path: str) -> int:
    """A descriptor of the file; a link is followed only where it stays in the world. Unfit, OSError."""
    try:
        return os.open(path, OPEN_FLAGS)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
    if not is_inside(root, path):
        raise Unfit("a symbolic link that leads out of the world")
    return os.open(os.path.realpath(path), OPEN_FLAGS)


def regular(status: os.stat_result) -> os.stat_result:
    """The same status. Raises Unfit for a directory, pipe, socket or device."""
    if stat.S_ISDIR(status.st_mode):
        raise Unfit("a directory where a file should be")
    if not stat.S_ISREG(status.st_mode):
        raise Unfit("not a regular file")
    return status


def read_version(root: str, path: str, limit: int | None = None) -> Version:
    """The file's content and its time. Raises Unfit, Unsettled, OSError (FileNotFoundError: it vanished).

    The descriptor stays on one version even if another is renamed over it; a version that is written in
    place is caught by looking at its status before and after.
    """
    descriptor = open_inside(root, path)
    try:
        before = regular(os.fstat(descriptor))
        if limit is not None and before.st_size > limit:
            raise Unfit(
                f"{before.st_size:,} bytes, more than the {limit:,} allowed", os.read(descriptor, HEAD)
            )
        data = _read_all(descriptor, before.st_size)
        after = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if after.st_mtime_ns != before.st_mtime_ns or after.st_size != len(data):
        raise Unsettled
    return Version(data, mtime_of(after))


def _read_all(descriptor: int, size: int) -> bytes:
    """At most one byte more than `size`: a file that grows meanwhile is noticed and not followed."""
    parts = []
    left = size + 1
    while left > 0 and (part := os.read(descriptor, left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
