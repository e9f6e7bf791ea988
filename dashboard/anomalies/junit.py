"""A scan as JUnit XML: one test suite for the world, one test case for each stream and run. Pure.

A case fails where something at or above the chosen severity was found that no baseline knows; what is quieter or
known is told in its output. Nothing that was not checked passes: a question that the world cannot answer at all is
a skipped case of its own, and one that could not be answered for a stream or run skips its case.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from dashboard.anomalies.detectors.base import Found, NotChecked
from dashboard.anomalies.report import Report, Subject, is_loud

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what XML 1.0 cannot hold


def as_junit(report: Report, level: str, is_known: Callable[[Found], bool]) -> str:
    suites = Element("testsuites", name="tailrace scan")
    suite = SubElement(suites, "testsuite", name=_xml(f"{report.kind} world {report.location}"))
    findings: defaultdict[tuple[str, str], list[Found]] = defaultdict(list)
    for found in report.findings:
        findings[found.stream, "" if found.stream else found.run_id].append(found)
    for subject in report.subjects:
        key = subject.stream, "" if subject.stream else subject.run_id
        _case(suite, subject, findings.pop(key, []), level, is_known)
    for kind, reason in _of_world(report):
        case = SubElement(suite, "testcase", classname="not checked", name=_xml(kind), time="0")
        SubElement(case, "skipped", message=_xml(reason))
    _count(suite, suites)
    indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(suites, encoding="unicode") + "\n"


def _case(
    suite: Element, subject: Subject, found: list[Found], level: str, is_known: Callable[[Found], bool]
) -> None:
    what, name = ("stream", subject.stream) if subject.stream else ("run", subject.run_id)
    case = SubElement(suite, "testcase", classname=what, name=_xml(name), time="0")
    loud = [one for one in found if is_loud(one, level) and not is_known(one)]
    own = _own(subject)
    if own and not loud:
        reasons = "; ".join(f"{one.kind}: {one.reason}" for one in own)
        SubElement(case, "skipped", message=_xml(reasons))
    for one in loud:
        failure = SubElement(case, "failure", type=_xml(one.kind), message=_xml(one.message))
        failure.text = _xml("\n".join(_lines(one)))
    quiet = [_said(one, is_known(one)) for one in found if one not in loud]
    quiet += [f"not checked: {one.kind}: {one.reason}" for one in own if loud]
    if quiet:
        SubElement(case, "system-out").text = _xml("\n".join(quiet))


def _own(subject: Subject) -> list[NotChecked]:
    """What could not be told of it, apart from what its world cannot tell of any."""
    return [one for one in subject.unchecked if one.stream == subject.stream and (one.stream or one.run_id)]


def _of_world(report: Report) -> Iterator[tuple[str, str]]:
    own = {(one.kind, one.reason) for subject in report.subjects for one in _own(subject)}
    return (one for one in report.unchecked if one not in own)


def _lines(found: Found) -> Iterator[str]:
    yield f"{found.severity} ({found.certainty}): {found.message}"
    yield f"run {found.run_id or 'unknown'}, stream {found.stream or '-'}"
    if found.step_id:
        yield f"step {found.step_id}"
    if found.chunks:
        yield "chunks " + _some(one.chunk_id for one in found.chunks)
    if found.events:
        yield "events " + _some(found.events)
    yield from (f"missing: {what}" for what in found.missing)


def _some(ids: Iterable[str], limit: int = 20) -> str:
    all_of = list(ids)
    more = f" and {len(all_of) - limit} more" if len(all_of) > limit else ""
    return ", ".join(all_of[:limit]) + more


def _said(found: Found, known: bool) -> str:
    return f"{found.kind}: {found.severity} ({found.certainty}{', known' if known else ''}): {found.message}"


def _count(suite: Element, suites: Element) -> None:
    cases = suite.findall("testcase")
    counts = {
        "tests": len(cases),
        "failures": sum(case.find("failure") is not None for case in cases),
        "errors": 0,
        "skipped": sum(case.find("skipped") is not None for case in cases),
    }
    for name, number in counts.items():
        suite.set(name, str(number))
        suites.set(name, str(number))
    suite.set("time", "0")


def _xml(text: str) -> str:
    """Without the characters that no XML document may hold: written as Python would, so that they are seen."""
    return _FORBIDDEN.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode(), text)
