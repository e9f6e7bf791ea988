"""Rules: the list, the form, and what it would have told while it is filled in."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard.account import require_owner
from dashboard.alerts import editing, queries
from dashboard.alerts.models import AlertRule
from dashboard.alerts.pages._choices import rule_choices
from dashboard.alerts.pages._find import find_rule
from dashboard.alerts.pages._new_rule import new_rule
from dashboard.alerts.pages._open_alerts import alert_rows
from dashboard.alerts.pages._rule_form import RuleForm, form_in, form_of
from dashboard.alerts.pages._rule_rows import rule_rows
from dashboard.alerts.pages._said import back_to, said_in
from dashboard.alerts.pages._sentence import sentences_of
from dashboard.alerts.pages._would import would_of
from dashboard.anomalies import documentation
from dashboard.lib.pages import page

FIRED_SHOWN = 10


@page("alerts/rules/", "alert-rules")
@require_safe
def rules(request: HttpRequest) -> HttpResponse:
    return render(request, "alerts/rules.html", {"rows": rule_rows(), "said": said_in(request)})


@page("alerts/rules/new/", "alert-rule-new")
@never_cache
@require_http_methods(["GET", "POST"])
def create_rule(request: HttpRequest) -> HttpResponse:
    """`?copy=` begins with another rule, `?anomaly=` with what tells of that anomaly."""
    require_owner(request)
    if request.method == "POST":
        return _save(request, AlertRule())
    return _page(request, new_rule(request.GET))


@page("alerts/rules/<int:pk>/", "alert-rule")
@never_cache
@require_http_methods(["GET", "POST"])
def rule(request: HttpRequest, pk: int) -> HttpResponse:
    require_owner(request)
    found = find_rule(pk)
    return _save(request, found) if request.method == "POST" else _page(request, form_of(found))


@page("alerts/rules/<int:pk>/actions/", "alert-rule-actions")
@never_cache
@require_POST
def rule_actions(request: HttpRequest, pk: int) -> HttpResponse:
    require_owner(request)
    found = find_rule(pk)
    match request.POST.get("action"):
        case "on" | "off" as wanted:
            editing.switch_rule(found.pk, wanted == "on")
        case "delete":
            editing.delete_rule(found.pk)
            return back_to(reverse("alert-rules"), "deleted")
        case _:
            return HttpResponseBadRequest("The form names no action that there is.")
    path = reverse("alert-rules") if "list" in request.POST else reverse("alert-rule", args=[pk])
    return back_to(path, wanted)


@page("alerts/rules/draft/", "alert-rule-draft")
@never_cache
@require_POST
def rule_draft(request: HttpRequest) -> HttpResponse:
    """What the form says as it stands, without storing anything."""
    form = form_in(request.POST, AlertRule())
    return render(request, "alerts/_rule_says.html", _says(form) | {"would": would_of(form)})


def _save(request: HttpRequest, rule: AlertRule) -> HttpResponse:
    title, is_on, is_new = rule.name, rule.is_on, rule.pk is None
    form = form_in(request.POST, rule)
    if form.problems:
        return _page(request, form, title, is_on, status=422)
    worlds, channels = ([one.pk for one in some] for some in (form.worlds, form.channels))
    saved = editing.save_rule(rule, worlds, channels)
    return back_to(reverse("alert-rule", args=[saved.pk]), "created" if is_new else "saved")


def _page(
    request: HttpRequest, form: RuleForm, title: str = "", is_on: bool | None = None, status: int = 200
) -> HttpResponse:
    """`title` and `is_on`: as they are stored, where the form says something else."""
    rule, known = form.rule, documentation.kinds()
    context = _says(form) | {
        "rule": rule,
        "title": title or rule.name,
        "is_on": rule.is_on if is_on is None else is_on,
        "choices": rule_choices(),
        "unknown_kinds": [kind for kind in rule.kinds if kind not in known],
        "workflows_text": "\n".join(rule.workflows),
        "deployments_text": "\n".join(rule.deployments),
        "said": said_in(request),
        "fired": alert_rows(queries.alerts_of(rule.pk, FIRED_SHOWN)) if rule.pk is not None else [],
    }
    return render(request, "alerts/rule.html", context, status=status)


def _says(form: RuleForm) -> dict[str, Any]:
    needs = [text for name, text in form.problems.items() if name != "name"]
    return {"form": form, "sentences": sentences_of(form), "needs": needs}
