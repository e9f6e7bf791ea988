"""Runs the small apps of tests/probe/node with and without the probe."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from tests.needs import ROOT, find_node
from tests.probe.intake import Intake
from tests.processes import with_parent

HERE = Path(__file__).resolve().parent / "node"
PROBE = ROOT / "static" / "probe" / "tailrace-probe.cjs"
RUN = "wrun_01M803XX9EKPGB0DR66MWJRZ8Z"
STRICT = "--unhandled-rejections=strict"
TIMEOUT = 60


def environment(intake: Intake | None, **env: str) -> dict[str, str]:
    foreign = ("TAILRACE_", "WORKFLOW_", "NODE_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    # Nobody listens on port 9 of loopback.
    return {**kept, "TAILRACE_URL": intake.url if intake else "http://127.0.0.1:9", **env}


def command(script: str, *args: str, node: tuple[str, ...] = ()) -> list[str]:
    found = find_node()
    assert found is not None, "Node.js 20.19 or newer is needed"
    return [*with_parent(), str(found.node), *node, str(HERE / script), *args]


def run(
    intake: Intake | None, script: str, *args: str, node: tuple[str, ...] = (), **env: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(script, *args, node=node),
        env=environment(intake, **env),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def app(intake: Intake | None, scenario: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A scenario that has to end well, with Node complaining of any rejection that nobody handles."""
    done = run(intake, "app.cjs", scenario, node=(STRICT,), **env)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ['"done"']), done.stderr
    return done


def orders(writes: list[dict[str, Any]]) -> list[tuple[int, int]]:
    return [(chunk["pair"], chunk["order"]) for write in writes for chunk in write["chunks"]]
