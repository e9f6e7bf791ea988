"""The report of a bundle: Markdown for an upstream issue, that says what is known, how surely, and from what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dashboard.anomalies.documentation import Fix, documentation_of, fixes, kinds
from dashboard.anomalies.known_issues import matches
from dashboard.bundle.chunks import fact_of
from dashboard.bundle.markdown import clock, code, table
from dashboard.bundle.members import Source
from dashboard.bundle.outline import outline_of, type_of
from dashboard.bundle.redact import safe_text
from dashboard.lib.clock import NS_PER_MS
from runs.pages._format import counted
from runs.payloads import preview
from streams.ledger import LOST, REJECTED
from streams.models import Chunk, Write
from streams.order import mark_names

ROWS = 24  # of each table
AROUND = 2  # chunks shown before and behind one that is named
_SEVERITIES = ("critical", "error", "warning", "info")
_HEAD = ("position", "sequence", "call", "called", "chunk id", "minted", "stored", "step", "marks", "type")
_SURE = {
    "proved": "follows from what is stored and reported, without any other reading",
    "suspected": "looks so; another reading is possible",
    "at_risk": "has not gone wrong here, and can",
}


def report_of(source: Source, manifest: dict[str, Any], verdict: dict[str, Any]) -> str:
    sdk = manifest["sdk"]["run"]
    findings = sorted(verdict["findings"], key=lambda one: _weight(one, sdk))
    parts = [
        f"# {_title(findings[0]['kind']) if findings else 'Evidence of one stream'}",
        _what(source, manifest, findings),
        *_known(findings, sdk),
        _versions(manifest),
        *_findings(findings),
        *_chunks(source, findings),
        *_refused(source),
        *_recipes(findings),
        *_unchecked(verdict),
        _how_known(manifest),
    ]
    return "\n\n".join(parts) + "\n"


def _weight(finding: dict[str, Any], sdk: str) -> tuple[int, bool, str]:
    """The worst first; of these, what is known upstream."""
    kind = finding["kind"]
    return _SEVERITIES.index(finding["severity"]), not _issues(finding, sdk), kind


def _title(kind: str) -> str:
    """As the kind's own documentation begins; a kind of another version has none."""
    return (
        documentation_of(kind).summary.rstrip(".") if kind in kinds() else kind.replace("_", " ").capitalize()
    )


def _issues(finding: dict[str, Any], sdk: str) -> list[str]:
    """Of this version of the SDK and with this evidence: what the product's own pages say."""
    return [one.number for one in matches(finding["kind"], sdk, finding["evidence"])]


def _what(source: Source, manifest: dict[str, Any], findings: Sequence[dict[str, Any]]) -> str:
    """What happened, in one paragraph."""
    stream, run = source.stream, source.run
    counts = f"{counted(stream.chunk_count, 'chunk')} and {counted(stream.close_count, 'end marker')}"
    belongs = (
        f"of run {code(run.run_id)} (workflow {code(run.workflow)}, {run.status or 'not seen'})"
        if run
        else ""
    )
    said = " ".join(_sentence(one["message"]) for one in findings) or "Nothing wrong was found in it."
    return f"Stream {code(stream.name)} {belongs} holds {counts}. {said}".replace("  ", " ")


def _sentence(message: str) -> str:
    """A finding's own sentence; what could call somebody or link somewhere is put in code."""
    words = [code(word) if any(mark in word for mark in "@#<[`|*_\\") else word for word in message.split()]
    return " ".join(words)


def _known(findings: Sequence[dict[str, Any]], sdk: str) -> Iterator[str]:
    issues: dict[str, list[str]] = {}
    for one in findings:
        for issue in dict.fromkeys(_issues(one, sdk)):
            issues.setdefault(issue, []).append(code(one["kind"]))
    if issues:
        yield "\n".join(f"Known as {issue} ({', '.join(kinds)})." for issue, kinds in issues.items())


def _versions(manifest: dict[str, Any]) -> str:
    sdk, world = manifest["sdk"], manifest["world"]
    rows = [
        ("SDK of the run", code(sdk["run"])),
        ("SDK of the reporting processes", code(", ".join(sdk["processes"]))),
        ("runtime", code(", ".join(sdk["runtimes"]))),
        ("world", code(" ".join(dict.fromkeys([world["kind"], *sdk["worlds"]])))),
        ("Tailrace", code(manifest["tailrace"])),
    ]
    return "## Versions\n\n" + table(("what", "version"), rows)


def _findings(findings: Sequence[dict[str, Any]]) -> Iterator[str]:
    if not findings:
        return
    rows = [
        (
            code(one["kind"]),
            one["certainty"],
            one["severity"],
            f"{one['chunk_total']:,}",
            code(one["step_id"]),
        )
        for one in findings
    ]
    sure = dict.fromkeys(one["certainty"] for one in findings)
    words = "; ".join(f"*{word}*: {_SURE[word]}" for word in sure if word in _SURE)
    yield (
        "## Findings\n\n"
        + table(("finding", "how sure", "severity", "chunks", "step"), rows)
        + f"\n\n{words}."
    )


