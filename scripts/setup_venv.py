"""Makes .venv, or brings it up to date: python scripts/setup_venv.py requirements.lock

Run by whatever Python is on the machine, so standard library only. uv installs in seconds what takes pip
half a minute; where uv cannot work (no build of it for this machine, an index that only pip is set up
for), pip does the same with the same hashes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
OLDEST = (3, 11)
UV = "uv>=0.8,<1"
PIP_QUIET = ("--quiet", "--disable-pip-version-check")


def main(lock: str) -> int:
    if sys.version_info < OLDEST:
        print(f"Tailrace needs Python 3.11 or newer, this is {sys.version.split()[0]}.", file=sys.stderr)
        return 1
    if not works([PYTHON, "-c", "import pip"]) and not make_venv():
        return 1
    print(f"installing {lock} into .venv", flush=True)
    if not install(ROOT / lock):
        print(
            f"Could not install {lock}: see above. Is PyPI, or an index set up for pip, in reach?",
            file=sys.stderr,
        )
        return 1
    return 0


def make_venv() -> bool:
    done = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", VENV], capture_output=True, text=True, check=False
    )
    if done.returncode:
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        print(
            f"Python's venv module is missing or broken: install the package {package}"
            f" (on Debian and Ubuntu: apt-get install {package}).\n{done.stdout}{done.stderr}",
            file=sys.stderr,
        )
    return done.returncode == 0


def install(lock: Path) -> bool:
    """The locked packages, then Tailrace itself from this directory, so that .venv/bin/tailrace works."""
    has_uv = works([PYTHON, "-m", "uv", "--version"]) or works(
        [PYTHON, "-m", "pip", "install", *PIP_QUIET, UV]
    )
    with_uv: list[str | Path] = [PYTHON, "-m", "uv", "pip", "install", "--quiet", "--python", PYTHON]
    with_pip: list[str | Path] = [PYTHON, "-m", "pip", "install", *PIP_QUIET]
    for command in [with_uv, with_pip] if has_uv else [with_pip]:
        if shown([*command, "--require-hashes", "-r", lock]) and shown([*command, "--no-deps", "-e", ROOT]):
            return True
        if command is with_uv:
            print("uv could not do it, now with pip", flush=True)
    return False


def works(command: Sequence[str | Path]) -> bool:
    """Whether it succeeds; what it prints does not matter."""
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def shown(command: Sequence[str | Path]) -> bool:
    # uv links from its cache where it can; across file systems it cannot, which is no reason for a warning.
    environment = {"UV_LINK_MODE": "copy", **os.environ}
    return subprocess.run(command, env=environment, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
