"""Streams written as one line of words, for tests and for the examples in the detectors' docstrings.

    run=completed ended=60s start text-start(t1) text-delta(t1,"no") close -> never_closed(3) ...

Settings come first: `run=` the run's status (left out: the run was never seen), `ended=` how long ago that
was, `listed=` yes or no, `stored=` how long ago the chunks were stored, `system=yes`, `expired=yes`. Then one
word for each chunk in reading order: `close` is an end marker, `undecodable` cannot be read, `"text"`, `{...}`,
`[...]` and `null` are JSON, everything else is an AI SDK chunk with its id (and delta) in brackets.

`world=` and `sdk=` say where the run was and with which version. `at=90,80` says how many seconds ago each word was
stored, `told=0,2,1` at which place readers were told of it. `steps=A@90r80-70,B@60` are the run's steps: the letter,
how long ago it started, `r80` started again after a retry, `+80` started again without one, `-70` ended.

`by=` says who wrote, one item for each word in the order of the words, separated by commas: the step's letter,
`/n` the number of its writable, `c` for a close, `:n` the writer's own order (exact), `#n` the number of the call
(else its place in the list); `-` is nobody known. Flags: `~` the call overlapped another of the same step, `+` it
took long. Items with `x` (rejected), `?` (acknowledged and lost), `!` (never sent) or `.` (not found so far) belong
to no word.

Behind the arrow: the kinds that are found, each with the indexes of its chunks if it names any;
`unchecked(kind)`; or `nothing`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dashboard.anomalies.detectors.base import DETECTORS, Found
from dashboard.anomalies.judge import StreamJudge, Verdict
from dashboard.lib.clock import NS_PER_S
from runs.worlds.base import TERMINAL
from streams.facts import Attempt, ChunkFact, RunFacts, StepFacts, StreamFacts
from streams.ledger import LOST, REJECTED, STORED, UNMATCHED, WriteFact, WriteLedger
from streams.order import BEHIND, positions

NOW_NS = 1_800_000_000 * NS_PER_S
SUPPLIES = frozenset({"chunks", "stream_list"})
WITHOUT_A_PROBE = [  # cannot be checked
    "chunk_lost",
    "live_reader_diverges",
    "out_of_order",
    "racing_writers",
    "write_rejected",
]
ABSENT = dict.fromkeys(WITHOUT_A_PROBE, "not checked here: no probe reported who writes to this stream") | {
    "live_reader_diverges": (
        "not checked here: nobody observed in which order live readers were told of the chunks"
    )
}
CLOSE = object()
UNDECODABLE = object()
RUN_ID = "wrun_" + "1" * 26
STREAM = "strm_" + "1" * 26 + "_user"

_WORD = re.compile(
    r'(?:by|at|steps|told|world|sdk)=\S+|"[^"]*"|\{.*?\}(?= |$)|\[.*?\](?= |$)|[\w=-]+(?:\((?:"[^"]*"|[^()"])*\))?'
)
_FILLER = {
    "toolName": "tool",
    "input": {},
    "output": {},
    "errorText": "no",
    "url": "u",
    "sourceId": "s",
    "mediaType": "m",
    "title": "t",
    "data": {},
    "approved": True,
    "kind": "k",
    "inputTextDelta": "{",
}


def devalue(value: Any) -> bytes:
    """JSON-like Python in the SDK's stored form, one frame."""
    nodes: list[Any] = []

    def add(one: Any) -> int:
        at = len(nodes)
        nodes.append(one)
        if isinstance(one, dict):
            nodes[at] = {key: add(item) for key, item in one.items()}
        elif isinstance(one, list):
            nodes[at] = [add(item) for item in one]
        return at

    add(value)
    body = b"devl" + json.dumps(nodes).encode()
    return len(body).to_bytes(4, "big") + body


