"""What a rule's form says, read from what was posted or from the rule, with what is wrong at its field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.http import QueryDict

from dashboard.alerts.models import AlertChannel, AlertRule
from dashboard.alerts.pages._words import UNITS, span_parts
from dashboard.alerts.rules import ALONE, Conditions, problems_of
from dashboard.anomalies import documentation
from dashboard.lib.database import clean
from runs.models import World

WATCHED = ("anomalies", *sorted(ALONE))
NAME_CHARS, PATTERN_CHARS, CLOCK_CHARS, ZONE_CHARS = 200, 301, 5, 64
_SPANS = {"period": "period_s", "cooldown": "cooldown_s"}
_NUMBERS = ("threshold", "hourly_cap")
_FLAGS = ("is_on", "lets_critical", "tells_recovery", "with_payload")
_MOST = 10**9


@dataclass(frozen=True, slots=True)
class RuleForm:
    """`rule` is as it would be saved, without what it leads to; `typed` are numbers as they were written."""

    rule: AlertRule
    worlds: tuple[World, ...]
    channels: tuple[AlertChannel, ...]
    typed: Mapping[str, str]
    problems: Mapping[str, str]

    @property
    def watched(self) -> str:
        """What it listens to: anomalies, or one of the absences."""
        return next((one for one in self.rule.triggers if one in ALONE), WATCHED[0])

    def conditions(self) -> Conditions:
        rule = self.rule
        return Conditions(
            frozenset(rule.kinds),
            rule.min_severity,
            rule.min_certainty,
            frozenset(world.pk for world in self.worlds),
            tuple(rule.workflows),
            tuple(rule.deployments),
        )


def form_of(rule: AlertRule, worlds: Iterable[World] = (), channels: Iterable[AlertChannel] = ()) -> RuleForm:
    """Of a rule as it is; one that is not stored says what it leads to."""
    if rule.pk is not None:
        worlds, channels = rule.worlds.all(), rule.channels.all()
    typed = {name: str(getattr(rule, name)) for name in _NUMBERS}
    for name, column in _SPANS.items():
        number, unit = span_parts(getattr(rule, column))
        typed |= {name: str(number), f"{name}_unit": unit}
    return RuleForm(rule, tuple(worlds), tuple(channels), typed, {})


def form_in(post: QueryDict, rule: AlertRule) -> RuleForm:
    """What was typed, put on the rule in memory; nothing is stored."""
    problems: dict[str, str] = {}
    rule.name = clean(post.get("name", "").strip(), NAME_CHARS)
    rule.kinds = [clean(kind, 60) for kind in post.getlist("kinds")]
    rule.triggers = _triggers(post)
    rule.workflows, rule.deployments = _patterns(post, "workflows"), _patterns(post, "deployments")
    for name, chars in (("quiet_from", CLOCK_CHARS), ("quiet_until", CLOCK_CHARS), ("time_zone", ZONE_CHARS)):
        setattr(rule, name, clean(post.get(name, "").strip(), chars))
    for name in _FLAGS:
        setattr(rule, name, name in post)
    typed = _put_numbers(post, rule, problems)
    worlds = tuple(World.objects.filter(pk__in=_ids(post, "worlds")).order_by("name", "pk"))
    channels = tuple(AlertChannel.objects.filter(pk__in=_ids(post, "channels")).order_by("name", "pk"))
    return RuleForm(rule, worlds, channels, typed, problems_of(rule, documentation.kinds()) | problems)


def _triggers(post: QueryDict) -> list[str]:
    watched = post.get("watched", WATCHED[0])
    return [watched] if watched in ALONE else [one for one in post.getlist("triggers") if one not in ALONE]


def _patterns(post: QueryDict, name: str) -> list[str]:
    lines = (clean(line.strip(), PATTERN_CHARS) for line in post.get(name, "").splitlines())
    return list(dict.fromkeys(line for line in lines if line))


def _put_numbers(post: QueryDict, rule: AlertRule, problems: dict[str, str]) -> dict[str, str]:
    typed = {name: clean(post.get(name, "").strip(), 12) for name in (*_NUMBERS, *_SPANS)}
    for name in _NUMBERS:
        if (number := _number(typed[name])) is None:
            problems[name] = "A whole number."
        else:
            setattr(rule, name, number)
    for name, column in _SPANS.items():
        typed[f"{name}_unit"] = unit = post.get(f"{name}_unit", "seconds")
        if (number := _number(typed[name])) is None or unit not in UNITS:
            problems[column] = "A whole number of seconds, minutes, hours or days."
        else:
            setattr(rule, column, min(number * UNITS[unit], _MOST))
    for name in ("min_severity", "min_certainty"):
        level = _number(post.get(name, ""))
        setattr(rule, name, -1 if level is None else level)
    return typed


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def _ids(post: QueryDict, name: str) -> list[int]:
    return [number for text in post.getlist(name) if (number := _number(text)) is not None]
