from __future__ import annotations

from itertools import pairwise

import pytest

from dashboard.anomalies.detectors.base import DETECTORS
from dashboard.anomalies.known_issues import KnownIssue, known_issues, known_of, matches, parse_version

REJECTED = {"rejected": [{"status": None}, {"status": 409}]}


def numbers(kind: str, version: str, evidence: dict[str, object] | None = None) -> list[str]:
    return [one.number for one in matches(kind, version, evidence or {})]


@pytest.mark.parametrize("version", ["4.2.4", "4.8.9", "5.0.0-beta.5"])
def test_it_knows_the_race_of_writables_in_affected_versions(version: str):
    assert numbers("racing_writers", version) == ["vercel/workflow#2058"]


@pytest.mark.parametrize("version", ["5.0.0-beta.39", "5.0.0-beta.55", "5.0.0", "3.9.9", "", "postgres"])
def test_it_says_nothing_of_versions_that_have_the_fix_or_are_not_known(version: str):
    assert numbers("racing_writers", version) == []


def test_the_evidence_must_match_its_pattern():
    assert numbers("write_rejected", "4.8.9", REJECTED) == ["vercel/workflow#1949"]
    assert numbers("write_rejected", "4.8.9", {"rejected": [{"status": 500}]}) == []
    assert numbers("write_rejected", "4.8.9") == []


def test_an_issue_without_a_fix_is_in_all_later_versions():
    assert numbers("never_closed", "6.1.0") == ["vercel/workflow#964"]


def test_a_kind_that_nobody_knows_an_issue_of_has_none():
    assert numbers("stream_silent", "4.8.9") == []


def test_versions_sort_as_they_were_released():
    released = ["4.2.4", "4.8.9", "5.0.0-beta.5", "5.0.0-beta.39", "5.0.0", "5.0.1"]
    keys = [parse_version(version) for version in released]
    assert all(one is not None and other is not None and one < other for one, other in pairwise(keys))
    assert parse_version("latest") is None


def test_the_file_names_only_kinds_that_are_detected_and_each_entry_has_a_way_out():
    for one in known_issues():
        assert one.kinds and one.workaround and one.title
        assert one.kinds <= DETECTORS.found.keys()
        assert one.url == f"https://github.com/vercel/workflow/issues/{one.number.partition('#')[2]}"
    assert known_of("nothing") == []


def test_a_star_looks_at_each_of_a_list():
    issue = KnownIssue("a/b#1", "t", frozenset({"k"}), "4.0.0", evidence={"a.*.b": "^x$"})
    assert issue.has_evidence({"a": [{"b": "y"}, {"b": "x"}]})
    assert not issue.has_evidence({"a": {"b": "x"}})
