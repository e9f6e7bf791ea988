"""How static/probe/tailrace-probe.cjs finds the world that it is to wrap."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.needs import find_node
from tests.probe.apps import HERE, PROBE, TIMEOUT, environment
from tests.probe.intake import Intake
from tests.processes import with_parent


def test_it_finds_the_local_world_where_only_the_sdk_sees_it(intake, tmp_path):
    _package(tmp_path / "store" / "node_modules" / "workflow", "4.8.9", "")
    _package(tmp_path / "store" / "node_modules" / "@workflow" / "core", "4.8.9", "")
    made = "exports.createLocalWorld = (o) => ({ ...require(process.env.FLAT)(), dataDir: o.dataDir });"
    _package(tmp_path / "store" / "node_modules" / "@workflow" / "world-local", "4.4.1", made)
    (tmp_path / "app" / "node_modules").mkdir(parents=True)
    (tmp_path / "app" / "node_modules" / "workflow").symlink_to(tmp_path / "store/node_modules/workflow")
    env = {"TAILRACE_WORLD": "local", "WORKFLOW_LOCAL_DATA_DIR": "data", "FLAT": str(HERE / "worlds.cjs")}

    done = _load(intake, tmp_path / "app", env)

    assert done.stdout.strip() == "data", done.stderr
    app_of = intake.batches[0]["app"]
    assert (app_of["sdk"], app_of["location"]) == ("4.8.9", str(tmp_path / "app" / "data"))


@pytest.mark.parametrize(
    ("world", "says"),
    [
        ("local", "Cannot find module '@workflow/world-local'"),
        ("./nowhere.cjs", "Cannot find module './nowhere.cjs'"),
        ("./empty.cjs", "Invalid target world module: ./empty.cjs"),
        (str(PROBE), "names the probe itself"),
    ],
)
def test_it_says_what_to_do_when_there_is_no_world_to_wrap(tmp_path, world, says):
    (tmp_path / "empty.cjs").write_text("")

    done = _load(None, tmp_path, {"TAILRACE_WORLD": world})

    assert done.returncode == 1
    assert says in done.stderr
    assert "Set TAILRACE_WORLD to" in done.stderr


@pytest.mark.parametrize(("version", "order"), [("4.8.9", "default"), ("5.0.0", "createWorld")])
def test_a_module_is_asked_for_its_world_as_the_sdk_of_that_version_does(tmp_path, version, order):
    _package(tmp_path / "node_modules" / "workflow", version, "")
    text = "exports.default = () => ({ dataDir: 'default' }); exports.createWorld = () => ({ dataDir: 'createWorld' });"
    (tmp_path / "both.cjs").write_text(text)

    assert _load(None, tmp_path, {"TAILRACE_WORLD": "./both.cjs"}).stdout.strip() == order


def test_a_world_that_has_to_be_imported_is_waited_for(tmp_path):
    _package(tmp_path / "node_modules" / "workflow", "5.0.0", "")
    text = "await 0; export const createWorld = async () => ({ dataDir: 'imported' });"
    (tmp_path / "late.mjs").write_text(text)

    assert _load(None, tmp_path, {"TAILRACE_WORLD": "./late.mjs"}).stdout.strip() == "imported"


def _package(folder: Path, version: str, text: str) -> None:
    folder.mkdir(parents=True)
    (folder / "package.json").write_text(
        json.dumps({"name": folder.name, "version": version, "main": "index.js"})
    )
    (folder / "index.js").write_text(text)


def _load(intake: Intake | None, folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    script = (
        f"Promise.resolve(require({json.dumps(str(PROBE))})()).then((world) => console.log(world.dataDir))"
    )
    # Long enough for the first batch to be sent.
    script += ".then(() => setTimeout(() => {}, 200))"
    node = find_node()
    assert node is not None
    return subprocess.run(
        [*with_parent(), str(node.node), "-e", script],
        cwd=folder,
        env=environment(intake, **env),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