def message_chunk(kind: str, *arguments: str) -> dict[str, Any]:
    """An AI SDK chunk by its type; required fields that do not matter are filled in."""
    chunk: dict[str, Any] = {"type": kind}
    if kind.startswith(("text-", "reasoning-")):
        chunk |= dict(zip(("id", "delta"), arguments, strict=False))
        if kind.endswith("-delta"):
            chunk.setdefault("delta", "x")
    elif kind == "tool-approval-response":
        chunk |= {"approvalId": arguments[0], "approved": True}
    elif kind.startswith("tool-"):
        chunk |= {**_FILLER, "toolCallId": arguments[0], "approvalId": arguments[0]}
        chunk["preliminary"] = "preliminary" in arguments
    elif kind == "start":
        chunk |= dict(zip(("messageId",), arguments, strict=False))
    elif kind.startswith(("data-", "source-", "file", "error", "custom")):
        chunk |= _FILLER
    return chunk


def value_of(word: str) -> Any:
    if word == "close":
        return CLOSE
    if word == "undecodable":
        return UNDECODABLE
    if word[0] in '"{[' or word == "null":
        return json.loads(word)
    kind, _, arguments = word.rstrip(")").partition("(")
    return message_chunk(kind, *(one.strip('"') for one in arguments.split(",") if one))


def values_of(line: str) -> list[Any]:
    return [value_of(word) for word in _WORD.findall(line)]


def facts_of(
    values: Iterable[Any],
    *,
    arrivals: Sequence[int] | None = None,
    stored_ns: int = NOW_NS,
    times: Sequence[int] | None = None,
) -> Iterator[ChunkFact]:
    """Values in reading order as chunks."""
    whole = list(values)
    for index, (position, mark) in enumerate(positions(value is CLOSE for value in whole)):
        value = whole[index]
        data = b"" if value is CLOSE else b"\0\0\0\x08nope" if value is UNDECODABLE else devalue(value)
        yield ChunkFact(
            chunk_id=f"chnk_{index:026}",
            arrival=arrivals[index] if arrivals else index + 1,
            position=position,
            is_close=value is CLOSE,
            is_behind=bool(mark & BEHIND),
            size=len(data),
            stored_ns=times[index] if times else stored_ns,
            minted_ms=None,
            load=lambda data=data: data,
        )


@dataclass(frozen=True)
class Example:
    line: str
    stream: StreamFacts
    chunks: list[ChunkFact]
    expected: list[str]

    def verdict(self, without: str = "") -> Verdict:
        """`without`: the kind of a detector that is left out."""
        judge = StreamJudge(one for kind, one in DETECTORS.found.items() if kind != without)
        for chunk in self.chunks:
            judge.feed(chunk)
        return judge.judge(self.stream, NOW_NS, SUPPLIES)

    def results(self, without: str = "") -> list[str]:
        verdict = self.verdict(without)
        absent = "not checked here"  # evidence that the example does not have
        unchecked = [
            f"unchecked({one.kind})" for one in verdict.unchecked if not one.reason.startswith(absent)
        ]
        return sorted([self._word(found) for found in verdict.found] + unchecked)

    @staticmethod
    def _word(found: Found) -> str:
        indexes = ",".join(str(int(chunk.chunk_id[5:])) for chunk in found.chunks)
        return f"{found.kind}({indexes})" if indexes else found.kind


def example(line: str) -> Example:
    before, _, after = line.partition("->")
    words = _WORD.findall(before)
    settings = dict(word.split("=", 1) for word in words if "=" in word and word[0] not in '"{[')
    values = [value_of(word) for word in words if "=" not in word or word[0] in '"{[']
    times = [_ago(one) for one in settings["at"].split(",")] if "at" in settings else None
    chunks = list(facts_of(values, stored_ns=_ago(settings.get("stored", "60s")), times=times))
    expected = sorted(_WORD.findall(after))
    stream = replace(_stream(settings), writes=_ledger(settings["by"], chunks) if "by" in settings else None)
    return Example(line.strip(), stream, chunks, [] if expected == ["nothing"] else expected)


