"""The fleet audit as CSV, JSON and Markdown. Pure.

All have the same rows: each kind that was found or could not be checked everywhere (and the three of the headline
in any case) by each value of each dimension. Where nothing could be checked `found` is empty (CSV), null (JSON) or
"not checked" (Markdown).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO

from dashboard.anomalies.audit import DIMENSIONS, HEADLINE, Count, Cube, Dimension, Kind, date_of

ROWS = 20_000  # of an export: a fleet has few workflows, but perhaps very many deployments
COLUMNS = ("by", "value", "subject", "kind", "severity", "found", "checked", "not_checked", "total")
VALUES_IN_MARKDOWN = 20
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would compute what begins so


@dataclass(frozen=True, slots=True)
class Row:
    by: str  # a dimension, or "all"
    value: str
    kind: Kind
    severity: str  # the worst; "" where none was found
    count: Count


def rows_of(cube: Cube) -> Iterator[Row]:
    kinds = kinds_of(cube)
    yield from _rows("all", "", cube, kinds)
    for dimension in DIMENSIONS:
        for value, part in cube.split(dimension).items():
            yield from _rows(dimension, label_of(dimension, value), part, kinds)


def kinds_of(cube: Cube) -> list[Kind]:
    """The three of the headline, all others that were found, and those that could not be checked in some."""
    head = [Kind("stream", name) for name in HEADLINE]
    found = [kind for kind in cube.kinds() if kind not in head]
    unseen = sorted(kind for kind, groups in cube.unchecked.items() if groups.total() and kind not in found)
    return head + found + [kind for kind in unseen if kind not in head]


def label_of(dimension: Dimension, value: str | int) -> str:
    if dimension == "day":
        return date_of(int(value)) if value else "no chunk"
    return str(value) or "unknown"


def _rows(by: str, value: str, cube: Cube, kinds: list[Kind]) -> Iterator[Row]:
    for kind in kinds:
        count = cube.count(kind)
        if count.total:
            yield Row(by, value, kind, cube.worst.get(kind, "") if count.found else "", count)


def as_csv(cube: Cube) -> str:
    out = StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row, _ in zip(rows_of(cube), range(ROWS), strict=False):
        writer.writerow(map(_cell, _values(row)))
    return out.getvalue()


def _values(row: Row) -> tuple[str | int, ...]:
    count = row.count
    found: str | int = count.found if count.checked else ""
    return (
        row.by, row.value, row.kind.subject, row.kind.name, row.severity, found, count.checked,
        count.unchecked, count.total,
    )  # fmt: skip


def _cell(value: str | int) -> str | int:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def as_json(cube: Cube, as_of: str) -> str:
    rows = []
    for row, _ in zip(rows_of(cube), range(ROWS), strict=False):
        values = dict(zip(COLUMNS, _values(row), strict=True))
        rows.append({**values, "found": row.count.found if row.count.checked else None})
    return json.dumps({"as_of": as_of, "left_out": cube.left_out, "rows": rows}, indent=1) + "\n"


def as_markdown(cube: Cube, as_of: str, where: str) -> str:
    """To paste into an issue: the headline, all kinds, the headline's kinds by workflow and SDK version."""
    lines = [f"## Fleet audit of {_md(where)}", "", f"{headline(cube)} As of {as_of}.", ""]
    lines += ["| kind | severity | found | not checked |", "|---|---|---|---|"]
    for kind in kinds_of(cube):
        count, worst = cube.count(kind), cube.worst.get(kind, "")
        found = f"{count.words} {kind.subject}s" if count.checked else count.words
        lines.append(f"| `{kind.name}` | {worst} | {found} | {count.unchecked:,} |")
    for dimension, title in (("workflow", "Workflow"), ("sdk", "SDK version")):
        lines += ["", f"| {title} | {' | '.join(f'`{name}`' for name in HEADLINE)} |", "|---" * 4 + "|"]
        for value, part in list(cube.split(dimension).items())[:VALUES_IN_MARKDOWN]:  # type: ignore[arg-type]
            cells = " | ".join(part.count(Kind("stream", name)).words for name in HEADLINE)
            lines.append(f"| {_md(label_of(dimension, value))} | {cells} |")  # type: ignore[arg-type]
    return "\n".join(lines) + "\n"


def headline(cube: Cube) -> str:
    """`12 of 340 streams have data behind their end marker, 3 closed twice, 20 never closed.`"""
    behind, twice, never = (cube.count(Kind("stream", name)) for name in HEADLINE)
    if not behind.total:
        return "There are no streams."
    if not any(one.checked for one in (behind, twice, never)):
        return f"None of {behind.total:,} streams could be checked."
    same = behind.checked == twice.checked == never.checked
    others = [f"{one.found:,}" if same else one.words for one in (twice, never)]
    return (
        f"{behind.words} streams have data behind their end marker, {others[0]} closed more than once, "
        f"{others[1]} never closed."
    )


def _md(text: str) -> str:
    """As text inside a table: no markup, no cell of its own."""
    plain = " ".join(text.split())
    return "".join(f"\\{char}" if char in "\\`*_{}[]()<>#|!~@&" else char for char in plain)
