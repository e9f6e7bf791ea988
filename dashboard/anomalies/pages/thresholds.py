"""The thresholds of a world and of its workflows: what counts, where it comes from, and the forms that change it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from dashboard.account import require_owner
from dashboard.anomalies.pages._action_form import who_is
from dashboard.anomalies.threshold_changes import WORKFLOW_CHARS, history_of, set_threshold
from dashboard.anomalies.threshold_models import Reevaluation
from dashboard.anomalies.threshold_preview import COUNTED, preview
from dashboard.anomalies.threshold_values import Effective, WorldThresholds, thresholds_read
from dashboard.anomalies.thresholds import ABOUT, About, names_for
from dashboard.lib.database import clean
from dashboard.lib.pages import page
from runs.models import World
from runs.pages._find import find_world
from runs.queries import workflow_names

_SUBJECTS = (("run", "Runs"), ("stream", "Streams"))


@page("w/<slug:slug>/thresholds/", "thresholds")
@never_cache
@require_http_methods(["GET", "POST"])
def thresholds(request: HttpRequest, slug: str) -> HttpResponse:
    """`?workflow=` names one of the world's, "" stands for all; `?kind=` shows only what decides that kind."""
    require_owner(request)
    world = find_world(slug)
    if request.method == "GET":
        return _page(request, world, _workflow(request.GET.get("workflow", "")))
    return _change(request, world, _workflow(request.POST.get("workflow", "")))


@page("w/<slug:slug>/thresholds/preview/", "threshold-preview")
@never_cache
@require_safe
def threshold_preview(request: HttpRequest, slug: str) -> HttpResponse:
    """A piece of the page: what the value in a form would do; nothing where none was entered."""
    require_owner(request)
    world = find_world(slug)
    name, text = request.GET.get("name", ""), request.GET.get("value", "").strip()
    about = ABOUT.get(name)
    if name and about is None:
        raise Http404("there is no threshold of that name")
    context = {}
    if about is not None and text:
        try:
            value = about.parsed(text)
        except ValueError as error:
            context = {"error": str(error)}
        else:
            workflow = _workflow(request.GET.get("workflow", ""))
            context = _tried(world, workflow, about, value)
    return render(request, "anomalies/_threshold_preview.html", context)


def _tried(world: World, workflow: str, about: About, value: float) -> dict[str, Any]:
    found = preview(world, workflow, about.name, value)
    runs = f"{found.runs:,}{' or more' if found.runs >= COUNTED else ''}"
    return {"preview": found, "runs": runs, "value": about.words(value)}


def _change(request: HttpRequest, world: World, workflow: str) -> HttpResponse:
    name, action = request.POST.get("name", ""), request.POST.get("action", "")
    if name not in ABOUT or action not in ("set", "reset"):
        return HttpResponseBadRequest("The form names no threshold or no action that there is.")
    value, text = None, request.POST.get("value", "").strip()
    if action == "set":
        try:
            value = ABOUT[name].parsed(text)
        except ValueError as error:
            return _page(request, world, workflow, {name: (text, str(error))}, status=422)
    changed = set_threshold(world, workflow, name, value, who_is(request))
    said = {"workflow": workflow, "kind": request.GET.get("kind", ""), "done": name if changed else ""}
    query = urlencode({key: text for key, text in said.items() if text})
    return redirect(f"{reverse('thresholds', args=[world.slug])}{'?' if query else ''}{query}#{name}")


def _workflow(text: str) -> str:
    return clean(text, WORKFLOW_CHARS)


def _page(
    request: HttpRequest,
    world: World,
    workflow: str,
    refused: dict[str, tuple[str, str]] | None = None,
    status: int = 200,
) -> HttpResponse:
    """`refused`: by name, what was entered and why it cannot be."""
    kind, names = request.GET.get("kind", ""), workflow_names(world.pk)
    shown = names_for(kind) or tuple(ABOUT)
    resolved = thresholds_read(world.pk)
    rows = [_row(resolved, workflow, ABOUT[name], (refused or {}).get(name)) for name in shown]
    context: dict[str, Any] = {
        "world": world,
        "workflow": workflow,
        "workflows": names if not workflow or workflow in names else [workflow, *names],
        "kind": kind if names_for(kind) else "",
        "groups": [
            {"title": title, "rows": [row for row in rows if row["about"].subject == subject]}
            for subject, title in _SUBJECTS
        ],
        "history": [_told(one) for one in history_of(world.pk, workflow)],
        "is_behind": Reevaluation.objects.filter(world=world).exists(),
        "done": ABOUT.get(request.GET.get("done", "")) if refused is None else None,
    }
    return render(request, "anomalies/thresholds.html", context, status=status)


def _row(
    resolved: WorldThresholds, workflow: str, about: About, refused: tuple[str, str] | None
) -> dict[str, Any]:
    one = resolved.effective(workflow, about.name)
    is_set = about.name in resolved.settings.get(workflow, {})
    without = resolved.with_value(workflow, about.name, None).effective(workflow, about.name)
    return {
        "about": about,
        "one": one,
        "words": about.words(one.value),
        "from": _from(about, one, workflow),
        "is_set": is_set,
        "reset_to": about.words(without.value),
        "entered": refused[0] if refused else about.entered(one.value) if is_set else "",
        "placeholder": about.entered(one.value),
        "error": refused[1] if refused else "",
        "bounds": f"{about.words(about.least)} to {about.words(about.most)}",
    }


def _from(about: About, one: Effective, workflow: str) -> str:
    """Where a value comes from, in words; when a person set it is told beside it."""
    if one.source == "learned" and one.lesson is not None and about.learning is not None:
        times = f"{about.learning.times:g} times the median {about.words(one.lesson.median_s)}"
        return f"learned from {one.runs:,} finished runs ({about.learning.words}): {times}, within bounds"
    if one.setting is None:
        return "default" if workflow or about.learning is None else "default, where nothing is learned"
    of_all = "" if one.source == "workflow" or not workflow else " for all workflows"
    return f"set{of_all} by {one.setting.who}"


def _told(change: Any) -> dict[str, Any]:
    about = ABOUT.get(change.name)

    def words(value: float | None) -> str:
        return "–" if value is None else about.words(value) if about else f"{value:g}"

    label = about.label if about else change.name
    return {"change": change, "label": label, "before": words(change.before), "after": words(change.after)}
