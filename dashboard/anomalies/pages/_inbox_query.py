"""What the inbox was asked for in the URL, and the URLs of what else may be asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import QueryDict

from dashboard.anomalies import inbox_queries
from dashboard.anomalies.detectors.base import SEVERITIES
from dashboard.anomalies.inbox_queries import InboxFilter, InboxKey, parse_inbox_key
from dashboard.anomalies.life_facts import CERTAINTIES
from dashboard.anomalies.states import ATTENTION, STATES, State
from dashboard.lib.clock import NS_PER_S, now_ns
from dashboard.lib.database import clean
from runs.models import World
from runs.pages._find import NAME_CHARS

WITHIN = {"hour": 3600, "day": 86_400, "week": 7 * 86_400, "month": 30 * 86_400}
_TEXTS = (
    "state", "kind", "severity", "certainty", "workflow", "sdk", "deployment", "text", "within", "order",
)  # fmt: skip
_KEPT = re.compile(r"(\d{1,18})\.(\d)([a-z]{1,12})$", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """`values` are what the URL says, without the place in the list."""

    values: dict[str, str]
    filter: InboxFilter
    newest: bool
    older: InboxKey | None
    kept: tuple[int, ...]  # anomalies that the reader has open and wants to stay where they are
    shown: tuple[tuple[int, int, str], ...]  # (anomaly, severity, state) of the rows that are replaced

    @property
    def is_filtered(self) -> bool:
        return bool(self.values.keys() - {"order"})

    def query(self, **other: str) -> str:
        return urlencode({name: value for name, value in (self.values | other).items() if value})


def asked_in(get: QueryDict, world: World | None) -> Asked:
    values = {name: clean(get.get(name, "").strip(), NAME_CHARS) for name in _TEXTS}
    values = {name: value for name, value in values.items() if value and _is_known(name, value)}
    within = WITHIN.get(values.get("within", ""))
    wanted = InboxFilter(
        states=_states(values.get("state", "")),
        world=world.pk if world is not None else None,
        since_ns=now_ns() - within * NS_PER_S if within else None,
        **{
            name: values.get(name, "")
            for name in ("kind", "severity", "certainty", "workflow", "sdk", "deployment", "text")
        },
    )
    kept = tuple(row[0] for row in rows_in(get.get("top", "")))
    older = parse_inbox_key(get.get("older", ""))
    return Asked(values, wanted, values.get("order") == "newest", older, kept, rows_in(get.get("shown", "")))


def rows_in(text: str) -> tuple[tuple[int, int, str], ...]:
    """The rows of a page as `<anomaly>.<severity><state>-…`; what is none is left out."""
    matches = (_KEPT.match(part) for part in text.split("-")[: inbox_queries.PAGE])
    return tuple((int(match[1]), int(match[2]), match[3]) for match in matches if match)


def _is_known(name: str, value: str) -> bool:
    """A word that no list of choices has would find nothing, and could not be seen in the form."""
    words: dict[str, tuple[str, ...]] = {
        "state": (*STATES, "all"),
        "severity": SEVERITIES,
        "certainty": CERTAINTIES,
        "within": tuple(WITHIN),
        "order": ("newest",),
    }
    return value in words.get(name, (value,))


def _states(word: str) -> tuple[State, ...]:
    if word == "all":
        return STATES
    return tuple(state for state in STATES if state == word) or ATTENTION
