"""The documentation of a kind of finding, made from its detector's docstring and from the files beside it. Pure."""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from dashboard.anomalies.detectors.base import DETECTORS, Upstream
from dashboard.anomalies.known_issues import KnownIssue, known_of
from dashboard.anomalies.run_detectors.base import RUN_DETECTORS
from dashboard.anomalies.thresholds import ABOUT, About, names_for

SECTIONS = ("What it does", "Why it matters", "Example", "Needs", "False alarms")
REPOSITORY = "vercel/workflow"
EVIDENCE = {
    "chunks": "a world whose storage is read",
    "stream_list": "a world that lists the streams of a run",
    "writes": "the probe in the app, or the recording proxy",
}

_FIXES = Path(__file__).with_name("fixes.toml")
_CODE = re.compile(r"`([^`]+)`")


class Piece(NamedTuple):
    text: str
    is_code: bool


@dataclass(frozen=True)
class Fix:
    """Code before and after, what an error tracker can be told, how to see it happen; "" where there is none."""

    before: str = ""
    after: str = ""
    filter: str = ""
    filter_note: str = ""
    recipe: str = ""


@dataclass(frozen=True)
class Documentation:
    """What is said of one kind. Texts are plain, with code between backticks."""

    kind: str
    subject: str  # "stream" or "run"
    severity: str
    version: int
    summary: str  # the first line of its module
    what: str
    why: str
    examples: tuple[tuple[str, str], ...]  # what is stored, what is found
    needs: str
    evidence: tuple[str, ...]
    false_alarms: str
    thresholds: tuple[About, ...]  # that decide it, with their defaults
    fix: str
    code: Fix
    upstream: tuple[Upstream, ...]
    sdk_affected: str
    sdk_fixed: str
    known: tuple[KnownIssue, ...]

    @property
    def title(self) -> str:
        return self.kind.replace("_", " ").capitalize()


def kinds() -> list[str]:
    """All kinds that are detected, of streams and of runs, by name; both can know the same one."""
    return sorted({*DETECTORS.found, *RUN_DETECTORS.found})


def documentation_of(kind: str) -> Documentation:
    """Raises KeyError for a kind that nothing detects."""
    subject = "stream" if kind in DETECTORS.found else "run"
    detector: Any = DETECTORS.found[kind] if subject == "stream" else RUN_DETECTORS.found[kind]
    sections = sections_of(inspect.getdoc(detector) or "")
    return Documentation(
        kind=kind,
        subject=subject,
        severity=detector.severity,
        version=detector.version,
        summary=_first_line(inspect.getmodule(detector)),
        what=sections.get("What it does", ""),
        why=sections.get("Why it matters", ""),
        examples=tuple(_examples(sections.get("Example", ""))),
        needs=sections.get("Needs", ""),
        evidence=tuple(EVIDENCE.get(name, name) for name in sorted(detector.needs)),
        false_alarms=sections.get("False alarms", ""),
        thresholds=tuple(ABOUT[name] for name in names_for(kind)),
        fix=detector.fix,
        code=fixes().get(kind, Fix()),
        upstream=tuple(_upstream(one) for one in detector.upstream),
        sdk_affected=getattr(detector, "sdk_affected", ""),
        sdk_fixed=getattr(detector, "sdk_fixed", ""),
        known=tuple(known_of(kind)),
    )


def sections_of(docstring: str) -> dict[str, str]:
    """The sections of a docstring by their headings, without indentation at their ends."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in docstring.splitlines():
        if line.startswith("## "):
            lines = found.setdefault(line[3:].strip(), [])
        else:
            lines.append(line)
    return {heading: "\n".join(body).strip("\n") for heading, body in found.items()}


def pieces_of(text: str) -> list[Piece]:
    """Plain text and what stands between backticks; lines are joined."""
    parts = _CODE.split(" ".join(text.split()))
    return [Piece(part, bool(at % 2)) for at, part in enumerate(parts) if part]


@cache
def fixes() -> Mapping[str, Fix]:
    entries = tomllib.loads(_FIXES.read_text())
    return {
        kind: Fix(**{name: text.strip("\n") for name, text in one.items()}) for kind, one in entries.items()
    }


def url_of(upstream: Upstream) -> str:
    repository, _, number = upstream.number.partition("#")
    return f"https://github.com/{repository}/issues/{number}"


def _upstream(one: Upstream | int) -> Upstream:
    return one if isinstance(one, Upstream) else Upstream(f"{REPOSITORY}#{one}", "")


def _first_line(module: object) -> str:
    return (inspect.getdoc(module) or "").partition("\n")[0]


def _examples(section: str) -> Iterator[tuple[str, str]]:
    for line in section.splitlines():
        before, arrow, after = line.strip().rpartition(" -> ")
        if arrow:
            yield before, after


def as_markdown() -> str:
    """All kinds as one page of Markdown: docs/anomalies.md."""
    return "\n".join(chain(_HEAD, *(_markdown(documentation_of(kind)) for kind in kinds()))) + "\n"


_HEAD = (
    "# What is found",
    "",
    "Made from the detectors by `python scripts/anomaly_docs.py`: change them, not this page. The same is shown in",
    "the product below `/anomalies/kinds/`. Examples are in the words of `tests/examples.py` and run as tests.",
    "",
)


def _markdown(doc: Documentation) -> Iterator[str]:
    yield f"## {doc.kind}"
    yield ""
    yield f"{doc.summary} Of a {doc.subject}; {doc.severity} by default; version {doc.version} of its detector."
    yield ""
    yield _joined(doc.what)
    for heading, text in (
        ("Why it matters", doc.why),
        ("Needs", doc.needs),
        ("False alarms", doc.false_alarms),
    ):
        yield from ("", f"**{heading}.** {_joined(text)}")
    if doc.thresholds:
        values = "; ".join(f"{one.label}: {one.words(one.default)}" for one in doc.thresholds)
        yield from ("", f"**[Thresholds](thresholds.md).** {values}.")
    if doc.fix:
        yield from ("", f"**How to fix it.** {doc.fix}")
    yield from _code(doc.code)
    if doc.sdk_affected:
        yield from ("", f"**SDK versions.** Affected: {doc.sdk_affected}. Fixed: {doc.sdk_fixed}.")
    if doc.upstream:
        links = (
            f"[{one.number}]({url_of(one)}){': ' + one.title if one.title else ''}" for one in doc.upstream
        )
        yield from ("", f"**Upstream.** {'; '.join(links)}.")
    for known in doc.known:
        until = f"below {known.fixed_in}" if known.fixed_in else "in all later versions"
        yield from ("", f"**Known issue {known.number}**, from {known.since} on, {until}: {known.workaround}")
    yield from ("", "Examples:", "", "```")
    yield from (f"{before} -> {after}" for before, after in doc.examples)
    yield from ("```", "")


def _code(fix: Fix) -> Iterator[str]:
    for label, code in (("Before", fix.before), ("After", fix.after), ("Error tracker", fix.filter)):
        if code:
            yield from ("", f"{label}:", "", "```js", code, "```")
    if fix.filter_note:
        yield from ("", fix.filter_note)
    if fix.recipe:
        yield from ("", f"**How to see it happen.** {_joined(fix.recipe)}")


def _joined(text: str) -> str:
    return " ".join(text.split())
