"""Every kind of a run's finding against what is truly wrong in all recordings kept here, and how that is counted."""

from __future__ import annotations

import json

import pytest

from dashboard.anomalies.detectors.base import Found
from tests.accuracy.local import judged, main, recordings
from tests.accuracy.runs import Tally, kinds_of, lines_of, tally, truths
from tests.recordings import PYTHON_SDK, RECORDINGS


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Tally]]:
    """Of all recordings: the JavaScript SDKs' lie in one folder, the Python SDK's in another."""
    folder = tmp_path_factory.mktemp("local")
    (folder / "scenarios.json").write_bytes((RECORDINGS / "scenarios.json").read_bytes())
    for sdk in (RECORDINGS / "local").iterdir():
        if sdk.name != PYTHON_SDK:
            (folder / sdk.name).symlink_to(sdk)
    python = RECORDINGS / "local" / PYTHON_SDK
    archive = next(python.rglob("data.tar.gz"))
    scenarios = json.loads((python / "scenarios.json").read_text())["scenarios"].values()
    found = {name: judged(archive, entries) for name, archive, entries in recordings(folder)}
    found["python"] = judged(archive, [{"runIds": [one["run_id"]]} for one in scenarios])
    return found


def test_nothing_is_missed_and_nothing_loud_is_wrong(table):
    bad = {
        (name, kind): (row.missed, row.false)
        for name, rows in table.items()
        for kind, row in rows.items()
        if row.missed or row.false
    }
    assert bad == {}


def test_the_recordings_hold_what_they_are_said_to(table):
    expected = {kind for rows in table.values() for kind, row in rows.items() if row.expected}
    assert expected == {"duplicate_event", "event_after_end"}
    assert sum(row.expected for rows in table.values() for row in rows.values()) >= 10
    assert len(table) >= 11


def test_a_miss_and_a_false_one_are_told_apart():
    truth = {"wrun_1": {"run_stuck"}, "wrun_2": set()}
    found = [
        Found("step_unfinished", "warning", "proved", "x.", run_id="wrun_2"),
        Found("wait_left_open", "info", "proved", "x.", run_id="wrun_2"),
        Found("never_closed", "error", "proved", "of a stream", run_id="wrun_2", stream="s"),
    ]
    rows = tally(found, truth)
    assert (rows["run_stuck"].expected, rows["run_stuck"].missed) == (1, ["wrun_1"])
    assert rows["step_unfinished"].false == ["wrun_2"]
    assert (rows["wait_left_open"].false, rows["wait_left_open"].quiet) == ([], 1)
    assert "never_closed" not in rows
    assert list(lines_of({"x": rows}))[-1].split() == ["all", "1", "2", "1", "1", "1"]


def test_the_words_of_recordings_are_read_by_their_beginning():
    assert kinds_of(["duplicate step_created events for one step", "never-closed"]) == {"duplicate_event"}
    assert kinds_of(["two-writers", "run-cancelled"]) == set()
    assert truths([{"runIds": ["a", "b"], "anomalies_present": ["hook-token-conflict"]}]) == {
        "a": set(),
        "b": {"hook_conflict"},
    }


def test_the_command_says_what_was_missed(tmp_path, capsys):
    folder = tmp_path / "recorded"
    folder.mkdir()
    source = RECORDINGS / "local" / "4.2.4" / "probe-lat"
    (folder / "4.2.4").mkdir()
    (folder / "4.2.4" / "probe-lat").symlink_to(source)
    known = json.loads((RECORDINGS / "scenarios.json").read_text())
    (folder / "scenarios.json").write_text(json.dumps(known))
    assert main(str(folder)) == 0
    for entry in known:
        entry["anomalies"] = [{"anomaly": "stuck-step"}]
    (folder / "scenarios.json").write_text(json.dumps(known))
    assert main(str(folder)) == 1
    assert "step_unfinished: missed" in capsys.readouterr().out
