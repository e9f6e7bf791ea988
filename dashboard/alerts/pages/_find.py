"""The rule, channel or delivery that a URL names, or a page that says what may have happened to it."""

from __future__ import annotations

from django.http import Http404

from dashboard.alerts import queries
from dashboard.alerts.models import AlertChannel, AlertRule, Delivery

_MOST = 2**63


def find_rule(pk: int) -> AlertRule:
    found = queries.rule_named(pk) if pk < _MOST else None
    if found is None:
        raise Http404("There is no such rule. It may have been deleted.")
    return found


def find_channel(pk: int) -> AlertChannel:
    found = queries.channel_named(pk) if pk < _MOST else None
    if found is None:
        raise Http404("There is no such channel. It may have been deleted.")
    return found


def find_delivery(pk: int) -> Delivery:
    found = queries.delivery_named(pk) if pk < _MOST else None
    if found is None:
        raise Http404("There is no such delivery. The log goes back 30 days, and goes with its channel.")
    return found


def number_in(text: str) -> int | None:
    """An id from a URL; None for anything else."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None
