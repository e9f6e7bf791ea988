"""The two facts of a finding that matter most."""

from __future__ import annotations

import pytest

from dashboard.alerts.evidence_lines import CHARS, evidence_of
from dashboard.anomalies.models import Finding


def lines(kind: str, evidence: object, with_payload: bool = False, **fields) -> list[tuple[str, str]]:
    return evidence_of(Finding(kind=kind, evidence=evidence, **fields), with_payload)


def test_those_of_its_kind_come_first():
    evidence = {"chunks": 3, "bytes": 1200, "closed_by": "chnk_9"}
    assert lines("write_after_close", evidence) == [("Closed by", "chnk_9"), ("Bytes", "1,200")]


def test_of_a_kind_that_is_not_known_the_first_are_taken():
    assert lines("new_kind", {"first": True, "second": [1, 2], "third": 3}) == [
        ("First", "yes"),
        ("Second", "1; 2"),
    ]


@pytest.mark.parametrize("name", ["quotes", "error", "rejected"])
def test_what_quotes_an_apps_data_is_left_out_unless_it_is_asked_for(name):
    evidence = {name: "s3cret", "other": 1}
    assert lines("new_kind", evidence) == [("Other", "1")]
    assert (name.capitalize(), "s3cret") in lines("new_kind", evidence, True)


def test_where_there_is_one_fact_the_chunks_are_named():
    chunks = [{"chunk_id": "a", "arrival": 7}]
    assert lines("new_kind", {"one": 1}, chunks=chunks, chunk_total=12) == [
        ("One", "1"), ("Chunks", "arrival 7 and 11 more")
    ]  # fmt: skip


def test_long_and_nested_evidence_is_cut():
    found = dict(lines("new_kind", {"deep": {"a": {"b": ["x" * 500]}}, "many": list(range(100))}))
    assert len(found["Deep"]) == CHARS and found["Deep"].endswith("…") and found["Many"] == "0; 1; 2"


def test_evidence_of_another_form_says_nothing():
    assert lines("new_kind", ["what"]) == []
