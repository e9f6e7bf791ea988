from __future__ import annotations

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from dashboard.anomalies.detectors.base import Found
from dashboard.anomalies.scan import (
    as_json,
    as_text,
    is_failure,
    printable,
    scan,
    scan_main,
    without_credentials,
)
from dashboard.lib import clock
from dashboard.lib.clock import NS_PER_S, now_ns
from runs.observations import EventSeen, Observation, RunSeen, Unreadable
from tests.dashboard.anomalies.worlds import FakeWorld, chunk_seen, chunks_seen, list_seen, run_seen
from tests.examples import ABSENT, RUN_ID, STREAM, WITHOUT_A_PROBE, devalue
from tests.recordings import unpack

BEHIND = "start text-start(t1) text-end(t1) finish close data-x"


def scanned(*observations: Observation, location: str = "fake") -> dict[str, Any]:
    return as_json(scan(FakeWorld(*observations, location=location)))


def run_scan(*argv: str) -> tuple[int, str, str]:
    out, err = StringIO(), StringIO()
    code = scan_main(argv, out, err)
    return code, out.getvalue(), err.getvalue()


def slow_run(number: int, seconds_ago: int, took_s: int | None = None) -> list[Observation]:
    """Began that long ago. One step, which took that long, or is at work."""
    run_id, began_ns = f"wrun_{number:026}", now_ns() - seconds_ago * NS_PER_S
    events = [("run_created", began_ns), ("run_started", began_ns), ("step_started", began_ns)]
    if took_s is not None:
        ended_ns = began_ns + took_s * NS_PER_S
        events += [("step_completed", ended_ns), ("run_completed", ended_ns)]
    status = "running" if took_s is None else "completed"
    return [RunSeen(run_id, status, "flow", began_ns, created_ns=began_ns)] + [
        EventSeen(run_id, f"evnt_{at}", kind, time_ns, "step_1" if "step" in kind else "", time_ns)
        for at, (kind, time_ns) in enumerate(events)
    ]


@pytest.mark.parametrize(("taught", "expected"), [(20, []), (19, ["step_unfinished"])])
def test_it_learns_what_is_usual_from_the_runs_that_it_reads(taught, expected):
    runs = [one for number in range(taught) for one in slow_run(number, 9000, took_s=1200)]
    alive = EventSeen("wrun_alive", "evnt_1", "run_created", now_ns(), created_ns=now_ns())
    found = scanned(*runs, *slow_run(99, 1500), alive)["findings"]
    assert [one["kind"] for one in found if one["run_id"] == f"wrun_{99:026}"] == expected


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack("4.2.4", "probe-lat", tmp_path_factory.mktemp("probe-lat"))


def local_world(folder: Path, *, name: str = STREAM) -> Path:
    """A directory with one run and one stream with data behind its end marker."""
    chunks = folder / "streams" / "chunks" / name
    chunks.mkdir(parents=True)
    (folder / "streams" / "runs").mkdir()
    (folder / "runs").mkdir()
    run = {
        "runId": RUN_ID,
        "status": "completed",
        "workflowName": "flow",
        "completedAt": "2026-01-01T00:00:00Z",
    }
    (folder / "runs" / f"{RUN_ID}.json").write_text(json.dumps(run))
    (folder / "streams" / "runs" / f"{RUN_ID}.json").write_text(json.dumps({"streams": [name]}))
    for number, content in enumerate([b"\0" + devalue("a"), b"\1", b"\0" + devalue("b")], 1):
        (chunks / f"chnk_{number:026}.bin").write_bytes(content)
    return folder


