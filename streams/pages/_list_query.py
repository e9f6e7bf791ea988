"""What a list of streams was asked for in the URL, and the URLs of what else may be asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from django.http import QueryDict

from dashboard.lib.clock import NS_PER_S, now_ns
from dashboard.lib.database import clean
from runs.pages._find import NAME_CHARS
from streams import list_queries
from streams.list_queries import StreamFilter, StreamKey, parse_stream_key
from streams.pages._badge import LEVELS
from streams.pages._names import suffixes_of

WITHIN = {"hour": 3600, "day": 86_400, "week": 7 * 86_400}
_TEXTS = ("verdict", "kind", "workflow", "namespace", "text", "within", "from", "to", "order", "own")
_KEPT = re.compile(r"(\d{1,18})\.(\d{1,3})$", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """`values` are what the URL says, without the place in the list."""

    values: dict[str, str]
    filter: StreamFilter
    newest: bool
    older: StreamKey | None
    kept: tuple[int, ...]  # streams that the reader has open and wants to stay where they are
    shown: tuple[tuple[int, int], ...]  # (stream, verdict) of the rows that are replaced

    def query(self, **other: str) -> str:
        return urlencode({name: value for name, value in (self.values | other).items() if value})


def asked_in(get: QueryDict) -> Asked:
    values = {name: clean(get.get(name, "").strip(), NAME_CHARS) for name in _TEXTS}
    values = {name: value for name, value in values.items() if value}
    within = WITHIN.get(values.get("within", ""))
    since = now_ns() - within * NS_PER_S if within else _time_of(values.get("from", ""))
    wanted = StreamFilter(
        level=LEVELS.get(values.get("verdict", "")),
        kind=values.get("kind", ""),
        workflow=values.get("workflow", ""),
        names=suffixes_of(values["namespace"]) if "namespace" in values else (),
        text=values.get("text", ""),
        since_ns=since,
        until_ns=None if within else _time_of(values.get("to", "")),
        own=bool(values.get("own")),
    )
    older = parse_stream_key(get.get("older", ""))
    kept = tuple(pk for pk, _ in rows_in(get.get("top", "")))
    return Asked(values, wanted, values.get("order") == "newest", older, kept, rows_in(get.get("shown", "")))


def rows_in(text: str) -> tuple[tuple[int, int], ...]:
    """The rows of a page as `<stream>.<verdict>-<stream>.<verdict>…`; what is none is left out."""
    matches = (_KEPT.match(part) for part in text.split("-")[: list_queries.PAGE])
    return tuple((int(match[1]), int(match[2])) for match in matches if match)


def _time_of(text: str) -> int | None:
    """Of a field for date and time, in UTC."""
    try:
        moment = datetime.fromisoformat(text)
        return int(moment.replace(tzinfo=UTC).timestamp()) * NS_PER_S
    except (ValueError, OverflowError):
        return None
