"""What the form of a new rule begins with: a sensible rule, a copy of another one, or what tells of one anomaly."""

from __future__ import annotations

from django.http import QueryDict

from dashboard.alerts import queries
from dashboard.alerts.models import AlertChannel, AlertRule
from dashboard.alerts.pages._choices import pattern_of
from dashboard.alerts.pages._find import number_in
from dashboard.alerts.pages._rule_form import RuleForm, form_of
from dashboard.alerts.rules import names_of
from dashboard.anomalies.detectors.base import SEVERITIES
from dashboard.anomalies.inbox_queries import anomaly_named
from dashboard.anomalies.models import Anomaly
from runs.pages._format import visible

_OF_ITSELF = frozenset(("id", "window_ns", "window_count", "window_digests", "digest_due_ns", "created_ns"))


def new_rule(get: QueryDict) -> RuleForm:
    copied, anomaly = number_in(get.get("copy", "")), number_in(get.get("anomaly", ""))
    if copied is not None and (rule := queries.rule_named(copied)) is not None:
        return _copy(rule)
    if anomaly is not None and (found := anomaly_named(anomaly)) is not None:
        return _about(found)
    return form_of(AlertRule(**_usual()), channels=_all_on())


def _usual() -> dict[str, object]:
    return {"triggers": ["first_time", "regressed"], "min_severity": SEVERITIES.index("warning")}


def _copy(rule: AlertRule) -> RuleForm:
    names = [field.name for field in AlertRule._meta.concrete_fields if field.name not in _OF_ITSELF]
    copied = AlertRule(**{name: getattr(rule, name) for name in names})
    copied.name = f"{rule.name} (copy)"[:200]
    return form_of(copied, rule.worlds.all(), rule.channels.all())


def _about(anomaly: Anomaly) -> RuleForm:
    """Of its kind, where it is, each time it is seen: it is open already, so a first time will not come."""
    name = names_of(anomaly.workflow)[1]
    rule = AlertRule(
        name=visible(f"{anomaly.kind} in {name or anomaly.world.name}")[:200],
        kinds=[anomaly.kind],
        workflows=[pattern_of(name)] if name else [],
        triggers=["regressed", "every"],
        min_severity=0,
    )
    return form_of(rule, [anomaly.world], _all_on())


def _all_on() -> list[AlertChannel]:
    return [channel for channel in queries.channels() if channel.is_on]