def test_it_reports_a_world_in_the_agreed_shape():
    report = scanned(run_seen(), list_seen(), *chunks_seen(BEHIND), Unreadable("steps/x.json", "truncated"))
    assert report == {
        "world": {"kind": "fake", "location": "fake", "sdk_versions": ["4.8.9"]},
        "counts": {"runs": 1, "steps": 0, "events": 0, "streams": 1, "chunks": 5},
        "findings": [
            {
                "kind": "write_after_close",
                "severity": "error",
                "certainty": "proved",
                "run_id": RUN_ID,
                "stream": STREAM,
                "step_id": None,
                "chunks": [{"chunk_id": f"chnk_{6:026}", "position": None}],
                "events": [],
                "message": "A chunk is stored behind the end marker: no reader gets it.",
                "evidence": report["findings"][0]["evidence"],
                "missing": [],
            }
        ],
        "unchecked": [
            *({"kind": kind, "reason": reason} for kind, reason in ABSENT.items()),
            {"kind": "unreadable", "reason": "steps/x.json: truncated"},
        ],
    }


def test_a_finding_inside_its_grace_is_listed_as_unchecked():
    just_now = run_seen(completed_ns=clock.now_ns())
    report = scanned(just_now, list_seen(), chunk_seen(1, devalue("a"), stored=-(10**18)))
    assert report["findings"] == []
    assert sorted(one["kind"] for one in report["unchecked"]) == sorted([*WITHOUT_A_PROBE, "never_closed"])


def test_a_listed_stream_without_any_chunk_was_never_closed():
    (finding,) = scanned(run_seen(completed_ns=5), list_seen())["findings"]
    assert (finding["kind"], finding["chunks"]) == ("never_closed", [])


def test_a_finding_without_a_known_run_has_none():
    report = scanned(list_seen("strm_x", run_id="wrun_other"), chunk_seen(1, devalue("a"), stored=-(10**12)))
    (finding,) = report["findings"]
    assert (finding["kind"], finding["run_id"], finding["stream"]) == ("stream_unlisted", None, STREAM)


def test_what_a_world_cannot_supply_is_said_once():
    world = FakeWorld(*chunks_seen('"a" close'), *chunks_seen('"a" close', stream="strm_b"))
    world.supplies = frozenset({"chunks"})  # type: ignore[misc]
    assert sorted(kind for kind, _ in scan(world).unchecked) == sorted([*WITHOUT_A_PROBE, "stream_unlisted"])


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("postgres://ann:s3cret@db:5432/app?sslmode=on", "postgres://db:5432/app?sslmode=on"),
        ("postgres://ann:p@ss/w@db/app", "postgres://db/app"),
        ("https://host/x?token=abc&team=7&api_key=9#top", "https://host/x?token=***&team=7&api_key=***#top"),
        ("host=db password=hunter2 dbname=x", "host=db password=*** dbname=x"),
        ("/home/ann@work/.workflow-data", "/home/ann@work/.workflow-data"),
    ],
)
def test_it_removes_credentials(location: str, shown: str):
    assert without_credentials(location) == shown
    assert scanned(location=location)["world"]["location"] == shown


def test_it_prints_findings_by_kind_and_a_summary():
    lines = list(as_text(scan(FakeWorld(run_seen(), list_seen(), *chunks_seen(BEHIND)))))
    assert lines == [
        "write_after_close: 1",
        "  error (proved): A chunk is stored behind the end marker: no reader gets it.",
        f"    run {RUN_ID} · stream {STREAM}",
        "",
        "not checked: 5",
        *(f"  {kind}: {reason}" for kind, reason in ABSENT.items()),
        "",
        "fake world fake (SDK 4.8.9): 1 run, 0 steps, 0 events, 1 stream, 5 chunks. Findings: 1 error.",
    ]


def test_it_prints_only_a_summary_of_a_clean_world():
    (line,) = as_text(scan(FakeWorld()))
    assert line.endswith("Findings: none.")


def test_it_lets_no_control_character_through():
    assert printable("a\x1b[2Jb\u202ec\n\udc80é") == "a\\x1b[2Jb\\u202ec\\n\\udc80é"


@pytest.mark.parametrize(
    ("severity", "certainty", "level", "fails"),
    [
        ("error", "proved", "error", True),
        ("error", "suspected", "error", True),
        ("error", "at_risk", "info", False),
        ("warning", "proved", "error", False),
        ("warning", "proved", "info", True),
        ("critical", "proved", "error", True),
        ("error", "proved", "critical", False),
    ],
)
def test_the_level_decides_what_fails(severity: Any, certainty: Any, level: str, fails: bool):
    assert is_failure([Found("kind", severity, certainty, "x")], level) is fails
    assert not is_failure([], level)


