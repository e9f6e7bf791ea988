"""The web shows no directory that is no world."""

from __future__ import annotations

import pytest

from dashboard.worlds.paths import why_not
from tests.runs.worlds.made_worlds import MadeWorld


@pytest.fixture
def world(tmp_path):
    MadeWorld(tmp_path / "shop").listed("s")
    return str(tmp_path / "shop")


def test_a_directory_that_the_sdk_wrote_may_be_added(world):
    assert why_not(world) == ""


def test_one_that_is_still_to_be_written_is_known_by_its_name(tmp_path, settings):
    (tmp_path / ".workflow-data").mkdir()
    assert why_not(str(tmp_path / ".workflow-data")) == ""
    assert why_not(str(tmp_path / "x" / "workflow-data")) == ""
    settings.SIGN_IN = True
    assert "at that machine" in why_not(str(tmp_path / ".workflow-data"))


@pytest.mark.parametrize("place", ["/etc", "/proc/1", "/", "/nowhere/at/all"])
def test_any_other_is_not(place):
    assert why_not(place)


def test_a_directory_of_other_files_or_a_link_to_one_is_not(tmp_path, settings):
    (tmp_path / "workflow-data").mkdir()
    (tmp_path / "workflow-data" / "notes.txt").write_text("private")
    assert "nothing there" in why_not(str(tmp_path / "workflow-data"))
    (tmp_path / ".workflow-data").symlink_to("/etc")
    assert "of the system" in why_not(str(tmp_path / ".workflow-data"))
    settings.DATA = tmp_path / "own"
    assert "own data" in why_not(str(tmp_path / "own"))
