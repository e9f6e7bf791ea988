"""A scan as SARIF 2.1.0, the exchange format of static analysis. Pure.

Runs, streams and chunks are no lines of a file, so results have logical locations only. A result's
`partialFingerprints` hold nothing that differs between two scans of the same world: `finding/v1` tells each finding
from all others, `group/v1` is the same for those that a baseline takes for the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import quote

from dashboard.anomalies.baseline import group_of
from dashboard.anomalies.detectors.base import Found
from dashboard.anomalies.documentation import Documentation, documentation_of, kinds
from dashboard.anomalies.report import Report, well_formed

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
CHUNKS_NAMED = 100  # chunks and events that one result names; properties have their number
LEVELS = {"info": "note", "warning": "warning", "error": "error", "critical": "error"}
HELP_URL = "http://localhost:8000"  # where `tailrace serve` is by default; it shows the documentation

_LINK = re.compile(r"\[(?=[^\[\]]*\]\()")  # what SARIF would read as a link


def as_sarif(
    report: Report, help_url: str = HELP_URL, is_known: Callable[[Found], bool] | None = None
) -> dict[str, Any]:
    """`is_known`: of a finding, where there is a baseline."""
    places = {kind: at for at, kind in enumerate(kinds())}
    run = {
        "tool": {"driver": _driver(help_url)},
        "automationDetails": {"id": _text(f"tailrace/{report.kind}/{report.location}/")},
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [_not_checked(*one, places) for one in report.unchecked],
            }
        ],
        "columnKind": "unicodeCodePoints",
        "results": [_result(found, report, places, is_known) for found in report.findings],
        "properties": {"sdkVersions": list(map(_text, report.sdk_versions)), "counts": report.counts},
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _driver(help_url: str) -> dict[str, Any]:
    return {
        "name": "Tailrace",
        "semanticVersion": _version(),
        "informationUri": f"{help_url.rstrip('/')}/anomalies/kinds/",
        "rules": [_rule(documentation_of(kind), help_url.rstrip("/")) for kind in kinds()],
    }


def _version() -> str:
    try:
        return version("tailrace")
    except PackageNotFoundError:  # run from sources that were never installed
        return "0.0.0"


def _rule(doc: Documentation, help_url: str) -> dict[str, Any]:
    what, why = " ".join(doc.what.split()), " ".join(doc.why.split())
    fix = f"\n\nHow to fix it: {doc.fix}" if doc.fix else ""
    return {
        "id": doc.kind,
        "name": doc.title.title().replace(" ", ""),
        "shortDescription": {"text": _escaped(doc.summary)},
        "fullDescription": {"text": _escaped(what)},
        "helpUri": f"{help_url}/anomalies/kinds/{quote(doc.kind)}/",
        "help": {"text": _escaped(f"{what}\n\nWhy it matters: {why}{fix}")},
        "defaultConfiguration": {"level": LEVELS[doc.severity]},
        "properties": {"detectorVersion": doc.version, "subject": doc.subject},
    }


def _not_checked(kind: str, reason: str, places: dict[str, int]) -> dict[str, Any]:
    rule = {"associatedRule": {"id": kind, "index": places[kind]}} if kind in places else {}
    return {"level": "note", "message": {"text": _escaped(f"{kind} not checked: {reason}")}} | rule


def _result(
    found: Found, report: Report, places: dict[str, int], is_known: Callable[[Found], bool] | None
) -> dict[str, Any]:
    result = {
        "ruleId": found.kind,
        "ruleIndex": places[found.kind],
        "level": LEVELS[found.severity],
        "message": {"text": _escaped(found.message)},
        "locations": [{"logicalLocations": list(_locations(found))}],
        "partialFingerprints": {
            "finding/v1": _digest(found.kind, found.run_id, found.stream),
            "group/v1": _digest_of_group(found, report),
        },
        "properties": _properties(found),
    }
    if is_known is not None:
        known = is_known(found)
        result["baselineState"] = "unchanged" if known else "new"
        result["suppressions"] = [{"kind": "external", "justification": "known in the baseline"}] * known
    return result


def _locations(found: Found) -> Iterator[dict[str, str]]:
    """From the outermost to the innermost. SARIF wants each to be different."""
    parts = [("run", found.run_id), ("step", found.step_id), ("stream", found.stream)]
    path = ""
    for kind, name in parts:
        if name:
            path += f"/{kind}/{_text(name)}"
            yield {"name": _text(name), "kind": kind, "fullyQualifiedName": path}
    inner = [("chunk", one.chunk_id) for one in found.chunks[:CHUNKS_NAMED]]
    inner += [("event", one) for one in found.events[:CHUNKS_NAMED]]
    for kind, name in dict.fromkeys(inner):
        yield {"name": _text(name), "kind": kind, "fullyQualifiedName": f"{path}/{kind}/{_text(name)}"}


def _properties(found: Found) -> dict[str, Any]:
    return {
        "severity": found.severity,
        "certainty": found.certainty,
        "evidence": json.loads(well_formed(json.dumps(found.evidence, ensure_ascii=False, default=str))),
        "missing": list(map(_text, found.missing)),
        "chunks": len(found.chunks),
        "events": len(found.events),
    }


def _digest(*parts: str) -> str:
    return sha256(json.dumps(parts).encode()).hexdigest()


def _digest_of_group(found: Found, report: Report) -> str:
    group = group_of(found, report)
    return _digest(group.kind, group.workflow, group.step, group.namespace)


def _text(text: str) -> str:
    return well_formed(text)


def _escaped(text: str) -> str:
    """As a SARIF message, in which braces are placeholders and brackets may be links."""
    return _LINK.sub(r"\\[", well_formed(text).replace("{", "{{").replace("}", "}}"))
