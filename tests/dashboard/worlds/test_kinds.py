"""What each kind tells: from its class, in words, and the same in the documentation."""

from __future__ import annotations

from dashboard.anomalies.detectors.base import DETECTORS
from dashboard.worlds.kinds import EVIDENCE, about_kind, kinds, with_table
from runs.worlds.base import WORLDS
from tests.needs import ROOT

PAGE = ROOT / "docs" / "worlds.md"


def test_a_local_world_tells_all_but_who_wrote():
    local = about_kind("local")
    assert local is not None and local.can_be_added and local.unchecked == ()
    assert "chunk_lost" in local.with_probe and len(local.tells) == 2
    assert kinds()[0] == local, "it is offered first"


def test_an_app_that_only_pushes_leaves_the_stored_chunks_unchecked():
    probe = about_kind("probe")
    assert probe is not None and not probe.can_be_added and probe.with_probe == ()
    assert "who wrote" in probe.tells[1] and not any("who wrote" in one for one in probe.not_told)
    assert {"write_after_close", "out_of_order"} <= set(probe.unchecked)
    assert about_kind("carrier-pigeon") is None


def test_all_evidence_that_is_asked_for_has_words():
    assert {need for one in DETECTORS.found.values() for need in one.needs} <= EVIDENCE.keys()


def test_the_documentation_has_every_kind_as_its_class_says():
    text = PAGE.read_text()
    assert text == with_table(text), "run python scripts/world_docs.py"
    assert all(f"| `{kind}`: " in text for kind in WORLDS.found)


def test_all_that_the_command_can_do_is_documented():
    from dashboard.management.commands.worlds import ACTIONS

    text = PAGE.read_text()
    assert all(f"tailrace worlds {action}" in text for action in ACTIONS if action != "list")
