"""What happened to a run, in one sentence made from stored facts alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dashboard.lib.panels import Piece
from runs.models import Hook, Run, Wait
from runs.pages._format import clock_time, counted, duration, short_name, visible
from runs.pages._values import error_line
from runs.worlds.base import TERMINAL


@dataclass(frozen=True, slots=True)
class Story:
    look: str  # "", wait or fine
    icon: str
    bold: str
    rest: str
    streams: Sequence[Piece] = ()  # those with something wrong, to be linked


@dataclass(frozen=True, slots=True)
class Facts:
    run: Run
    steps: Mapping[str, int]  # how many in which status
    hooks: Sequence[Hook]
    waits: Sequence[Wait]
    retrying: Sequence[str]  # names of steps that are waiting for their next attempt


def story_of(facts: Facts, streams: Sequence[Piece]) -> Story:
    wrong = [piece for piece in streams if piece.severity in ("error", "warning")]
    run = facts.run
    if not run.status:
        text = "only traces of it (steps, events or streams) were seen in this world."
        return Story("wait", "dash", "The run itself was not seen:", text, wrong)
    if run.status in TERMINAL:
        return _ended(facts, wrong)
    return Story("wait", *_waiting(facts), wrong)


def _ended(facts: Facts, wrong: list[Piece]) -> Story:
    run, steps = facts.run, _steps(facts)
    took = _took(run)
    if run.status == "failed":
        error = error_line(run.error) or "no error was stored"
        code = f" ({visible(run.error_code)})" if run.error_code else ""
        return Story("", "fail", f"Failed{took}{code}:", f"{error}. {steps}", wrong)
    if run.status == "cancelled":
        return Story("wait", "stop", f"Cancelled{took}.", steps, wrong)
    bad = any(piece.severity == "error" for piece in wrong)
    return Story("" if bad else "fine", "warn" if bad else "done", f"Completed{took}.", steps, wrong)


def _waiting(facts: Facts) -> tuple[str, str, str]:
    run = facts.run
    open_waits = [wait for wait in facts.waits if wait.status != "completed" and wait.completed_ns is None]
    since = f"since {clock_time(run.started_ns or run.created_ns)}"
    if facts.steps.get("running"):
        return (
            "run",
            f"Running {since}:",
            f"{counted(facts.steps['running'], 'step')} in progress. {_steps(facts)}",
        )
    if facts.retrying:
        return "clock", "Waiting to retry", f"{visible(short_name(facts.retrying[0]))}. {_steps(facts)}"
    hooks = [hook for hook in facts.hooks if not hook.is_system]
    if hooks:
        hook = hooks[-1]
        return (
            "hook",
            f"Waiting for the hook {visible(hook.token)}",
            f"since {clock_time(hook.created_ns)}. {_steps(facts)}",
        )
    if open_waits:
        wait = open_waits[-1]
        return "clock", f"Sleeping until {clock_time(wait.resume_ns)}", f"({wait.wait_id}). {_steps(facts)}"
    return "run", f"{visible(run.status).capitalize()} {since}.", _steps(facts)


def _steps(facts: Facts) -> str:
    total = sum(facts.steps.values())
    if not total:
        return "No step was seen."
    failed = facts.steps.get("failed", 0)
    return counted(total, "step") + (f", {failed} failed." if failed else ".")


def _took(run: Run) -> str:
    if run.completed_ns is None:
        return ""
    return f" after {duration(run.completed_ns - run.created_ns)}"
