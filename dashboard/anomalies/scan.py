"""`tailrace scan WORLD`: read a world once, say what is wrong in it, and exit with a code for CI."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, NoReturn, TextIO

from dashboard.anomalies import scan_output
from dashboard.anomalies.baseline import Baseline
from dashboard.anomalies.detectors.base import SEVERITIES, Found
from dashboard.anomalies.judge import StreamJudge
from dashboard.anomalies.judge_run import judge_run
from dashboard.anomalies.report import Report, Subject, is_loud
from dashboard.anomalies.scan_output import Known, OutputError
from dashboard.anomalies.survey import Survey, survey_of
from dashboard.anomalies.threshold_medians import learned_by_workflow
from dashboard.anomalies.thresholds import DEFAULTS
from dashboard.lib.clock import NS_PER_S, now_ns
from dashboard.lib.redacted import without_credentials
from runs.worlds.base import WORLDS, World, WorldError, place_of
from runs.worlds.local import describe, looks_like_world

CLEAN, FOUND, UNREADABLE, USAGE = 0, 1, 2, 64
SETTLED_NS = NS_PER_S + NS_PER_S // 10
UNREADABLE_KIND = "unreadable"  # the kind under which files that cannot be read are listed


def scan(world: World) -> Report:
    """Read a world and judge its streams and runs. Raises WorldError if it cannot be read.

    Thresholds are the defaults and what the runs of this one look teach, by the rule of the live product. What people
    set there is in its database, which a scan does not have.
    """
    survey = survey_of(world)
    findings: list[Found] = []
    subjects = [_judge(survey, name, findings) for name in survey.stream_names()]
    runs = survey.run_facts()
    learned = learned_by_workflow(runs)
    workflows: dict[str, str] = {}
    step_names: dict[tuple[str, str], str] = {}
    for run in runs:
        verdict = judge_run(run, survey.began_ns, world.supplies, learned.get(run.workflow, DEFAULTS))
        findings += verdict.found
        subjects.append(Subject(run.run_id, unchecked=tuple(verdict.unchecked)))
        workflows[run.run_id] = run.workflow
        step_names |= {(run.run_id, step.step_id): step.name for step in run.steps}
    findings.sort(key=lambda found: (found.kind, found.run_id, found.stream))
    reasons = dict.fromkeys((one.kind, one.reason) for subject in subjects for one in subject.unchecked)
    reasons |= dict.fromkeys((UNREADABLE_KIND, f"{where}: {why}") for where, why in survey.unreadable.items())
    location = without_credentials(world.location)
    return Report(
        world.kind, location, survey.sdk_versions, survey.counts(), findings, list(reasons), subjects, workflows,
        step_names,
    )  # fmt: skip


def _judge(survey: Survey, name: str, findings: list[Found]) -> Subject:
    stream = survey.stream_facts(name)
    judge = StreamJudge()
    for chunk in survey.chunk_facts(name, stream.framing):
        judge.feed(chunk)
    # What came after the look began was not seen whole: the clock stands still at its beginning.
    verdict = judge.judge(stream, survey.began_ns, survey.world.supplies)
    findings += verdict.found
    return Subject(stream.run.run_id if stream.run else "", name, tuple(verdict.unchecked))


def as_json(report: Report, known: Known | None = None) -> dict[str, Any]:
    """With `known` each finding says whether it is."""
    return {
        "world": {"kind": report.kind, "location": report.location, "sdk_versions": report.sdk_versions},
        "counts": report.counts,
        "findings": [
            _finding(found) | ({"known": known(found)} if known else {}) for found in report.findings
        ],
        "unchecked": [{"kind": kind, "reason": reason} for kind, reason in report.unchecked],
    }


def _finding(found: Found) -> dict[str, Any]:
    return {
        "kind": found.kind,
        "severity": found.severity,
        "certainty": found.certainty,
        "run_id": found.run_id or None,
        "stream": found.stream or None,
        "step_id": found.step_id or None,
        "chunks": [{"chunk_id": chunk.chunk_id, "position": chunk.position} for chunk in found.chunks],
        "events": list(found.events),
        "message": found.message,
        "evidence": found.evidence,
        "missing": list(found.missing),
    }


def as_text(report: Report, known: Known | None = None) -> Iterator[str]:
    """Lines for people: findings grouped by kind, what was not checked, a summary."""
    for kind, group in groupby(report.findings, key=lambda found: found.kind):
        findings = list(group)
        yield f"{kind}: {len(findings)}"
        for found in findings:
            yield from _lines_of(found, ", known" if known and known(found) else "")
        yield ""
    if report.unchecked:
        yield f"not checked: {len(report.unchecked)}"
        yield from (f"  {kind}: {reason}" for kind, reason in report.unchecked)
        yield ""
    known_count = sum(map(known, report.findings)) if known else 0
    yield _summary(report) + (f" Known already: {known_count}." if known_count else "")


def _lines_of(found: Found, known: str) -> Iterator[str]:
    step = f" · step {found.step_id}" if found.step_id else ""
    yield f"  {found.severity} ({found.certainty}{known}): {found.message}"
    yield f"    run {found.run_id or 'unknown'} · stream {found.stream or '-'}{step}"
    yield from (f"    missing: {what}" for what in found.missing)


def _summary(report: Report) -> str:
    counts = ", ".join(
        f"{count} {name.removesuffix('s') if count == 1 else name}" for name, count in report.counts.items()
    )
    versions = ", ".join(report.sdk_versions) or "unknown"
    by_severity = Counter(found.severity for found in report.findings)
    found = ", ".join(f"{by_severity[level]} {level}" for level in reversed(SEVERITIES) if by_severity[level])
    return f"{report.kind} world {report.location} (SDK {versions}): {counts}. Findings: {found or 'none'}."


def printable(text: str) -> str:
    """Without control characters, which could rewrite a terminal."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode()
        for char in text
    )


