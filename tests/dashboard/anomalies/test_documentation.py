from __future__ import annotations

import re
from pathlib import Path

import pytest

from dashboard.anomalies.detectors.base import DETECTORS, Upstream
from dashboard.anomalies.documentation import (
    as_markdown,
    documentation_of,
    fixes,
    kinds,
    pieces_of,
    sections_of,
    url_of,
)

PAGE = Path(__file__).resolve().parents[3] / "docs" / "anomalies.md"
LATE = (
    'Stream write failed: HTTP 409: {"success":false,"error":"conflict",'
    '"message":"Run \\"wrun_01M8\\" is already completed"}'
)


def test_the_page_in_docs_is_what_the_detectors_say():
    assert PAGE.read_text() == as_markdown(), "run: python scripts/anomaly_docs.py"


@pytest.mark.parametrize("kind", DETECTORS.found)
def test_every_kind_of_streams_is_documented_whole(kind: str):
    doc = documentation_of(kind)
    for text in (doc.summary, doc.what, doc.why, doc.needs, doc.false_alarms, doc.fix):
        assert text
    assert doc.sdk_affected and doc.sdk_fixed and doc.examples
    assert doc.code.before and doc.code.after and doc.code.before != doc.code.after
    assert doc.subject == "stream" and doc.version >= 1


def test_a_kind_that_nothing_detects_has_none():
    with pytest.raises(KeyError):
        documentation_of("nothing")


def test_fixes_are_of_kinds_that_exist():
    assert fixes().keys() <= set(kinds())


def test_it_cuts_a_docstring_into_its_sections():
    found = sections_of("## What it does\nFinds `x`.\n\n## Example\n    a -> b\n    c -> nothing\n")
    assert found == {"What it does": "Finds `x`.", "Example": "    a -> b\n    c -> nothing"}
    assert sections_of("no heading") == {}


def test_examples_keep_their_two_sides():
    before, after = documentation_of("write_after_close").examples[0]
    assert before.endswith("close data-status") and after == "write_after_close(5)"


def test_code_stands_between_backticks():
    assert pieces_of("call `f()`\nonce") == [("call ", False), ("f()", True), (" once", False)]
    assert pieces_of("") == []


def test_upstream_issues_are_linked_also_where_only_their_number_is_given():
    assert url_of(Upstream("vercel/ai#11463", "")) == "https://github.com/vercel/ai/issues/11463"
    numbers = [one.number for one in documentation_of("duplicate_event").upstream]
    assert numbers and all(re.fullmatch(r"vercel/workflow#\d+", number) for number in numbers)


def test_the_filter_for_error_trackers_matches_that_error_and_no_other():
    found = re.search(r"LATE = /(.*)/\n", fixes()["write_rejected"].filter)
    assert found is not None
    late = re.compile(found[1])
    assert late.search(LATE)
    for other in (
        "Stream write failed: HTTP 500: down",
        'HTTP 409: {"message":"Hook token in use"}',
        "Stream write failed: HTTP 409: {}",
    ):
        assert not late.search(other)
