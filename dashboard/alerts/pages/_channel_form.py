"""What a channel's form says: its fields come from its kind. A secret is typed once and never shown again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict
from django.views.decorators.debug import sensitive_variables

from dashboard.alerts.channel_secrets import secrets_of
from dashboard.alerts.channels.base import CHANNELS, Channel, Field
from dashboard.alerts.editing import ChannelForm
from dashboard.alerts.models import AlertChannel
from dashboard.lib.database import clean
from dashboard.lib.sealing import SealError

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HOURS = tuple(range(24))
TEXT_CHARS, SECRET_CHARS = 4000, 8000
_TYPES = {"url": "url", "number": "number", "secret": "password"}


@dataclass(frozen=True, slots=True)
class Input:
    """One line of the form. `value` is empty for a secret; `is_kept`: one is stored, and stays if none is typed."""

    field: Field
    value: str = ""
    problem: str = ""
    is_kept: bool = False
    is_forgotten: bool = False  # and is to be taken away

    @property
    def type(self) -> str:
        return _TYPES.get(self.field.kind, "text")

    @property
    def is_needed(self) -> bool:
        return self.field.required and not self.is_kept


@dataclass(frozen=True, slots=True)
class Shown:
    """A form as the page writes it."""

    name: str
    inputs: tuple[Input, ...]
    report: Mapping[str, Any]
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def others(self) -> list[str]:
        """Problems that belong to no line of the form."""
        lines = {one.field.name for one in self.inputs} | {"name", "report_weekday", "report_time_zone"}
        return [text for name, text in self.problems.items() if name not in lines]


def kinds() -> list[dict[str, str]]:
    """By their labels; the one for all the rest last."""
    return sorted(
        ({"kind": kind, "label": one.label, "help": one.help} for kind, one in CHANNELS.found.items()),
        key=lambda one: (one["kind"] == "apprise", one["label"].lower()),
    )


def label_of(kind: str) -> str:
    found = CHANNELS.found.get(kind)
    return found.label if found is not None else kind


def shown_of(made: type[Channel], row: AlertChannel | None) -> Shown:
    """A channel as it is stored, or an empty form."""
    kept = _kept(row)
    settings: Mapping[str, str] = row.settings if row is not None else {}
    inputs = tuple(
        Input(one, "" if one.kind == "secret" else settings.get(one.name, one.default), "", one.name in kept)
        for one in made.fields
    )
    report = {
        "weekday": row.report_weekday if row is not None else None,
        "hour": row.report_hour if row is not None else 9,
        "time_zone": row.report_time_zone if row is not None else "UTC",
    }
    return Shown(row.name if row is not None else made.label, inputs, report)


@sensitive_variables()
def form_in(post: QueryDict, made: type[Channel], kind: str) -> ChannelForm:
    """What was typed, by the names of the kind's fields."""
    typed = {one.name: clean(post.get(f"field-{one.name}", "").strip(), _chars(one)) for one in made.fields}
    secret = {one.name for one in made.fields if one.kind == "secret"}
    return ChannelForm(
        kind=kind,
        name=clean(post.get("name", "").strip(), 200),
        settings={name: text for name, text in typed.items() if name not in secret},
        secrets={name: text for name, text in typed.items() if name in secret},
        forgotten=frozenset(name for name in secret if post.get(f"forget-{name}")),
        report_weekday=_number(post.get("report_weekday", "")),
        report_hour=_number(post.get("report_hour", "")) or 0,
        report_time_zone=clean(post.get("report_time_zone", "").strip() or "UTC", 64),
    )


def shown_again(
    made: type[Channel], row: AlertChannel | None, form: ChannelForm, problems: Mapping[str, str]
) -> Shown:
    """What was typed, with what is wrong; secrets have to be typed again."""
    kept = _kept(row)
    inputs = tuple(
        Input(
            one,
            form.settings.get(one.name, ""),
            problems.get(one.name, ""),
            one.name in kept,
            one.name in form.forgotten,
        )
        for one in made.fields
    )
    report = {
        "weekday": form.report_weekday,
        "hour": form.report_hour,
        "time_zone": form.report_time_zone,
    }
    return Shown(form.name, inputs, report, problems)


def _kept(row: AlertChannel | None) -> set[str]:
    try:
        return set(secrets_of(row)) if row is not None and row.pk is not None else set()
    except SealError:
        return set()


def trouble_with(row: AlertChannel) -> str:
    """Why its secrets cannot be opened; "" where they can."""
    try:
        secrets_of(row)
    except SealError as error:
        return str(error)
    return ""


def _chars(one: Field) -> int:
    return SECRET_CHARS if one.kind == "secret" else TEXT_CHARS


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else None