def is_failure(findings: Iterable[Found], level: str) -> bool:
    """Whether any finding is at or above `level`. What is only at risk never fails a build."""
    return any(is_loud(found, level) for found in findings)


class _UsageError(Exception):
    pass


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _UsageError(message)


def _parser() -> _Parser:
    parser = _Parser(
        prog="tailrace scan",
        allow_abbrev=False,
        description="Read a world once and print what is wrong with its streams.",
        epilog="Exit code: 0 clean, 1 findings at or above LEVEL that no baseline knows, 2 no readable world, 64 wrong "
        "usage, also a baseline that cannot be read or a file that cannot be written.",
    )
    parser.add_argument(
        "world", metavar="WORLD", help="the directory of a local world, or an address: postgres://…, vercel:…"
    )
    parser.add_argument(
        "--fail-on",
        metavar="LEVEL",
        choices=SEVERITIES,
        default="error",
        help="%(choices)s; default %(default)s",
    )
    scan_output.add_options(parser)
    return parser


def open_world(given: str) -> World:
    """The world that is named, whichever kind reads it. Raises WorldError where there is nothing to scan.

    A secret that does not stand in the address comes from the variable of its kind.
    """
    kind_name, place = place_of(given)
    kind = WORLDS.found[kind_name]
    if kind_name == "local" and _has_files(place.location) and not looks_like_world(place.location):
        raise WorldError(f"{given} {describe(place.location)}", permanent=True)
    variable = os.environ.get(kind.secret_variable, "") if kind.secret_variable else ""
    return kind(place.location, place.secret or variable)


def let_settle(location: str) -> None:
    """Wait until no folder has changed within the last second, for at most a second.

    What is half written is passed over by a world, to be read at its next look; a scan has no next look.
    """
    young_ns = now_ns() - _changed_ns(location)
    if 0 <= young_ns < SETTLED_NS:
        time.sleep((SETTLED_NS - young_ns) / NS_PER_S)


def _changed_ns(folder: str, depth: int = 3) -> int:
    """When the last file came or went, by the file system's clock; `streams/chunks/<name>` lies deepest."""
    try:
        newest = os.stat(folder).st_mtime_ns
        with os.scandir(folder) as entries:
            inner = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)] if depth else []
    except OSError:
        return 0
    return max([newest, *(_changed_ns(path, depth - 1) for path in inner)])


def _has_files(location: str) -> bool:
    try:
        return bool(os.listdir(location))
    except OSError:
        return False  # what is in the way is said by the world itself


def scan_main(argv: Sequence[str], stdout: TextIO, stderr: TextIO) -> int:
    """The command. Returns its exit code."""
    parser = _parser()
    try:
        with contextlib.redirect_stdout(stdout):
            options = parser.parse_args(argv)
    except _UsageError as error:
        stderr.write(f"{parser.format_usage()}tailrace scan: {printable(str(error))}\n")
        return USAGE
    except SystemExit:  # --help
        return CLEAN
    try:
        baseline = scan_output.check(options)
        with contextlib.closing(open_world(options.world)) as world:
            if world.kind == "local":
                let_settle(world.location)
            report = scan(world)
    except (WorldError, OSError) as error:
        stderr.write(f"tailrace scan: {printable(without_credentials(str(error)))}\n")
        return UNREADABLE
    except OutputError as error:
        stderr.write(f"tailrace scan: {printable(str(error))}\n")
        return USAGE
    return _written(report, baseline, options, stdout, stderr)


def _written(
    report: Report, baseline: Baseline | None, options: argparse.Namespace, stdout: TextIO, stderr: TextIO
) -> int:
    try:
        known = scan_output.known_of(report, baseline, options)
        scan_output.write(report, known, options, stdout, _writers(report, known))
    except OutputError as error:
        stderr.write(f"tailrace scan: {printable(str(error))}\n")
        return USAGE
    return FOUND if is_failure((f for f in report.findings if not known(f)), options.fail_on) else CLEAN


def _writers(report: Report, known: Known) -> dict[str, Callable[[], str]]:
    given = known if known.is_given else None
    return {
        "json": lambda: json.dumps(as_json(report, given), indent=2) + "\n",
        "text": lambda: "".join(printable(line) + "\n" for line in as_text(report, given)),
    }
