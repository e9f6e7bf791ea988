"""What truly happened to the streams of the lab's runs, from the app's own log and from the bytes in storage.

Knows nothing of the product: chunks are read and decoded here, the order is compared by a rule of its own.
"""

from __future__ import annotations

import base64
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.lab.cell import Row, Told

CLOSE = "<<close>>"
# 5.x keeps one writable per step and stream from some beta on; the others make one per call.
RACING_VERSIONS = frozenset({"4.2.4", "4.8.9", "5.0.0-beta.5"})
RACING_SCENARIO = "b_reacquire"
SPECIAL = {-1: "undefined", -2: "hole", -3: "NaN", -4: "Infinity", -5: "-Infinity", -6: "-0"}
Attempt = tuple[str, int]  # step id, number of the attempt


@dataclass(frozen=True)
class Refused:
    """One call that the world refused; `steps` are those that may have made it: one where it can be told."""

    is_close: bool
    tokens: tuple[str, ...]
    steps: frozenset[str]


@dataclass(frozen=True)
class StreamTruth:
    name: str
    scenario: str
    run_id: str
    meant: dict[Attempt, list[str]]  # data only, in the writer's order
    closers: frozenset[str]
    stored: list[str]  # data in reading order, what lies behind the first end marker too
    after_end: int
    ends: int
    refused: list[Refused]
    is_racing: bool
    not_taken: int = 0  # data chunks that reached the world, which refused or lost them

    @property
    def missing(self) -> int:
        """Chunks that a step meant to write and that nobody stored."""
        if not self.meant:  # a stream that a step returned: nobody said what it would be
            return self.not_taken
        meant = Counter(token for tokens in self.meant.values() for token in tokens)
        return (meant - Counter(self.stored)).total()

    @property
    def is_in_order(self) -> bool:
        return is_interleaving(self.stored, list(self.meant.values()))

    @property
    def moved(self) -> int | None:
        """The fewest chunks that must move for all to be in order; None where equal chunks leave it open."""
        of = {
            token: (attempt, at) for attempt, tokens in self.meant.items() for at, token in enumerate(tokens)
        }
        if len(of) != sum(map(len, self.meant.values())) or len(set(self.stored)) != len(self.stored):
            return None
        places: defaultdict[Attempt, list[int]] = defaultdict(list)
        for token in self.stored:
            if token in of:
                places[of[token][0]].append(of[token][1])
        return sum(len(some) - _longest_rise(some) for some in places.values())

    @property
    def is_in_turn(self) -> bool:
        """What readers get is one step's writes after the other's, so that it comes out the same each time."""
        written = iter([token for tokens in self.meant.values() for token in tokens])
        visible = self.stored[: len(self.stored) - self.after_end]
        return not self.meant or all(token in written for token in visible)

    @property
    def is_calm(self) -> bool:
        return self.is_in_order and not (self.missing or self.refused or self.after_end)


def truths(version: str, told: Told) -> dict[str, StreamTruth]:
    """By the stream's name, all streams that a run wrote, tried to write or meant to."""
    scenarios = {result["runId"]: name for name, result in told.results.items()}
    stored = dict(_stored(told))
    meant = _by_stream(told.meant)
    not_taken = _by_stream(line for line in told.arrivals if line["outcome"] != "stored")
    run_of = {name: lines[0]["runId"] for name, lines in meant.items()}
    run_of |= {line["stream"]: line["runId"] for line in told.arrivals}
    by_ulid = {run_id.removeprefix("wrun_"): run_id for run_id in scenarios}
    found = {}
    for name in {*stored, *meant, *not_taken}:
        run_id = run_of.get(name) or by_ulid.get(name.split("_")[1], "")
        scenario = scenarios.get(run_id, "")
        found[name] = _stream(
            version, name, scenario, run_id, meant[name], stored.get(name, []), not_taken[name]
        )
    return found


def _stream(
    version: str,
    name: str,
    scenario: str,
    run_id: str,
    meant: list[Row],
    stored: list[bytes | None],
    not_taken: list[Row],
) -> StreamTruth:
    groups: defaultdict[Attempt, list[str]] = defaultdict(list)
    closers = frozenset(line["stepId"] for line in meant if line["value"] == CLOSE)
    for line in meant:
        if line["value"] != CLOSE:
            groups[line["stepId"], line["attempt"]].append(canonical(line["value"]))
    end = stored.index(None) if None in stored else len(stored)
    return StreamTruth(
        name,
        scenario,
        run_id,
        dict(groups),
        closers,
        [token for chunk in stored if chunk is not None for token in tokens_of(chunk)],
        sum(chunk is not None for chunk in stored[end:]),
        stored.count(None),
        [_refused(line, groups, closers) for line in not_taken if line["outcome"] == "rejected"],
        scenario.partition("#")[0] == RACING_SCENARIO and version in RACING_VERSIONS,
        sum(len(line["chunks"]) for line in not_taken),
    )