_WRITE = re.compile(
    r"(?P<step>[A-Z])(?:/(?P<pair>\d+))?(?P<close>c?)(?::(?P<order>\d+))?(?:#(?P<call>\d+))?(?P<flags>[~+x?!.]*)"
)
_OUTCOMES = {"x": REJECTED, "?": LOST, "!": LOST, ".": UNMATCHED}


def _ledger(items: str, chunks: list[ChunkFact]) -> WriteLedger:
    ledger, words = WriteLedger(), iter(chunks)
    for index, item in enumerate(items.split(","), 1):
        if item == "-":
            next(words)
            continue
        parts = _WRITE.fullmatch(item)
        assert parts is not None, f"{item} is no write"
        outcome = next((_OUTCOMES[flag] for flag in parts["flags"] if flag in _OUTCOMES), STORED)
        ledger.put([_write(index, parts, outcome, next(words) if outcome == STORED else None)])
    return ledger


def _write(index: int, parts: re.Match[str], outcome: str, chunk: ChunkFact | None) -> WriteFact:
    call = int(parts["call"] or index)
    order = None if parts["order"] is None else int(parts["order"])
    step = f"step_{parts['step'] * 26}"
    is_close, is_exact = parts["close"] == "c", order is not None or parts["pair"] is not None
    if chunk is not None:
        assert chunk.is_close == is_close, "a close for a close, a write for a chunk"
    return WriteFact(
        pk=index, process="app", number=call, place=0, outcome=outcome, is_close=is_close,
        is_sent="!" not in parts["flags"], called_ns=NOW_NS - 100 * NS_PER_S + call * NS_PER_S,
        took_ns=NS_PER_S * 50 if "+" in parts["flags"] else NS_PER_S // 2, size=None if is_close else 10,
        error="HTTP 409" if outcome == REJECTED else "", status=409 if outcome == REJECTED else None,
        is_overlapping="~" in parts["flags"], acquired=None, order=order, sequence=order,
        arrival=chunk.arrival if chunk else None, chunk_id=chunk.chunk_id if chunk else "",
        writer=ord(parts["step"]) * 100 + int(parts["pair"] or 0), known="exact" if is_exact else "step only",
        run_id=RUN_ID, step_id=step, step_name=f"step//./app//step{parts['step']}", attempt=1, scope=step,
    )  # fmt: skip


def _ago(text: str) -> int:
    return NOW_NS - int(text.removesuffix("s")) * NS_PER_S


def _stream(settings: dict[str, str]) -> StreamFacts:
    status = settings.get("run", "")
    ended_ns = _ago(settings.get("ended", "60s")) if status in TERMINAL else None
    steps = tuple(_step(one) for one in settings.get("steps", "").split(",") if one)
    sdk = settings.get("sdk", "")
    run = RunFacts(RUN_ID, status=status, sdk_version=sdk, ended_ns=ended_ns, steps=steps) if status else None
    told = enumerate(settings["told"].split(","), 1) if "told" in settings else ()
    return StreamFacts(
        STREAM,
        run,
        settings.get("listed", "yes") == "yes",
        settings.get("system") == "yes",
        settings.get("expired") == "yes",
        world=settings.get("world", ""),
        told={arrival: int(place) for arrival, place in told},
    )


_STEP = re.compile(r"(?P<letter>[A-Z])@(?P<starts>[0-9r+]+)(?:-(?P<end>\d+))?")


def _step(text: str) -> StepFacts:
    parts = _STEP.fullmatch(text)
    assert parts is not None, f"{text} is no step"
    starts = re.findall(r"([r+]?)(\d+)", parts["starts"])
    attempts = tuple(Attempt(_ago(ago), mark == "r") for mark, ago in starts)
    letter, end = parts["letter"], parts["end"]
    ended_ns = None if end is None else _ago(end)
    return StepFacts(
        f"step_{letter * 26}", f"step//./app//step{letter}", attempts[0].started_ns, ended_ns, attempts
    )


def examples_in(docstring: str) -> list[Example]:
    """The lines of the section `## Example`."""
    section = docstring.partition("## Example")[2].partition("##")[0]
    return [example(line) for line in section.splitlines() if "->" in line]
