from __future__ import annotations

from dataclasses import replace
from xml.etree.ElementTree import Element, fromstring

from dashboard.anomalies.detectors.base import Found, NotChecked
from dashboard.anomalies.junit import as_junit
from dashboard.anomalies.report import Report
from tests.dashboard.anomalies.reports import (
    BEHIND,
    NO_PROBE,
    RUN,
    STREAM,
    STUCK,
    TOO_EARLY,
    TWICE,
    hostile,
    report,
)


def suite_of(of: Report, level: str = "error", known: tuple[Found, ...] = ()) -> Element:
    root = fromstring(as_junit(of, level, lambda found: found in known))
    (suite,) = root.findall("testsuite")
    return suite


def case_of(suite: Element, name: str) -> Element:
    (case,) = [case for case in suite.findall("testcase") if case.get("name") == name]
    return case


def test_a_finding_fails_the_case_of_its_stream_and_no_other():
    suite = suite_of(report(BEHIND, TWICE))
    failure = case_of(suite, STREAM).find("failure")
    assert failure is not None and failure.get("type") == "write_after_close"
    assert "chunks chnk_2, chnk_3" in (failure.text or "") and "missing: the probe" in (failure.text or "")
    assert "closed_more_than_once: info" in case_of(suite, STREAM).findtext("system-out", "")
    assert len(case_of(suite, RUN)) == 0
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == (
        "local world /srv/app",
        "3",
        "1",
    )


def test_the_level_decides_what_fails_and_a_risk_never_does():
    assert suite_of(report(TWICE), "info").get("failures") == "1"
    assert suite_of(report(TWICE), "warning").get("failures") == "0"
    suite = suite_of(report(STUCK), "info")
    assert suite.get("failures") == "0"
    assert "at_risk" in case_of(suite, RUN).findtext("system-out", "")


def test_what_no_stream_of_the_world_can_tell_is_one_skipped_case_and_no_green_one():
    suite = suite_of(report(unchecked=(NO_PROBE,)))
    skipped = case_of(suite, "chunk_lost").find("skipped")
    assert skipped is not None and "no probe" in (skipped.get("message") or "")
    assert case_of(suite, STREAM).find("skipped") is None
    assert suite.get("skipped") == "1"


def test_a_stream_that_could_not_be_judged_is_skipped_with_the_reason_unless_it_fails():
    suite = suite_of(report(unchecked=(TOO_EARLY,)))
    skipped = case_of(suite, STREAM).find("skipped")
    assert skipped is not None and "just ended" in (skipped.get("message") or "")
    assert suite.get("tests") == "2"
    failing = case_of(suite_of(report(BEHIND, unchecked=(TOO_EARLY,))), STREAM)
    assert failing.find("skipped") is None and failing.find("failure") is not None
    assert "not checked: never_closed" in failing.findtext("system-out", "")


def test_a_known_finding_is_told_and_fails_nothing():
    suite = suite_of(report(BEHIND), known=(BEHIND,))
    assert suite.get("failures") == "0"
    assert "error (proved, known)" in case_of(suite, STREAM).findtext("system-out", "")


def test_text_from_outside_leaves_the_document_whole():
    suite = suite_of(hostile())
    assert "\\x00b\\x1b[2J\\ud800<&>]]>" in (suite.get("name") or "")
    failure = next(iter(suite.iter("failure")))
    assert "\\x1b" in (failure.text or "") and "\x1b" not in (failure.text or "")


def test_a_run_that_could_not_be_judged_is_skipped():
    reason = NotChecked("run_stuck", f"{RUN}: its event log is too long", run_id=RUN)
    subjects = [replace(one, unchecked=(reason,)) for one in report().subjects if not one.stream]
    suite = suite_of(report(unchecked=(reason,), subjects=subjects))
    assert case_of(suite, RUN).find("skipped") is not None and suite.get("tests") == "1"
