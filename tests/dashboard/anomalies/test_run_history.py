"""What a scan says of runs, without a database."""

from __future__ import annotations

import io
import json
from pathlib import Path

from dashboard.anomalies.run_history import RunHistory
from dashboard.anomalies.scan import as_json, as_text, scan, scan_main
from dashboard.lib.clock import NS_PER_S, now_ns
from runs.observations import EventSeen, HookSeen, RunSeen, StepSeen, WaitSeen
from tests.dashboard.anomalies.worlds import FakeWorld
from tests.recordings import unpack

RUN = "wrun_" + "1" * 26
OTHER = "wrun_" + "2" * 26


def run_seen(run_id: str, at_ns: int, status: str = "running", source_ns: int | None = None) -> RunSeen:
    return RunSeen(run_id, status, "flow", source_ns or at_ns, sdk_version="4.8.9", created_ns=at_ns)


def event(number: int, kind: str, at_ns: int, about: str = "", run_id: str = RUN) -> EventSeen:
    return EventSeen(run_id, f"evnt_{number:026}", kind, at_ns, about, created_ns=at_ns)


def test_a_stuck_run_is_told_once_its_world_has_moved_on():
    now = now_ns()
    old = [run_seen(RUN, now - 7200 * NS_PER_S), event(1, "run_created", now - 7200 * NS_PER_S)]
    (quiet,) = scan(FakeWorld(*old)).findings
    assert (quiet.kind, quiet.severity, quiet.certainty) == ("run_stuck", "info", "at_risk")
    alive = [run_seen(OTHER, now), event(1, "run_created", now, run_id=OTHER)]
    (found,) = scan(FakeWorld(*old, *alive)).findings
    assert (found.kind, found.run_id, found.severity) == ("run_stuck", RUN, "error")


def test_a_finding_of_a_run_has_no_stream_in_json_and_in_text():
    now = now_ns()
    seen = [run_seen(RUN, now), event(1, "run_created", now), event(2, "run_created", now)]
    report = scan(FakeWorld(*seen))
    (finding,) = as_json(report)["findings"]
    assert (finding["kind"], finding["run_id"], finding["stream"]) == ("duplicate_event", RUN, None)
    assert finding["events"] == [f"evnt_{1:026}", f"evnt_{2:026}"] and finding["chunks"] == []
    lines = list(as_text(report))
    assert "  info (proved): The log has one event too many: run_created 2 times." in lines
    assert f"    run {RUN} · stream -" in lines


def test_a_healthy_running_run_says_nothing_not_even_what_was_not_checked():
    now = now_ns()
    report = scan(FakeWorld(run_seen(RUN, now), event(1, "run_created", now), event(2, "run_started", now)))
    assert report.findings == [] and report.unchecked == []


def test_the_newer_version_of_a_row_counts_whatever_comes_first():
    history = RunHistory()
    for seen in (
        run_seen(RUN, 1, "completed", source_ns=9),
        run_seen(RUN, 1, source_ns=2),
        StepSeen(RUN, "s", "completed", "x", 9),
        StepSeen(RUN, "s", "running", "x", 2),
        WaitSeen(RUN, f"{RUN}-w", "waiting", 1, resume_ns=5),
        HookSeen(RUN, "h", "token", 1),
    ):
        history.take(seen)
    (facts,) = history.facts({}, 0, 10)
    assert (facts.status, facts.steps[0].status) == ("completed", "completed")
    assert (facts.waits[0].wait_id, facts.hooks[0].token) == ("w", "token")


def test_a_run_purged_by_retention_is_not_judged_by_what_is_left():
    past = RunSeen(RUN, "failed", "flow", 1, created_ns=1, completed_ns=2, expired_ns=3)
    assert scan(FakeWorld(past)).findings == []
    kept = RunSeen(RUN, "failed", "flow", 1, created_ns=1, completed_ns=2)
    assert [one.kind for one in scan(FakeWorld(kept)).findings] == ["error_lost"]


def test_the_command_fails_on_a_run_that_is_wedged(tmp_path: Path):
    folder = unpack("5.0.0-beta.55", "plain", tmp_path)
    ends = sorted(path for path in folder.glob("events/*.json") if '"run_completed"' in path.read_text())
    ends[0].unlink()  # of the oldest run: its world has gone on for a minute since
    code, out = _command(folder)
    kinds = {one["kind"]: one["severity"] for one in out["findings"] if one["stream"] is None}
    assert kinds["entity_log_mismatch"] == "critical" and code == 1


def _command(folder: Path) -> tuple[int, dict]:
    out = io.StringIO()
    code = scan_main([str(folder), "--json", "--fail-on", "critical"], out, io.StringIO())
    return code, json.loads(out.getvalue())


def test_the_command_is_content_where_nothing_is_wedged(tmp_path: Path):
    code, out = _command(unpack("5.0.0-beta.55", "plain", tmp_path))
    assert code == 0 and all(one["severity"] != "critical" for one in out["findings"])
