"""One app of one SDK version in one world, run once, with the probe or without: what it did and what it saw.

with app_in(version, setup, folder, tailrace=None) as run: run.finish()
told = Told.read(folder)
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab import postgres
from tests.lab.app import LabApp, LabRun
from tests.lab.setups import PROBE, VERCEL_WORLD, Setup
from tests.lab.vercel import StubServer
from tests.processes import end, free_port
from tests.vercel_worlds import VercelServer

TOKEN = "tok_lab"  # of a server that lives in this process
WORLD_NAME = "lab"  # of the world that probes report to where Tailrace reads none
APP_TIMEOUT = 240
Row = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """All that the app and the world under the probe left: lines as the lab's own files have them."""

    results: dict[str, Row]
    meant: list[Row]
    arrivals: list[Row]
    unhandled: list[Row]
    world: Path | None
    stored: dict[str, list[bytes | None]]  # where no directory has it: chunks of each stream, None is its end

    @classmethod
    def read(cls, folder: Path) -> Told:
        stored = {
            name: list(map(_bytes, chunks)) for name, chunks in _json(folder / "stored.json", {}).items()
        }
        world = folder / "world"
        return cls(
            _json(folder / "results.json", {}),
            _lines(folder / "truth.jsonl"),
            _lines(folder / "arrivals.jsonl"),
            _lines(folder / "unhandled.jsonl"),
            world if world.is_dir() and not stored else None,
            stored,
        )


@contextmanager
def world_in(version: str, setup: Setup, folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """What Tailrace is to read, and what the app must be told for that; keeps in `folder` what was stored."""
    if setup.is_vercel:
        with _project(folder) as known:
            yield known
        return
    if not setup.is_postgres:
        place = folder / "world" if setup.is_read else folder / "another world"
        place.mkdir(parents=True)
        yield str(place), {}
        return
    folder.mkdir(parents=True)
    with postgres.world(version) as url:
        yield url, {"WORKFLOW_POSTGRES_URL": url}
        (folder / "stored.json").write_text(json.dumps(postgres.stored(url)))


@contextmanager
def _project(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """A stand-in for Vercel's server that answers whoever reads the project, too."""
    folder.mkdir(parents=True)
    port = free_port()
    app = f"http://127.0.0.1:{port}/.well-known/workflow/v1"
    with VercelServer(latency=(0.05, 0.1), app=app) as stub:
        yield stub.location(budget=6000), _client_of(stub, port)
        _keep(stub, folder)


def _client_of(stub: StubServer, port: int) -> dict[str, str]:
    return {
        "PORT": str(port),
        "WORKFLOW_VERCEL_BACKEND_URL": stub.url,
        "LAB_VERCEL_TOKEN": stub.token,
        "VERCEL_DEPLOYMENT_ID": "dpl_lab",
    }


@contextmanager
def app_in(
    version: str, setup: Setup, folder: Path, tailrace: str | None, env: Mapping[str, str] | None = None
) -> Iterator[LabRun]:
    """The app of that version, started; `tailrace` is where its probe reports to, or None: no probe."""
    folder.mkdir(parents=True, exist_ok=True)
    env = {
        **setup.env,
        **(env or {}),
        "LAB_TRUTH": str(folder / "truth.jsonl"),
        "LAB_RESULTS": str(folder / "results.json"),
        "LAB_ARRIVALS": str(folder / "arrivals.jsonl"),
        "LAB_REJECTIONS": str(folder / "unhandled.jsonl"),
        **_world(setup, tailrace),
    }
    with ExitStack() as stack:
        if setup.world == str(VERCEL_WORLD) and not setup.is_vercel:
            port = free_port()
            stub = stack.enter_context(StubServer(f"http://127.0.0.1:{port}/.well-known/workflow/v1", TOKEN))
            stack.callback(_keep, stub, folder)
            env |= _client_of(stub, port)
        run = LabApp(version).run(folder / "world", setup.scenarios, env)
        stack.callback(lambda: (folder / "app.log").write_text(run.log()))
        stack.callback(end, run)
        yield run


def _world(setup: Setup, tailrace: str | None) -> dict[str, str]:
    if tailrace is None:
        return {} if setup.world == "local" else {"WORKFLOW_TARGET_WORLD": setup.world}
    named = {} if setup.is_read else {"TAILRACE_WORLD_NAME": WORLD_NAME}
    return {
        "WORKFLOW_TARGET_WORLD": str(PROBE),
        "TAILRACE_WORLD": setup.world,
        "TAILRACE_URL": tailrace,
        **named,
    }


def _keep(stub: StubServer, folder: Path) -> None:
    lines = [json.dumps(line) + "\n" for line in stub.store.arrivals]
    (folder / "arrivals.jsonl").write_text("".join(lines))
    (folder / "stored.json").write_text(json.dumps(stub.store.dump()))


def _bytes(chunk: str | None) -> bytes | None:
    return None if chunk is None else base64.b64decode(chunk)


def _json(file: Path, otherwise: Any) -> Any:
    return json.loads(file.read_text()) if file.is_file() else otherwise


def _lines(file: Path) -> list[Row]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []
