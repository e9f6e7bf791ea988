from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from dashboard.anomalies.detectors.base import ChunkRef
from dashboard.anomalies.documentation import kinds
from dashboard.anomalies.sarif import CHUNKS_NAMED, as_sarif
from tests.dashboard.anomalies.reports import BEHIND, HOSTILE, NO_PROBE, STREAM, STUCK, TWICE, hostile, report

# What SARIF 2.1.0 allows in the objects that are written here: names, and which of them must be there.
ALLOWED = {
    "run": ({"tool", "automationDetails", "invocations", "columnKind", "results", "properties"}, {"tool"}),
    "rule": (
        {
            "id",
            "name",
            "shortDescription",
            "fullDescription",
            "helpUri",
            "help",
            "defaultConfiguration",
            "properties",
        },
        {"id"},
    ),
    "result": (
        {
            *("ruleId", "ruleIndex", "level", "message", "locations", "partialFingerprints", "properties"),
            *("baselineState", "suppressions"),
        },
        {"message"},
    ),
}


def run_of(whole: dict[str, Any]) -> dict[str, Any]:
    return whole["runs"][0]


def test_it_writes_a_finding_with_its_rule_and_its_places():
    whole = as_sarif(report(BEHIND))
    run = run_of(whole)
    (result,) = run["results"]
    rule = run["tool"]["driver"]["rules"][result["ruleIndex"]]
    assert (whole["version"], rule["id"], result["ruleId"]) == (
        "2.1.0",
        "write_after_close",
        "write_after_close",
    )
    assert rule["helpUri"] == "http://localhost:8000/anomalies/kinds/write_after_close/"
    assert result["level"] == "error" and result["message"]["text"] == BEHIND.message
    places = result["locations"][0]["logicalLocations"]
    assert [(one["kind"], one["name"]) for one in places] == [
        ("run", "wrun_1"), ("stream", STREAM), ("chunk", "chnk_2"), ("chunk", "chnk_3"),
    ]  # fmt: skip
    assert places[-1]["fullyQualifiedName"] == f"/run/wrun_1/stream/{STREAM}/chunk/chnk_3"
    assert result["properties"] == {
        "severity": "error", "certainty": "proved", "evidence": {"chunks_behind": 2}, "missing": ["the probe"],
        "chunks": 2, "events": 0,
    }  # fmt: skip


def test_every_kind_has_a_rule_made_from_its_documentation():
    rules = run_of(as_sarif(report(), "https://tailrace.example/"))["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == kinds()
    for rule in rules:
        assert rule["helpUri"].startswith("https://tailrace.example/anomalies/kinds/")
        assert rule["fullDescription"]["text"] and "Why it matters" in rule["help"]["text"]


def test_it_holds_only_what_the_format_knows():
    run = run_of(as_sarif(report(BEHIND, STUCK), is_known=lambda found: found is STUCK))
    objects = [("run", run), *(("result", one) for one in run["results"])]
    objects += [("rule", one) for one in run["tool"]["driver"]["rules"]]
    for name, value in objects:
        allowed, required = ALLOWED[name]
        assert required <= value.keys() <= allowed, name
    levels = {one["level"] for one in run["results"]} | {
        one["defaultConfiguration"]["level"] for one in run["tool"]["driver"]["rules"]
    }
    assert levels <= {"none", "note", "warning", "error"}


def test_fingerprints_are_the_same_in_the_next_scan_and_tell_findings_apart():
    (first,) = run_of(as_sarif(report(BEHIND)))["results"]
    later = replace(
        BEHIND, message="Two more.", chunks=(*BEHIND.chunks, ChunkRef("chnk_4", None, 4)), severity="critical"
    )
    (again,) = run_of(as_sarif(report(later)))["results"]
    (other,) = run_of(as_sarif(report(replace(BEHIND, stream="strm_2_user_bm90ZXM"))))["results"]
    assert first["partialFingerprints"] == again["partialFingerprints"]
    assert first["partialFingerprints"]["finding/v1"] != other["partialFingerprints"]["finding/v1"]
    assert first["partialFingerprints"]["group/v1"] == other["partialFingerprints"]["group/v1"]


def test_what_was_not_checked_is_a_notification_never_a_result():
    run = run_of(as_sarif(report(unchecked=(NO_PROBE,))))
    (told,) = run["invocations"][0]["toolExecutionNotifications"]
    assert run["results"] == [] and told["level"] == "note"
    assert told["message"]["text"].startswith("chunk_lost not checked: not checked here")
    assert told["associatedRule"]["id"] == "chunk_lost"


def test_what_the_baseline_knows_is_suppressed_and_unchanged():
    known, new = run_of(as_sarif(report(BEHIND, TWICE), is_known=lambda found: found is BEHIND))["results"]
    assert known["baselineState"] == "unchanged" and known["suppressions"][0]["kind"] == "external"
    assert new["baselineState"] == "new" and new["suppressions"] == []
    (without,) = run_of(as_sarif(report(BEHIND)))["results"]
    assert "baselineState" not in without and "suppressions" not in without


def test_text_from_outside_is_neither_a_link_nor_a_placeholder_and_can_be_written():
    whole = as_sarif(hostile())
    text = json.dumps(whole, ensure_ascii=False).encode()
    assert json.loads(text) == whole
    message = run_of(whole)["results"][0]["message"]["text"]
    assert "{{0}}" in message and "\\[here](https://evil.example)" in message
    assert "[here](" not in message.replace("\\[", "")


def test_it_names_no_more_chunks_than_a_viewer_can_show():
    many = replace(BEHIND, chunks=tuple(ChunkRef(f"chnk_{n}", n, n) for n in range(5000)))
    (result,) = run_of(as_sarif(report(many)))["results"]
    assert len(result["locations"][0]["logicalLocations"]) == CHUNKS_NAMED + 2
    assert result["properties"]["chunks"] == 5000


@pytest.mark.parametrize(
    ("severity", "level"), [("info", "note"), ("warning", "warning"), ("critical", "error")]
)
def test_a_severity_has_its_level(severity: Any, level: str):
    (result,) = run_of(as_sarif(report(replace(TWICE, severity=severity))))["results"]
    assert result["level"] == level and HOSTILE not in result["message"]["text"]
