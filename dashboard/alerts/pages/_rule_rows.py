"""Rules as lists show them."""

from __future__ import annotations

from typing import Any

from dashboard.alerts import queries
from dashboard.alerts.pages._rule_form import form_of
from dashboard.alerts.pages._sentence import headline_of


def rule_rows() -> list[dict[str, Any]]:
    found = queries.rules()
    states = queries.rule_states(rule.pk for rule in found)
    return [
        {
            "rule": rule,
            "says": headline_of(form_of(rule)),
            "channels": list(rule.channels.all()),
            "state": states.get(rule.pk, queries.RuleState()),
        }
        for rule in found
    ]
