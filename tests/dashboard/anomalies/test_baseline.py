from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path
from xml.etree.ElementTree import parse as parse_xml

import pytest

from dashboard.anomalies.baseline import BaselineError, as_text, parse, read
from dashboard.anomalies.scan import scan_main
from tests.dashboard.anomalies.reports import BEHIND, STUCK, TWICE, hostile, report
from tests.recordings import unpack


def written(*findings, is_exact: bool = False):
    return parse(as_text(report(*findings)).encode(), "base.json", is_exact=is_exact)


def run_scan(*argv: str) -> tuple[int, str, str]:
    out, err = StringIO(), StringIO()
    return scan_main(argv, out, err), out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(unpack("4.2.4", "probe-lat", tmp_path_factory.mktemp("probe-lat")))


def test_it_knows_what_it_was_written_from():
    baseline = written(BEHIND, STUCK)
    assert baseline.knows(BEHIND, report()) and baseline.knows(STUCK, report())
    assert not baseline.knows(TWICE, report())


def test_the_same_kind_in_another_stream_is_known_unless_streams_are_told_apart():
    elsewhere = replace(BEHIND, stream="strm_2_user_bm90ZXM", run_id="wrun_2")
    both = report(workflows={"wrun_1": "flow", "wrun_2": "flow"})
    assert written(BEHIND).knows(elsewhere, both)
    assert not written(BEHIND, is_exact=True).knows(elsewhere, both)
    assert written(BEHIND, is_exact=True).knows(BEHIND, both)


@pytest.mark.parametrize(
    "other",
    [
        replace(BEHIND, stream="strm_1_user_b3RoZXI"),
        replace(BEHIND, run_id="wrun_of_another_workflow"),
        replace(BEHIND, step_id="step_1"),
        replace(BEHIND, severity="critical"),
    ],
)
def test_another_namespace_workflow_step_or_a_worse_one_is_new(other):
    assert not written(BEHIND).knows(other, report())


def test_the_file_changes_only_when_what_is_known_changes():
    assert as_text(report(BEHIND, TWICE)) == as_text(report(TWICE, BEHIND))
    whole = json.loads(as_text(report(BEHIND, BEHIND, TWICE)))
    assert whole["tailrace_baseline"] == 1
    assert [(one["kind"], one["count"]) for one in whole["findings"]] == [
        ("closed_more_than_once", 1),
        ("write_after_close", 2),
    ]
    assert not re.search("wrun_|time", json.dumps(whole))


def test_text_from_outside_comes_back_as_it_went():
    whole = hostile()
    assert parse(as_text(whole).encode(), "x").knows(whole.findings[0], whole)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[1]", "not written by --write-baseline"),
        (b'{"runs": []}', "not written by --write-baseline"),
        (b'{"tailrace_baseline": true}', "not written by --write-baseline"),
        (b'{"tailrace_baseline": 2, "findings": []}', "version 2"),
        (b'{"tailrace_baseline": 1}', "no list of findings"),
        (b'{"tailrace_baseline": 1, "findings": [{"kind": "x"}]}', "finding 1 is not whole"),
        (b'{"tailrace_baseline": 1, "findings": [7]}', "finding 1 is not whole"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_a_damaged_or_foreign_file_is_a_clear_error(raw: bytes, says: str):
    with pytest.raises(BaselineError, match=says):
        parse(raw, "base.json")


def test_a_file_that_is_not_there_is_one_as_well(tmp_path: Path):
    with pytest.raises(BaselineError, match="No such file"):
        read(str(tmp_path / "absent.json"))


def test_a_team_starts_from_today(recording: str, tmp_path: Path):
    base = str(tmp_path / "base.json")
    assert run_scan(recording)[0] == 1
    code, out, _ = run_scan(recording, "--write-baseline", base)
    assert code == 0 and "Known already: 4." in out
    code, out, _ = run_scan(recording, "--baseline", base, "--json")
    assert code == 0 and all(one["known"] for one in json.loads(out)["findings"])
    entries = json.loads(Path(base).read_text())
    entries["findings"] = [one for one in entries["findings"] if one["kind"] != "write_after_close"]
    Path(base).write_text(json.dumps(entries))
    code, out, _ = run_scan(recording, "--baseline", base)
    assert code == 1 and "warning (proved, known)" in out and "error (proved): 5 chunks" in out


def test_each_format_goes_to_a_file(recording: str, tmp_path: Path):
    for form in ("text", "json", "sarif", "junit"):
        code, out, err = run_scan(recording, "--format", form, "--output", str(tmp_path / form))
        assert (code, out, err) == (1, "", ""), form
    assert json.loads((tmp_path / "sarif").read_text())["version"] == "2.1.0"
    assert parse_xml(tmp_path / "junit").getroot().get("failures") == "2"
    assert json.loads((tmp_path / "json").read_text())["counts"]["streams"] == 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--baseline", "/absent/base.json"], "cannot be read"),
        (["--output", "/absent/out.json"], "cannot be written"),
        (["--write-baseline", "/absent/base.json"], "cannot be written"),
        (["--json", "--format", "sarif"], "contradict"),
        (["--baseline-exact"], "needs --baseline"),
        (["--format", "html"], "html"),
    ],
)
def test_what_cannot_be_read_or_written_is_64_and_says_so(recording: str, options: list[str], says: str):
    code, out, err = run_scan(recording, *options)
    assert (code, out) == (64, "") and says in err.splitlines()[-1]


def test_the_installed_command_has_the_documented_exit_statuses(recording: str, tmp_path: Path):
    command = [str(Path(sys.executable).with_name("tailrace")), "scan"]
    base = str(tmp_path / "base.json")

    def status(*argv: str) -> int:
        return subprocess.run([*command, *argv], capture_output=True, timeout=60, check=False).returncode

    assert status(recording, "--format", "sarif") == 1
    assert status(recording, "--write-baseline", base) == 0
    assert status(recording, "--baseline", base, "--format", "junit") == 0
    assert status(str(tmp_path / "absent"), "--format", "sarif") == 2
    assert status(recording, "--baseline", recording + "/absent") == 64
