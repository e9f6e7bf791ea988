"""The recordings are evidence: they come out exactly as they were written."""

from __future__ import annotations

import tarfile

import pytest

from tests import recordings


@pytest.mark.parametrize("sdk", [*recordings.SDKS, recordings.PYTHON_SDK])
def test_a_recording_is_unpacked_with_its_exact_times(sdk, tmp_path):
    world = recordings.unpack(sdk, "plain", tmp_path)

    with tarfile.open(recordings.RECORDINGS / "local" / sdk / "plain" / "data.tar.gz") as archive:
        expected = {member.name: recordings.modified_ns(member) for member in archive}
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in expected} == expected
    assert any(time % 1_000_000 for time in expected.values()), "no times below a millisecond"
    assert (world / "streams" / "chunks").is_dir()


@pytest.mark.parametrize(
    ("sdk", "label"), [*((sdk, "plain") for sdk in recordings.SDKS), ("4.2.4", "probe-lat")]
)
def test_every_described_run_is_in_its_recording(sdk, label, tmp_path):
    world = recordings.unpack(sdk, label, tmp_path)

    described = {run for entry in recordings.scenarios(sdk, label) for run in entry["runIds"]}
    assert described == {file.stem for file in (world / "runs").glob("*.json")}


def test_every_described_run_of_the_python_sdk_is_in_its_recording(tmp_path):
    world = recordings.unpack(recordings.PYTHON_SDK, "plain", tmp_path)

    described = {entry["run_id"] for entry in recordings.python_scenarios().values()}
    assert described == {file.stem for file in (world / "runs").glob("*.json")}
