"""Builds the wheel and proves that it is enough: installed alone, in an empty directory, it serves.

    python scripts/wheel_check.py

The wheel stays in dist/. Needs the development lock (build, hatchling) and, for the dependencies in the
fresh environment, what set up .venv.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urljoin
from urllib.request import urlopen

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.needs import ROOT
from tests.processes import end, free_port, with_parent
from tests.recordings import unpack

READY_WITHIN = 60.0
CARRIED = ("dashboard/templates/", "dashboard/static/css/", "dashboard/static/js/", "runs/", "streams/")
NOT_CARRIED = re.compile(r"(^|/)(tests|scripts|bench|docs)/|^(templates|static)/|\.cache|__pycache__")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="tailrace-wheel-") as folder:
        wheel = build()
        check_contents(wheel)
        tailrace = install(wheel, Path(folder) / "venv")
        world = unpack("4.8.9", "plain", Path(folder) / "world")
        empty = Path(folder) / "empty"
        empty.mkdir()
        serve(tailrace, world, empty)
    print(f"{wheel.name}: has its templates and static files, no tests, and serves from an empty directory")


def build() -> Path:
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    # hatchling comes from the lock, like everything else: nothing is fetched to build.
    run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", ROOT / "dist", ROOT])
    (wheel,) = (ROOT / "dist").glob("*.whl")
    return wheel


def check_contents(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for prefix in CARRIED:
        if not any(name.startswith(prefix) for name in names):
            sys.exit(f"{wheel.name} has nothing in {prefix}")
    if stray := [name for name in names if NOT_CARRIED.search(name)]:
        sys.exit(f"{wheel.name} carries what it should not: {', '.join(stray[:5])}")


def install(wheel: Path, venv: Path) -> Path:
    """A new environment with the runtime lock and the wheel; gives its `tailrace`."""
    python = venv / "bin" / "python"
    run([sys.executable, "-m", "venv", venv])
    has_uv = subprocess.run([sys.executable, "-m", "uv", "--version"], capture_output=True, check=False)
    with_uv: list[str | Path] = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", python]
    command = with_uv if has_uv.returncode == 0 else [python, "-m", "pip", "install", "--quiet"]
    run([*command, "--require-hashes", "-r", ROOT / "requirements.lock"])
    run([*command, "--no-deps", wheel])
    return venv / "bin" / "tailrace"


def serve(tailrace: Path, world: Path, directory: Path) -> None:
    """Starts it where no checkout is near and asks for a page and all it links to."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    argv = [*with_parent(), str(tailrace), "serve", str(world), "--port", str(port)]
    bare = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    with (directory.parent / "log").open("w+") as log:
        process = subprocess.Popen(argv, cwd=directory, env=bare, stdout=log, stderr=log, text=True)
        try:
            wait_until_ready(process, url)
            check_pages(url)
            process.send_signal(signal.SIGTERM)
            process.wait(15)
        except (SystemExit, OSError, subprocess.TimeoutExpired) as error:
            sys.exit(f"{error}\n{(directory.parent / 'log').read_text()[-4000:]}")
        finally:
            end(process)


def wait_until_ready(process: subprocess.Popen[str], url: str) -> None:
    until = time.monotonic() + READY_WITHIN
    while process.poll() is None and time.monotonic() < until:
        try:
            fetch(f"{url}/health/ready")
            return
        except URLError:
            time.sleep(0.1)
    sys.exit("the installed wheel did not become ready")


def check_pages(url: str) -> None:
    page = fetch(f"{url}/").decode()
    linked = re.findall(r"""(?:href|src)=["'](/static/[^"']+)""", page)
    if not any(".css" in link for link in linked) or not any(".js" in link for link in linked):
        sys.exit(f"the first page links to no style or no script: {linked}")
    for link in linked:
        fetch(urljoin(url, link))


def fetch(url: str) -> bytes:
    with urlopen(url, timeout=30) as answer:
        return bytes(answer.read())


def run(argv: list[str | Path]) -> None:
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, argv))} failed:\n{(done.stdout + done.stderr)[-4000:]}")


if __name__ == "__main__":
    main()