def test_the_command_fails_on_an_error_in_a_recorded_world(recording: Path):
    code, out, err = run_scan(str(recording), "--json")
    report = json.loads(out)
    kinds = {finding["kind"]: finding["severity"] for finding in report["findings"]}
    assert (code, err) == (1, "")
    assert kinds == {
        "write_after_close": "error",
        "closed_more_than_once": "warning",
        "protocol_violation": "error",
        "duplicate_event": "info",
    }
    assert report["world"] == {"kind": "local", "location": str(recording), "sdk_versions": ["4.2.4"]}
    assert report["counts"] == {"runs": 2, "steps": 11, "events": 41, "streams": 2, "chunks": 22}


@pytest.mark.parametrize(
    ("arguments", "code"), [([], 1), (["--fail-on", "critical"], 0), (["--fail-on=info"], 1)]
)
def test_the_exit_code_follows_the_level(recording: Path, arguments: list[str], code: int):
    assert run_scan(str(recording), *arguments)[0] == code


def test_an_empty_directory_is_a_clean_world(tmp_path: Path):
    code, out, err = run_scan(str(tmp_path))
    assert (code, err) == (0, "") and "0 runs" in out


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([], "WORLD"),
        (["x", "--fail-on", "loud"], "loud"),
        (["x", "--what"], "--what"),
        (["x", "y"], "y"),
        (["x", "--js"], "--js"),
    ],
)
def test_wrong_usage_is_64(argv: list[str], says: str):
    code, out, err = run_scan(*argv)
    assert (code, out) == (64, "")
    assert err.startswith("usage: tailrace scan") and says in err.splitlines()[-1]


def test_it_explains_itself():
    code, out, err = run_scan("--help")
    assert (code, err) == (0, "") and "--fail-on LEVEL" in out


def test_a_world_that_cannot_be_read_is_2_and_one_sentence(tmp_path: Path):
    a_file = tmp_path / "file"
    a_file.write_text("x")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("x")
    cases = {
        str(tmp_path / "absent"): "does not exist",
        str(a_file): "is a file",
        str(tmp_path / "other"): "does not look like",
        "mysql://ann:s3cret@db/app": "nothing here reads",
        str(tmp_path / "e\x1bvil"): "\\x1b",
    }
    for location, says in cases.items():
        code, out, err = run_scan(location)
        assert (code, out) == (2, ""), location
        assert says in err and err.count("\n") == 1 and "s3cret" not in err and "\x1b" not in err


def test_it_scans_what_it_can_of_a_damaged_world(tmp_path: Path):
    world = local_world(tmp_path)
    (world / "runs" / "wrun_bad.json").write_text('{"runId": "wrun_')
    (world / "streams" / "chunks" / STREAM / f"chnk_{9:026}.bin").write_bytes(b"")
    code, out, _ = run_scan(str(world), "--json")
    report = json.loads(out)
    assert code == 1
    assert "write_after_close" in [finding["kind"] for finding in report["findings"]]
    unreadable = sorted(one["reason"] for one in report["unchecked"] if one["kind"] == "unreadable")
    assert [reason.partition(": ")[0] for reason in unreadable] == [
        "runs/wrun_bad.json",
        f"{STREAM} chnk_{9:026}",
    ]


def test_a_hostile_stream_name_cannot_write_to_the_terminal(tmp_path: Path):
    world = local_world(tmp_path, name="strm_x\x1b]0;gone\x07\n")
    for option in ("--json", "--fail-on=info"):
        _, out, err = run_scan(str(world), option)
        assert "\x1b" not in out + err and "\x07" not in out + err


def test_the_command_needs_no_django(recording: Path):
    program = (
        "import sys; from dashboard.__main__ import main; code = main(sys.argv[1:]);"
        "sys.exit(99 if 'django' in sys.modules else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "scan", str(recording)], capture_output=True, check=False
    )
    assert done.returncode == 1, done.stderr
