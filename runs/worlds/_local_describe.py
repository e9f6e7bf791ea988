"""What a directory looks like from outside, in one sentence for people at start-up."""

from __future__ import annotations

import os
from collections.abc import Iterator

from runs.worlds._local_chunks import split_flat
from runs.worlds._local_files import reason_of


def looks_like_world(path: str) -> bool:
    """Whether the Workflow SDK has written here: its stream folders, its version file, or a run."""
    if any(os.path.isdir(os.path.join(path, "streams", part)) for part in ("chunks", "runs")):
        return True
    if os.path.isdir(os.path.join(path, "runs")) and os.path.isdir(os.path.join(path, "events")):
        return True
    version = os.path.join(path, "version.txt")
    return os.path.isfile(version) or any(name.startswith("wrun_") for name in _names(path, "runs"))


def describe(location: str) -> str:
    """What was found there: `12 runs, 14 streams, chunk files flat`, or what is in the way."""
    try:
        with os.scandir(location) as entries:
            is_empty = not any(entries)
    except FileNotFoundError:
        return "does not exist yet"
    except OSError as error:
        return f"cannot be read: {reason_of(error)}"
    if is_empty:
        return "an empty directory, no runs yet"
    if not looks_like_world(location):
        return "does not look like a Workflow SDK directory: no runs, events or streams in it"
    return _counts(location)


def _counts(location: str) -> str:
    runs = sum(name.endswith(".json") and ".tmp." not in name for name in _names(location, "runs"))
    names = list(_names(location, "streams/chunks"))
    flat = {ids[0] for name in names if (ids := split_flat(name))}
    folders = {name for name in names if "." not in name}
    parts = (
        [_number(runs, "run"), _number(len(flat | folders), "stream")] if runs or names else ["no runs yet"]
    )
    if flat or folders:
        layouts = ["flat"] * bool(flat) + ["in a folder for each stream"] * bool(folders)
        parts.append("chunk files " + " and ".join(layouts))
    return ", ".join(parts)


def _number(count: int, word: str) -> str:
    return f"{count or 'no'} {word}{'' if count == 1 else 's'}"


def _names(location: str, folder: str) -> Iterator[str]:
    try:
        with os.scandir(os.path.join(location, folder)) as entries:
            for entry in entries:
                yield entry.name
    except OSError:
        return
