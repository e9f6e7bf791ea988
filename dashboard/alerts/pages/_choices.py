"""What can be chosen in the forms of rules and channels."""

from __future__ import annotations

import re
import zoneinfo
from functools import cache
from typing import Any

from dashboard.alerts import queries
from dashboard.alerts.pages._words import UNITS
from dashboard.alerts.rules import names_of
from dashboard.anomalies import documentation
from dashboard.anomalies.detectors.base import SEVERITIES
from dashboard.anomalies.inbox_queries import values_seen
from dashboard.anomalies.life_facts import CERTAINTIES
from runs.queries import workflow_names, worlds

WORLDS_ASKED, OFFERED = 20, 30
TONES = {"critical": "err", "error": "err", "warning": "warn", "info": "info"}
_SPECIAL = re.compile(r"([*?\[])")
_SURE = {"at_risk": "even at risk, nothing seen yet", "suspected": "suspected, or proved", "proved": "proved"}


def rule_choices() -> dict[str, Any]:
    every = worlds()
    names = {name for world in every[:WORLDS_ASKED] for name in workflow_names(world.pk, OFFERED)}
    return {
        "worlds": every,
        "channels": queries.channels(),
        "kinds": kinds_by_subject(),
        "severities": list(_severities()),
        "certainties": [{"rank": rank, "words": _SURE[word]} for rank, word in enumerate(CERTAINTIES)],
        "units": list(UNITS),
        "zones": zones(),
        "workflows": offers({names_of(name)[1] for name in names}),
        "deployments": offers(set(values_seen("deployment", None))),
    }


def offers(names: set[str]) -> list[dict[str, str]]:
    return [{"name": name, "pattern": pattern_of(name)} for name in sorted(names) if name][:OFFERED]


def pattern_of(name: str) -> str:
    """A pattern for this name alone: routes such as `[slug]` hold signs that patterns use."""
    return _SPECIAL.sub(r"[\1]", name)


def _severities() -> list[dict[str, Any]]:
    last = len(SEVERITIES) - 1
    return [
        {"rank": rank, "words": word if rank == last else f"{word} or worse"}
        for rank, word in enumerate(SEVERITIES)
    ]


@cache
def kinds_by_subject() -> list[dict[str, Any]]:
    """The kinds that are detected, the worst first, apart for streams and runs."""
    docs = [documentation.documentation_of(kind) for kind in documentation.kinds()]
    docs.sort(key=lambda doc: (-SEVERITIES.index(doc.severity), doc.kind))
    return [
        {
            "subject": subject,
            "kinds": [
                {"kind": d.kind, "severity": d.severity, "tone": TONES[d.severity], "summary": d.summary}
                for d in docs
                if d.subject == subject
            ],
        }
        for subject in ("stream", "run")
    ]


@cache
def zones() -> list[str]:
    return sorted(zoneinfo.available_timezones())
