"""Apps of the real SDK report through the probe: what Tailrace then finds is what truly happened to them.

`make lab` does the same with more versions, worlds and scenarios.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.lab import VERSIONS
from tests.lab.matrix import run_cell
from tests.lab.setups import TESTED
from tests.lab.verdict import Verdict

RACE = "several writers racing"


@pytest.mark.parametrize("version", VERSIONS)
def test_it_finds_what_happened_and_the_app_does_not_notice(version, lab, tmp_path):
    lab(version)

    verdicts = {verdict.scenario: verdict for verdict in run_cell(version, TESTED, tmp_path)}

    assert {scenario: verdict.wrong for scenario, verdict in verdicts.items() if verdict.wrong} == {}
    assert set(TESTED.scenarios) <= verdicts.keys()
    assert _found(verdicts.values()) == EXPECTED[version], "and what this test is there for did happen"
    warnings = [line for line in _log(tmp_path, "with").splitlines() if RACE in line]
    assert len(warnings) == (1 if version == "4.8.9" else 0), "one for the step, not one for each write"
    assert all("writeEachAnew" in line and "getWritable() once" in line for line in warnings)
    assert RACE not in _log(tmp_path, "without")


# On 4.x a step is over before its last writes are: the last step's are refused. 5.x waits for them.
EXPECTED = {
    "4.8.9": {"racing_writers", "out_of_order", "write_rejected", "chunk_lost"},
    "5.0.0-beta.55": set(),
}


def _found(verdicts: Iterable[Verdict]) -> set[str]:
    return {kind for verdict in verdicts for kind in verdict.found}


def _log(folder: Path, which: str) -> str:
    return (folder / which / "app.log").read_text()
