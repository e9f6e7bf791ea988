"""Puts a bundle together: into a file, with no more of the stream in memory than a thousand chunks."""

from __future__ import annotations

from importlib import metadata
from typing import IO, Any

from dashboard.bundle.archive import BundleWriter
from dashboard.bundle.chunks import chunk_records, write_payloads
from dashboard.bundle.members import Source, events, processes, run_record, steps
from dashboard.bundle.notes import note_records
from dashboard.bundle.redact import Redactor
from dashboard.bundle.report import report_of
from dashboard.bundle.verdict import verdict_of
from dashboard.bundle.writes import write_records
from dashboard.lib.clock import now_ns, to_datetime
from runs.worlds.base import supplies_of
from runs.worlds.bundle import FORMAT, MANIFEST, VERSION
from streams.models import Stream


def make_bundle(stream: Stream, into: IO[bytes], *, payloads: bool = False) -> dict[str, Any]:
    """Write the zip and return its manifest. `stream` comes with its run and world."""
    made_ns = now_ns()
    source = Source(stream, stream.head, Redactor(stream.name), payloads)
    verdict = verdict_of(stream, has_payloads=payloads)
    reporting = processes(stream)
    archive = BundleWriter(into, made_ns)
    archive.json("run.json", run_record(source))
    counts = {"steps": archive.array("steps.json", steps(source))}
    counts["events"] = archive.lines("events.jsonl", events(source))
    lengths = write_payloads(archive, source) if payloads else None
    counts["chunks_and_end_markers"] = archive.lines("chunks.jsonl", chunk_records(source, lengths))
    counts["writes"] = archive.lines("writes.jsonl", write_records(source))
    counts["notes"] = archive.lines("notes.jsonl", note_records(source))
    archive.json("processes.json", reporting)
    archive.json("verdict.json", verdict)
    manifest = _manifest(source, made_ns, reporting, counts)
    archive.text("report.md", report_of(source, manifest, verdict))
    archive.json(MANIFEST, manifest | {"members": archive.members})
    archive.close()
    return manifest


def bundle_report(stream: Stream, *, payloads: bool = False) -> str:
    """The report of the bundle that would be made now."""
    source = Source(stream, stream.head, Redactor(stream.name), payloads)
    manifest = _manifest(source, now_ns(), processes(stream), {})
    return report_of(source, manifest, verdict_of(stream, has_payloads=payloads))


def _manifest(
    source: Source, made_ns: int, reporting: list[dict[str, Any]], counts: dict[str, int]
) -> dict[str, Any]:
    stream, run = source.stream, source.run
    made = to_datetime(made_ns)
    return {
        "format": FORMAT,
        "version": VERSION,
        "tailrace": version(),
        "made": made.isoformat(timespec="seconds") if made else "",
        "made_ns": made_ns,
        "stream": stream.name,
        "run": run.run_id if run else "",
        "workflow": run.workflow if run else "",
        "world": {
            "kind": stream.world.kind,
            "name": stream.world.name,
            "looked_ns": stream.world.looked_ns,
            "supplies": sorted(supplies_of(stream.world.kind)),
        },
        "sdk": _versions(source, reporting),
        "redacted": not source.has_payloads,
        "digests": "SHA-256, first 16 bytes"
        if source.has_payloads
        else "keyed: equal where the bytes are equal",
        "counts": _counts(stream) | counts,
    }


def _versions(source: Source, reporting: list[dict[str, Any]]) -> dict[str, Any]:
    run = source.run
    about = [one["about"] for one in reporting]
    return {
        "run": run.sdk_version if run else "",
        "language": run.language if run else "",
        "processes": _different(about, "sdk"),
        "runtimes": _different(about, "runtime"),
        "worlds": _different(about, "world"),
    }


def _different(about: list[dict[str, Any]], key: str) -> list[str]:
    return sorted({str(one[key]) for one in about if one.get(key)})


def _counts(stream: Stream) -> dict[str, int]:
    return {
        "chunks": stream.chunk_count,
        "end_markers": stream.close_count,
        "behind": stream.behind_count,
        "moved": stream.moved_count,
        "bytes": stream.bytes,
    }


def version() -> str:
    try:
        return metadata.version("tailrace")
    except metadata.PackageNotFoundError:
        return "unknown"
