"""What a rule does, in plain words."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dashboard.alerts.models import AlertRule
from dashboard.alerts.pages._rule_form import RuleForm
from dashboard.alerts.pages._words import listed, span
from dashboard.alerts.rules import quiet_of
from dashboard.anomalies.detectors.base import SEVERITIES
from dashboard.anomalies.inbox_queries import certainty_word, severity_word
from dashboard.anomalies.life_facts import CERTAINTIES
from runs.pages._format import visible

_LITERAL = re.compile(r"\[([*?\[])\]")  # a sign of patterns that stands for itself


def sentences_of(form: RuleForm) -> list[str]:
    """The first one says what is told to whom; the others when, how often and with what."""
    return [headline_of(form), *_limits(form.rule), *_extras(form)]


def headline_of(form: RuleForm) -> str:
    return f"{_what(form)}{_where(form)}: {_whom(form)}{_when(form.rule)}."


def _what(form: RuleForm) -> str:
    rule = form.rule
    if form.watched == "absent":
        return f"No run of {_names(rule.workflows) or 'any workflow'} has begun for {span(rule.period_s)}"
    if form.watched == "silent":
        return f"A stream of a running run has had no chunk for {span(rule.period_s)}"
    kinds = listed(rule.kinds, "or")
    what = f"A finding of {kinds}" if kinds else "Any kind of anomaly"
    return f"{what}, {_severity(rule)}, {_certainty(rule)}"


def _severity(rule: AlertRule) -> str:
    word = severity_word(rule.min_severity)
    if rule.min_severity == 0 or not word:
        return "however severe"
    return "critical" if rule.min_severity == len(SEVERITIES) - 1 else f"{word} or worse"


def _certainty(rule: AlertRule) -> str:
    word = certainty_word(rule.min_certainty).replace("_", " ")
    if rule.min_certainty == 0 or not word:
        return "however sure"
    return "proved" if rule.min_certainty == len(CERTAINTIES) - 1 else f"{word} or surer"


def _where(form: RuleForm) -> str:
    rule = form.rule
    is_named = form.watched != "absent" and bool(rule.workflows)
    workflows = f" in workflows like {_names(rule.workflows)}" if is_named else ""
    worlds = listed([visible(world.name) for world in form.worlds], "or")
    places = f" of {worlds}" if is_named and worlds else f" in {worlds}" if worlds else ""
    if not rule.deployments or form.watched != "anomalies":
        return workflows + places
    return f"{workflows}{places}, seen in deployments like {_names(rule.deployments)}"


def _names(patterns: list[str]) -> str:
    return listed([visible(_LITERAL.sub(r"\1", one)) for one in patterns], "or")


def _whom(form: RuleForm) -> str:
    names = [visible(channel.name) for channel in form.channels]
    if not names:
        return "nobody is told yet, for no channel is chosen; it would be"
    return f"{listed(names)} {'is' if len(names) == 1 else 'are'} told"


def _when(rule: AlertRule) -> str:
    words = {
        "first_time": "the first time",
        "regressed": "when it comes back",
        "every": "every time",
        "more_than": f"when it is seen more than {rule.threshold:,} times within {span(rule.period_s)}",
    }
    asked = [word for name, word in words.items() if name in rule.triggers]
    return f" {listed(asked)}" if asked else ""


def _limits(rule: AlertRule) -> Iterator[str]:
    if rule.cooldown_s > 0:
        yield f"Of the same thing there is no second message within {span(rule.cooldown_s)}."
    times = "1 message" if rule.hourly_cap == 1 else f"{rule.hourly_cap:,} messages"
    yield f"At most {times} an hour; what is beyond is counted and comes as a digest."
    if quiet_of(rule) is not None:
        but = "everything but critical" if rule.lets_critical else "everything"
        yield (
            f"From {rule.quiet_from} until {rule.quiet_until} ({rule.time_zone})"
            f" {but} waits for a digest at {rule.quiet_until}."
        )


def _extras(form: RuleForm) -> Iterator[str]:
    rule = form.rule
    over = "Those who were told hear when it is over, and how long it took."
    yield over if rule.tells_recovery else "Nothing is said when it is over."
    if rule.with_payload:
        yield "Messages quote what the app wrote, so its data leaves this machine."
    if not rule.is_on:
        yield "The rule is switched off: nothing is told."
