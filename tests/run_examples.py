"""Runs written as one line of words, for tests and for the examples in the docstrings of detectors of runs.

    run=running at=0 created started @20 step(A) start(A) end(A) now=3600 -> run_stuck

Settings: `run=` the run's status, `now=` seconds after its beginning (left out: an hour), `silent=yes` nothing else
happened in the world, so that only our clock knows, `chunk=` when it last wrote to a stream, `code=` and `error=` of
the run, `spec=` and `sdk=` versions, `events=` how many there are in all.

Then one word for each event in the order in which they are written, a hundredth of a second apart: `created`,
`started`, `completed`, `failed`, `cancelled` of the run; `step`, `start`, `end`, `fail`, `retry` of a step;
`hook(H,token)`, `got`, `gone`, `conflict(I,token,self)`; `wait(W,resume=60)`, `woke`. `@60` goes to that second, `+60`
on by as many, `minted=-10` lets the ids from here on say another time, `5x(…)` repeats.

Rows of steps and sleeps follow from the events, unless `row(A=completed@290)` or `retryafter(A=9000)` say otherwise.
Behind the arrow: the kinds that are found, or `nothing`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from dashboard.anomalies.judge_run import RunVerdict, judge_run
from dashboard.anomalies.run_facts import (
    STEP_ENDS,
    ErrorFact,
    EventFact,
    HookRow,
    RunFacts,
    StepRow,
    WaitRow,
    WorldClock,
)
from dashboard.lib.clock import NS_PER_MS, NS_PER_S

BASE_NS = 1_800_000_000 * NS_PER_S
RUN = "wrun_" + "1" * 26
SUPPLIES = frozenset({"chunks", "stream_list"})
STEP_MS = 10
_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_WORD = re.compile(r'\w+="[^"]*"|[\w.]+=[^\s()]+|@[\d.]+|\+[\d.]+|\w+\([^()]*\)|\w+')
_REPEAT = re.compile(r"(\d+)x\(((?:[^()]|\([^()]*\))*)\)")
_TYPES = {
    "created": "run_created", "started": "run_started", "completed": "run_completed", "failed": "run_failed",
    "cancelled": "run_cancelled", "step": "step_created", "start": "step_started", "end": "step_completed",
    "fail": "step_failed", "retry": "step_retrying", "hook": "hook_created", "got": "hook_received",
    "gone": "hook_disposed", "conflict": "hook_conflict", "wait": "wait_created", "woke": "wait_completed",
}  # fmt: skip
_STATES = {"step_created": "pending", "step_started": "running", "step_retrying": "pending"} | dict(STEP_ENDS)


def event_id(at_ns: int, number: int, spec: int) -> str:
    """A ULID with that time, or from the format with slots on a number."""
    if spec >= 6:
        return f"evnt_{number:026}"
    value, digits = at_ns // NS_PER_MS, ""
    for _ in range(10):
        value, digit = divmod(value, 32)
        digits = _DIGITS[digit] + digits
    return f"evnt_{digits}{number:016}"


@dataclass
class _Reading:
    """What the words so far have said."""

    spec: int
    at_ns: int = BASE_NS
    minted_ns: int = 0
    events: list[EventFact] = field(default_factory=list)
    rows: dict[str, StepRow] = field(default_factory=dict)

    def take(self, word: str) -> None:
        name, _, rest = word.rstrip(")").partition("(")
        if word[0] in "@+":
            self.at_ns = _at(word[1:]) if word[0] == "@" else self.at_ns + _ns(word[1:])
        elif word.startswith("minted="):
            self.minted_ns = _ns(word.removeprefix("minted="))
        elif name == "row":
            about, _, status = rest.partition("=")
            status, _, at = status.partition("@")
            ended_ns = (_at(at) if at else self.at_ns) if status in STEP_ENDS.values() else None
            self.rows[about] = replace(self._row(about), status=status, completed_ns=ended_ns)
        elif name == "retryafter":
            about, _, at = rest.partition("=")
            self.rows[about] = replace(self._row(about), retry_after_ns=_at(at))
        else:
            self._event(_TYPES[name], [part for part in rest.split(",") if part])

    def _event(self, kind: str, parts: list[str]) -> None:
        about, said, error = parts[0] if parts else "", {}, ErrorFact()
        if kind == "wait_created":
            said["resume_ns"] = str(_at(parts[1].removeprefix("resume=")))
        elif kind.startswith("hook_"):
            said["token"] = parts[1] if len(parts) > 1 else about
            said |= {"conflictingRunId": RUN} if "self" in parts else {}
        elif kind == "step_failed" and len(parts) > 1:
            error = ErrorFact("told", parts[1])
        self.at_ns += STEP_MS * NS_PER_MS
        name = event_id(self.at_ns + self.minted_ns, len(self.events) + 1, self.spec)
        self.events.append(EventFact(name, kind, about, self.at_ns, self.at_ns, said, error))
        if kind in _STATES:
            self._move(kind, about, error)

    def _move(self, kind: str, about: str, error: ErrorFact) -> None:
        row = self._row(about)
        if row.status not in STEP_ENDS.values():
            ended_ns = self.at_ns if kind in STEP_ENDS else None
            started_ns = row.started_ns or (self.at_ns if kind == "step_started" else None)
            row = replace(
                row, status=_STATES[kind], completed_ns=ended_ns, started_ns=started_ns, error=error
            )
        self.rows[about] = row

    def _row(self, about: str) -> StepRow:
        return self.rows.get(about) or StepRow(about, f"step//./app//step{about}", source_ns=self.at_ns)

    def waits(self) -> Iterator[WaitRow]:
        done = {event.about for event in self.events if event.type == "wait_completed"}
        for event in self.events:
            if event.type == "wait_created":
                status = "completed" if event.about in done else "waiting"
                yield WaitRow(event.about, status, event.created_ns, int(event.said["resume_ns"]))

    def hooks(self) -> Iterator[HookRow]:
        for event in self.events:
            if event.type == "hook_created":
                yield HookRow(event.about, event.said["token"], event.created_ns)


@dataclass(frozen=True)
class RunExample:
    line: str
    run: RunFacts
    now_ns: int
    expected: list[str]

    def verdict(self) -> RunVerdict:
        return judge_run(self.run, self.now_ns, SUPPLIES)

    def results(self) -> list[str]:
        verdict = self.verdict()
        unchecked = [f"unchecked({one.kind})" for one in verdict.unchecked]
        return sorted([found.kind for found in verdict.found] + unchecked)


def run_example(line: str) -> RunExample:
    before, _, after = line.partition("->")
    before = _REPEAT.sub(lambda match: " ".join([match[2]] * int(match[1])), before)
    words = _WORD.findall(before)
    settings = dict(word.split("=", 1) for word in words if _is_setting(word))
    reading = _Reading(int(settings.get("spec", "3")))
    for word in words:
        if not _is_setting(word):
            reading.take(word)
    now_ns = _at(settings.get("now", "3600"))
    run = _run(settings, reading)
    newest_ns = (run.progress_ns or now_ns) if settings.get("silent") == "yes" else now_ns
    expected = sorted(after.split())
    known = replace(run, clock=WorldClock(newest_ns, now_ns))
    return RunExample(line.strip(), known, now_ns, [] if expected == ["nothing"] else expected)


def _run(settings: dict[str, str], reading: _Reading) -> RunFacts:
    events = tuple(sorted(reading.events, key=lambda event: event.event_id))
    ended = [
        event.time_ns for event in events if event.type in ("run_completed", "run_failed", "run_cancelled")
    ]
    error = settings.get("error", "").strip('"')
    return RunFacts(
        RUN,
        "workflow//./app//flow",
        settings.get("run", ""),
        settings.get("sdk", "4.8.9"),
        reading.spec,
        created_ns=BASE_NS,
        completed_ns=ended[0] if ended else None,
        source_ns=reading.at_ns,
        error_code=settings.get("code", ""),
        error=ErrorFact("told", error) if error else ErrorFact(),
        steps=tuple(reading.rows.values()),
        events=events,
        waits=tuple(reading.waits()),
        hooks=tuple(reading.hooks()),
        event_total=int(settings.get("events", len(events))),
        last_chunk_ns=_at(settings["chunk"]) if "chunk" in settings else None,
    )


def _is_setting(word: str) -> bool:
    return "=" in word and not word.startswith(("minted=", "row(", "retryafter(", "wait("))


def _at(seconds: str) -> int:
    return BASE_NS + _ns(seconds)


def _ns(seconds: str) -> int:
    return int(float(seconds) * NS_PER_S)


def run_examples_in(docstring: str) -> list[RunExample]:
    """The lines of the section `## Example`."""
    section = docstring.partition("## Example")[2].partition("##")[0]
    return [run_example(line) for line in section.splitlines() if "->" in line]
