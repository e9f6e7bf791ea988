"""axe-core, which checks pages for what keeps people with a keyboard or a screen reader out. Standard library only."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

from tests.lab.app import CACHE, NPM_INSTALL, QUIET, RETRY_WAITS
from tests.needs import find_node

SOURCE = Path(__file__).resolve().parent
HOME = CACHE / "axe"
FILES = ("package.json", "package-lock.json")


def find_axe() -> Path | None:
    """The script, in the version of our lock."""
    wanted = json.loads((SOURCE / "package.json").read_text())["dependencies"]["axe-core"]
    package = HOME / "node_modules" / "axe-core"
    if not (package / "axe.min.js").is_file():
        return None
    is_wanted = json.loads((package / "package.json").read_text())["version"] == wanted
    return package / "axe.min.js" if is_wanted else None


def install_axe() -> str:
    """From npm into `.cache/axe`; what npm said where it failed, else nothing."""
    node = find_node()
    if node is None:
        return "axe-core comes with npm, which is not there"
    HOME.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(SOURCE / name, HOME / name)
    environment = (
        os.environ | QUIET | {"PATH": f"{node.node.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    )
    for wait in (*RETRY_WAITS, None):
        done = subprocess.run(
            [*node.npm, *NPM_INSTALL], cwd=HOME, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return ""
        if wait is not None:
            time.sleep(wait)
    return (done.stdout + done.stderr)[-2000:]
