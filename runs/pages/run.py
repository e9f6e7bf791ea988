"""The run page: what happened, when, in which steps and events, and to which streams."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from dashboard.lib.database import clean
from dashboard.lib.pages import page
from dashboard.lib.panels import Piece, collect
from runs import queries
from runs.keys import Opener, opener_for
from runs.models import Hook, Run, Step, Wait
from runs.pages._events import Entities, shown_events
from runs.pages._find import NAME_CHARS, find_run
from runs.pages._format import short_id, short_name, visible
from runs.pages._links import Places
from runs.pages._story import Facts, story_of
from runs.pages._values import Shown, error_line, one_line, shown
from runs.pages.value import WORDS
from runs.timeline import Bar, Lane, Moment, Timeline, attempts_by_step, draw


@page("w/<slug:slug>/runs/<str:run_id>/", "run")
def run(request: HttpRequest, slug: str, run_id: str) -> HttpResponse:
    world, found = find_run(slug, run_id)
    streams = collect("run_streams", [found.pk]).get(found.pk)
    rows, hooks, waits = queries.steps_of(found.pk), queries.hooks_of(found.pk), queries.waits_of(found.pk)
    steps = [row.step for row in rows]
    states = queries.step_states(found.pk)
    retrying = [step.name for step in steps if step.status == "pending" and (step.attempt or 0) > 0]
    events = queries.events_of(found.pk, clean(request.GET.get("after", ""), NAME_CHARS))
    places = Places(slug, found)
    context: dict[str, Any] = {
        "world": world,
        "run": found,
        "badges": collect("run_badges", [found.pk]).get(found.pk),
        "findings": collect("run_findings", [found.pk]).get(found.pk),
        "streams": streams,
        "story": story_of(Facts(found, states, hooks, waits, retrying), streams or []),
        "steps": [{"step": row.step, "error": error_line(row.error_head)} for row in rows],
        "step_total": sum(states.values()),
        "hooks": [_hook(hook, places) for hook in hooks],
        "waits": waits,
        "timeline": _timeline(found, steps, hooks, waits),
        "events": shown_events(events.events, found, Entities.of(steps, hooks, waits), places),
        "event_total": events.total,
        "later_events": events.later,
        "values": _values(opener_for(request, found), found, places),
        "app_errors": queries.app_errors_of(found.pk),
    }
    inside = request.GET.get("part") == "rows"
    return render(request, "runs/_run.html" if inside else "runs/run.html", context)


def _values(opener: Opener, run: Run, places: Places) -> list[tuple[str, Shown | None]]:
    values = []
    for word in WORDS:
        with opener.noting(f"run.{word}") as key:
            values.append((word, shown(getattr(run, word), places.of(f"run.{word}"), key=key)))
    return values


def _hook(hook: Hook, places: Places) -> dict[str, Any]:
    url = places.of(f"hook:{hook.hook_id}.metadata").url()
    return {"hook": hook, "metadata": one_line(hook.metadata), "url": url}


def _timeline(run: Run, steps: list[Step], hooks: list[Hook], waits: list[Wait]) -> Timeline | None:
    attempts = attempts_by_step(queries.attempts_of(run.pk))
    lanes = [_step_lane(step, attempts.get(step.step_id, ())) for step in steps]
    lanes += [_hook_lane(hook, run) for hook in hooks if hook.created_ns is not None]
    lanes += [_wait_lane(wait) for wait in waits if wait.created_ns is not None]
    lanes = sorted((lane for lane in lanes if lane.bars), key=lambda lane: lane.bars[0].start_ns)
    moments = [
        _moment(piece) for piece in collect("run_moments", [run.pk]).get(run.pk, []) if piece.at is not None
    ]
    if run.completed_ns is not None:
        moments.append(Moment(run.completed_ns, "run end", "end"))
    return draw(run.created_ns, lanes, moments) if lanes else None


def _step_lane(step: Step, attempts: tuple[Bar, ...]) -> Lane:
    """Attempts come from events; a world that keeps none still has the step's own times."""
    bars = list(attempts)
    if not bars and step.started_ns is not None:
        bars = [Bar(step.started_ns, step.completed_ns, "fail" if step.status == "failed" else "")]
    if step.created_ns is not None and (not bars or step.created_ns < bars[0].start_ns):
        bars.insert(0, Bar(step.created_ns, bars[0].start_ns if bars else None, "queue"))
    return Lane("step", visible(short_name(step.name) or short_id(step.step_id)), tuple(bars), step.status)


def _hook_lane(hook: Hook, run: Run) -> Lane:
    return Lane("hook", f"hook {visible(hook.token)}", (Bar(hook.created_ns or 0, run.completed_ns, "wait"),))


def _wait_lane(wait: Wait) -> Lane:
    return Lane("wait", "sleep", (Bar(wait.created_ns or 0, wait.completed_ns, "wait"),), wait.status)


def _moment(piece: Piece) -> Moment:
    return Moment(piece.at or 0, visible(piece.text), piece.kind)