def _refused(line: Row, groups: dict[Attempt, list[str]], closers: frozenset[str]) -> Refused:
    tokens = tuple(token for chunk in line["chunks"] for token in tokens_of(base64.b64decode(chunk)))
    is_close = line["op"] == "close"
    steps = (
        closers
        if is_close
        else frozenset(step for (step, _), some in groups.items() if set(tokens) & set(some))
    )
    known = (line["step"] or {}).get("id")
    return Refused(is_close, tokens, frozenset({known}) if known else steps)


def _by_stream(lines: Iterable[Row]) -> defaultdict[str, list[Row]]:
    """By the stream's name; a step that means to write names its namespace instead."""
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for line in lines:
        if "value" not in line:
            found[line["stream"]].append(line)
        elif line["stream"] != "webhook token":
            found[stream_name(line["runId"], line["stream"])].append(line)
    return found


def stream_name(run_id: str, namespace: str) -> str:
    name = f"strm_{run_id.removeprefix('wrun_')}_user"
    if namespace == "default":
        return name
    return f"{name}_{base64.urlsafe_b64encode(namespace.encode()).decode().rstrip('=')}"


# --- storage ----------------------------------------------------------------------------------------
def _stored(told: Told) -> Iterator[tuple[str, list[bytes | None]]]:
    if told.world is None:
        yield from told.stored.items()
        return
    folder = told.world / "streams" / "chunks"
    found: defaultdict[str, list[tuple[str, Path]]] = defaultdict(list)
    for file in folder.rglob("chnk_*.bin"):
        found[file.parent.name].append((file.name, file))
    for file in folder.glob("strm_*.bin"):
        match = re.fullmatch(r"(.+)-(chnk_\w+\.bin)", file.name)
        assert match, f"not a chunk: {file.name}"
        found[match[1]].append((match[2], file))
    for name, files in found.items():
        yield name, [_payload(file.read_bytes()) for _, file in sorted(files)]


def _payload(raw: bytes) -> bytes | None:
    return None if raw[0] else raw[1:]


def tokens_of(chunk: bytes) -> list[str]:
    """The values of a chunk of frames, in a form to compare; a chunk of anything else is one token."""
    found, at = [], 0
    while at + 4 <= len(chunk):
        size = int.from_bytes(chunk[at : at + 4], "big")
        body = chunk[at + 4 : at + 4 + size]
        if len(body) != size or not body.startswith(b"devl"):
            return [f"raw:{base64.b64encode(chunk).decode()}"]
        found.append(canonical(_unflat(json.loads(body[4:]))))
        at += 4 + size
    return found


def canonical(value: Any) -> str:
    """`values` writes one of each kind under a name: the name is enough to tell them apart."""
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        value = {"name": value["name"]}
    if isinstance(value, dict) and "$Uint8Array" in value:
        value = {"bytes": value["$Uint8Array"]}
    return json.dumps(value, sort_keys=True)


def _unflat(items: Any) -> Any:
    if not isinstance(items, list):
        return {"$constant": items}

    def at(index: Any) -> Any:
        if not isinstance(index, int):
            return index
        if index < 0:
            return {"$constant": SPECIAL[index]}
        item = items[index]
        if isinstance(item, dict):
            return {key: at(inner) for key, inner in item.items()}
        if isinstance(item, list):
            tagged = bool(item) and isinstance(item[0], str)
            return (
                {f"${item[0]}": at(item[1]) if item[1:] else None}
                if tagged
                else [at(inner) for inner in item]
            )
        return item

    return at(0)


# --- order ------------------------------------------------------------------------------------------
def is_interleaving(stored: Sequence[str], groups: Sequence[Sequence[str]]) -> bool:
    """Whether each stored token can be given to a group so that each group's own come in the group's order.

    A group may miss some. Equal tokens in several groups (a step that was tried again) leave a choice.
    """
    known = {token for group in groups for token in group}
    wanted = [token for token in stored if token in known]

    @cache
    def fits(at: int, places: tuple[int, ...]) -> bool:
        if at == len(wanted):
            return True
        for number, group in enumerate(groups):
            try:
                place = group.index(wanted[at], places[number])
            except ValueError:
                continue
            if fits(at + 1, (*places[:number], place + 1, *places[number + 1 :])):
                return True
        return False

    return fits(0, (0,) * len(groups))


def _longest_rise(numbers: Sequence[int]) -> int:
    best: list[int] = []
    for at, number in enumerate(numbers):
        best.append(1 + max((best[i] for i in range(at) if numbers[i] < number), default=0))
    return max(best, default=0)