def _chunks(source: Source, findings: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Chunks in the order in which readers get them, around those that findings name."""
    shown, total = _named(source, findings), source.head
    if not shown:
        return
    writes = Write.objects.filter(stream=source.stream, arrival__in=[row.arrival for row in shown])
    by_arrival = {one.arrival: one for one in writes.select_related("writer").defer("data")}
    head = _HEAD if not source.has_payloads else (*_HEAD, "payload")
    rows = [_row(source, row, by_arrival.get(row.arrival)) for row in shown]
    yield (
        "## Stored order\n\n"
        "Readers get the chunks from top to bottom. *Sequence* is the place that the writing step gave a chunk, by its"
        " own count; *call* is the number of the write in its process, and *called* when it was made; *minted* (in the"
        " chunk's id) is the writer's clock too, *stored* the world's.\n\n"
        f"{table(head, rows)}\n\n{len(shown):,} of {total:,} rows."
    )


def _named(source: Source, findings: Sequence[dict[str, Any]]) -> list[Chunk]:
    """In reading order: all of a short stream, else those that findings name with their neighbours, else the last."""
    rows = Chunk.objects.filter(stream=source.stream, arrival__lte=source.head)
    if source.head <= ROWS:
        return list(rows.order_by("chunk_id"))
    ranked = sorted(findings, key=lambda one: one["kind"] != "out_of_order")
    wrong = [chunk["arrival"] for one in ranked for chunk in one["chunks"] if chunk["arrival"]]
    near = (other for at in wrong[:ROWS] for other in range(at - AROUND, at + AROUND + 1))
    wanted = [at for at in dict.fromkeys(near) if 0 < at <= source.head]
    found = rows.filter(arrival__in=wanted[:ROWS]) if wanted else rows.order_by("-chunk_id")[:ROWS]
    return sorted(found, key=lambda row: row.chunk_id)


def _row(source: Source, row: Chunk, write: Write | None) -> list[str]:
    fact = fact_of(row, source.stream.framing)
    kind = "end marker" if row.is_close else type_of(outline_of(fact, source.redactor))
    writer = write.writer if write else None
    step = writer.step_name.rpartition("//")[2] or writer.step_id if writer else ""
    cells = [
        "–" if row.position is None else str(row.position),
        "–" if row.sequence is None else str(row.sequence),
        str(write.number) if write else "–",
        clock(write.called_ns if write else None),
        code(row.chunk_id),
        clock(None if row.minted_ms is None else row.minted_ms * NS_PER_MS),
        clock(row.stored_ns),
        code(step),
        " ".join(f"**{mark}**" for mark in mark_names(row.marks)),
        code(kind),
    ]
    return [*cells, code(_shown(fact))] if source.has_payloads else cells


def _shown(fact: Any) -> str:
    values = [] if fact.is_close else fact.value.values
    return " · ".join(preview(one.value, 100) for one in values[:3])


def _refused(source: Source) -> Iterator[str]:
    wrong = Write.objects.filter(stream=source.stream, outcome__in=[REJECTED, LOST])
    total = wrong.count()
    if not total:
        return
    rows = [
        _write(one) for one in wrong.select_related("writer").order_by("called_ns", "number", "place")[:ROWS]
    ]
    head = ("called", "call", "step", "attempt", "bytes", "outcome", "HTTP", "error")
    yield (
        "## Writes that were not stored\n\nAs the writing process reported them, by its own clock.\n\n"
        f"{table(head, rows)}\n\n{len(rows):,} of {total:,} rows."
    )


def _write(one: Write) -> list[str]:
    writer = one.writer
    return [
        clock(one.called_ns),
        "close" if one.is_close else "write",
        code(writer.step_name.rpartition("//")[2] or writer.step_id),
        str(writer.attempt or "–"),
        "–" if one.size is None else f"{one.size:,}",
        one.outcome,
        str(one.status or "–"),
        code(safe_text(one.error)),
    ]


def _recipes(findings: Sequence[dict[str, Any]]) -> Iterator[str]:
    recipes = dict.fromkeys(fixes().get(one["kind"], Fix()).recipe for one in findings)
    known = [f"* {' '.join(recipe.split())}" for recipe in recipes if recipe]
    if known:
        yield "## How to reproduce\n\n" + "\n".join(known)


def _unchecked(verdict: dict[str, Any]) -> Iterator[str]:
    if not verdict["judged"]:
        yield "Something came in after the stream was last judged: the findings do not cover all that is bundled."
    if verdict["unchecked"]:
        lines = [f"* {code(one['kind'])}: {_sentence(one['reason'])}" for one in verdict["unchecked"]]
        yield "## What was not checked\n\n" + "\n".join(lines)


def _how_known(manifest: dict[str, Any]) -> str:
    payloads = "Payloads are left out" if manifest["redacted"] else "Payloads are included as they are stored"
    return (
        "## How this is known\n\n"
        "Tailrace read the world's storage from outside and took the reports of its probe in the app, where there was"
        " one; it changed neither. Every figure above is in the bundle that belongs to this report, and"
        f" `tailrace open bundle.zip` computes the findings from it again. {payloads}."
        f" Made on {manifest['made']} by Tailrace {manifest['tailrace']}."
    )
