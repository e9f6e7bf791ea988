"""Tailrace itself as a process of its own, for tests that only talk to it as a person or a script would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from tests.needs import ROOT
from tests.processes import end, free_port, with_parent

READY_WITHIN = 120.0  # seconds: a busy machine takes long to import everything


class Server:
    """`manage.py serve` on a free port, ready to answer.

    server = Server(world, data)              # tests take the fixture `serve`, which also cleans up
    urlopen(server.url + "/")
    server.kill(); server.start()             # the same world, data and port again
    """

    def __init__(
        self, world: Path | str | None, data: Path, *args: str, env: Mapping[str, str] | None = None
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._argv = [sys.executable, "manage.py", "serve", *([str(world)] if world is not None else [])]
        self._argv += ["--port", str(self.port), "--data", str(data), *args]
        self._env = {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})}
        self._output = tempfile.NamedTemporaryFile("a", suffix=".log")  # noqa: SIM115 - lives as long as the server
        self.start()

    def start(self, within: float = READY_WITHIN) -> None:
        """Starts it, again after `kill` or `stop`, and waits until it says that it is ready."""
        self.process = subprocess.Popen(
            [*with_parent(), *self._argv], cwd=ROOT, env=self._env, stdin=subprocess.DEVNULL,
            stdout=self._output, stderr=self._output, text=True,
        )  # fmt: skip
        until = time.monotonic() + within
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() > until:
                state = "ended" if self.process.poll() is not None else "is not ready"
                end(self.process)
                raise RuntimeError(f"the server {state}:\n{self.output()}")
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL: it gets no chance to tidy up."""
        self.process.kill()
        self.process.wait()

    def stop(self, within: float = 15) -> int:
        """SIGINT, as Ctrl-C in a terminal; gives its exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(within)

    def output(self) -> str:
        """All it has printed since the first start, errors included."""
        # By its name: reading through our handle would move the place that the server writes at.
        return Path(self._output.name).read_text()

    def _ready(self) -> bool:
        try:
            with urlopen(f"{self.url}/health/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except HTTPError:
            return False
        except (URLError, OSError):
            return False
