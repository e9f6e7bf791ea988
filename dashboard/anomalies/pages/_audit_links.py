"""Where the numbers of the fleet audit lead: lists that show just what was counted, as far as a list can."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlencode

from django.urls import reverse

from dashboard.anomalies.audit import Dimension, date_of

_EPOCH = date(1970, 1, 1)
_LISTED = {"workflow", "day"}  # what the list of streams can be narrowed to
_GROUPED = {"workflow", "deployment", "sdk"}  # and the list of anomalies


def day_in(text: str) -> int:
    """`2026-11-21` as days since 1970; 0 for anything else."""
    try:
        return max(0, (date.fromisoformat(text) - _EPOCH).days)
    except ValueError:
        return 0


@dataclass(frozen=True, slots=True)
class Links:
    slug: str | None  # of a world; None: all
    wanted: Mapping[Dimension, str | int]

    def query(self) -> str:
        return urlencode([(name, self._text(name)) for name in self.wanted])

    def here(self) -> str:
        return self._url("audit", "audit-all", self.query())

    def narrowed(self, dimension: Dimension, value: str | int) -> Links:
        return Links(self.slug, {**self.wanted, dimension: value})

    def without(self, dimension: Dimension) -> Links:
        return Links(self.slug, {name: value for name, value in self.wanted.items() if name != dimension})

    def streams(self, kind: str = "") -> str:
        """The streams that were counted, or the anomalies they are in; "" where no list can be narrowed so."""
        if not all(value and name in _LISTED for name, value in self.wanted.items()):
            return self.anomalies(kind) if kind else ""
        values = {"kind": kind, "workflow": str(self.wanted.get("workflow", ""))}
        if "day" in self.wanted:
            day = int(self.wanted["day"])
            values |= {"from": f"{date_of(day)}T00:00", "to": f"{date_of(day)}T23:59:59"}
        query = urlencode({name: value for name, value in values.items() if value})
        return self._url("streams", "streams-all", query)

    def anomalies(self, kind: str) -> str:
        """The groups of a kind, by what they can be narrowed to; "" where it is something else."""
        if not all(value and name in _GROUPED for name, value in self.wanted.items()):
            return ""
        values = {"kind": kind, "state": "all"} | {name: str(value) for name, value in self.wanted.items()}
        return self._url("inbox", "inbox-all", urlencode(values))

    def _text(self, name: Dimension) -> str:
        return date_of(int(self.wanted[name])) if name == "day" else str(self.wanted[name])

    def _url(self, of_world: str, of_all: str, query: str) -> str:
        path = reverse(of_world, args=[self.slug]) if self.slug else reverse(of_all)
        return f"{path}?{query}" if query else path
