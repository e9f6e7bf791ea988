"""The recordings of PostgreSQL are judged by their own ground truth, and what is not found is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from dashboard.anomalies.detectors.base import SEVERITIES
from tests.accuracy.postgres import DIVERGES, results
from tests.recordings import RECORDINGS

pytestmark = pytest.mark.postgres
LOUD = SEVERITIES.index("warning")


def test_all_that_is_true_is_found_and_nothing_else_is_loud():
    found = {result.name: result for result in results(RECORDINGS)}
    assert found.keys() == {"postgres 4.3.7", "postgres 4.3.7/app", "postgres 5.0.0-beta.29"}
    for result in found.values():
        loud = {fact for fact in result.false if SEVERITIES.index(result.found[fact].severity) >= LOUD}
        assert (result.missed, loud) == (set(), set())
        assert len(result.expected) >= 10
    app = found["postgres 4.3.7/app"]
    ((_, run_id),) = [fact for fact in app.found if fact[0] == DIVERGES]
    assert app.scenario_of[run_id] == "b_reacquire"
    assert app.found[DIVERGES, run_id].certainty == "suspected"


def test_what_a_recording_says_and_nobody_finds_is_missed(tmp_path: Path):
    folder = tmp_path / "postgres"
    folder.mkdir()
    shutil.copy(RECORDINGS / "postgres" / "postgres-4.3.7.sql.gz", folder)
    entries = json.loads((RECORDINGS / "postgres" / "scenarios.json").read_text())
    clean = next(one for one in entries if (one["scenario"], one["version"]) == ("clean", "4.3.7"))
    clean["anomalies_present"] = ["double-close"]
    (folder / "scenarios.json").write_text(json.dumps([clean]))
    (result,) = results(tmp_path)
    assert result.missed == {("closed_more_than_once", clean["runIds"][0])}
    assert "write_after_close" in {kind for kind, _ in result.false}, "and what is found is false then"


def test_no_recordings_are_no_results(tmp_path: Path):
    assert list(results(tmp_path)) == []
