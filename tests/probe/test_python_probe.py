"""static/probe/tailrace_probe.py: against fake worlds, a small intake of our own, and the real package."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import hashlib
import importlib.util
import json
import logging
import os
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from runs.reports import read_batch
from tests.needs import ROOT

FILE = ROOT / "static" / "probe" / "tailrace_probe.py"
SDK = "vercel-workflow==0.12.0"
RUN = "wrun_01M80N734RVZ1749N7XYQBW97V"
STREAM = "strm_01M80N734RVZ1749N7XYQBW97V_user"
STEP = SimpleNamespace(step_id="step_1", step_name="step//app//talk", attempt=2)


class Rejected(Exception):
    def __init__(self) -> None:
        super().__init__("Stream write failed: HTTP 409 (PUT /v2/runs/x/stream/y)")


class World:
    """Keeps what is written, one call at a time; rejects what it was told to."""

    def __init__(self) -> None:
        self.stored: list[bytes] = []
        self.reject: set[bytes] = set()
        self.gate: asyncio.Event | None = None

    async def streams_write(self, run_id: str, name: str, chunk: bytes) -> str:
        if self.gate:
            await self.gate.wait()
        if chunk in self.reject:
            raise Rejected
        self.stored.append(chunk)
        return "written"

    async def streams_write_multi(self, run_id: str, name: str, chunks: list[bytes]) -> None:
        for chunk in chunks:
            await self.streams_write(run_id, name, chunk)

    async def streams_close(self, run_id: str, name: str) -> None:
        self.stored.append(b"")

    async def events_create(self, run_id: str | None, data: Any) -> Any:
        if data.event_type == "step_completed":
            raise KeyError("refused")
        return SimpleNamespace(
            run=SimpleNamespace(run_id=RUN, workflow_name="workflow//app//chat"),
            step=SimpleNamespace(step_name="step//app//talk", attempt=3),
        )


class Sink:
    """The buffer of `vercel-workflow` in short: `enqueue` returns early, groups go out one after the other."""

    def __init__(self, world: World) -> None:
        self.world, self.name, self.run_id = world, STREAM, RUN
        self.buffer: list[bytes] = []
        self.error: Exception | None = None

    async def enqueue(self, frame: bytes) -> None:
        if self.error:
            raise self.error
        self.buffer.append(frame)

    async def flush(self, most: int) -> None:
        while self.buffer and not self.error:
            group, self.buffer = self.buffer[:most], self.buffer[most:]
            try:
                await self._send(group)
            except Exception as error:
                self.error = error

    async def _send(self, group: list[bytes]) -> None:
        if len(group) == 1:
            await self.world.streams_write(self.run_id, self.name, group[0])
        else:
            await self.world.streams_write_multi(self.run_id, self.name, group)

    async def close(self) -> None:
        await self.world.streams_close(self.run_id, self.name)


class Quiet:
    """A sender that sends nothing: what would be sent stays in its outbox."""

    def __init__(self, probe: ModuleType) -> None:
        self.probe, self.outbox, self.stopped = probe, probe.Outbox(), False

    def start(self) -> None:
        pass

    def records(self, kind: str = "write") -> list[dict[str, Any]]:
        taken = [self.probe.finished(one, payloads=False) for one in self.outbox.take(9999)]
        return [one for one in taken if one["type"] == kind]


@pytest.fixture(scope="module")
def probe() -> Iterator[ModuleType]:
    """The file as a module, without hooking anything in this process."""
    sys._tailrace_probe = None  # type: ignore[attr-defined]
    spec = importlib.util.spec_from_file_location("tailrace_probe_tested", FILE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys._tailrace_probe, sys.modules[spec.name]  # type: ignore[attr-defined]


@pytest.fixture
def sent(probe: ModuleType) -> Quiet:
    return Quiet(probe)


@pytest.fixture
def step() -> SimpleNamespace:
    return SimpleNamespace(now=STEP)


@pytest.fixture
def recorder(probe: ModuleType, sent: Quiet, step: SimpleNamespace) -> Any:
    return probe.Recorder(probe.Settings(), sent, lambda: step.now)


@pytest.fixture
def world(probe: ModuleType, recorder: Any) -> World:
    return probe.wrap_world(World(), recorder)


@pytest.fixture
def sink(probe: ModuleType, recorder: Any, world: World) -> Sink:
    streams = SimpleNamespace(_StreamSink=type("_StreamSink", (Sink,), {}))
    assert probe.follow_sinks(streams, recorder)
    return streams._StreamSink(world)


def digest(chunk: bytes) -> str:
    return hashlib.sha256(chunk).hexdigest()[:16]


class Intake:
    """What a dashboard would answer, in turn; the last answer stays."""

    def __init__(self, answers: list[tuple[int, dict[str, str]]]) -> None:
        self.answers, self.batches, self.headers = answers, [], []
        intake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received = time.time() * 1000 + 5000
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                intake.batches.append(body)
                intake.headers.append({**self.headers, "path": self.path})
                status, headers = intake.answers.pop(0) if len(intake.answers) > 1 else intake.answers[0]
                text = json.dumps({"received": received, "answered": received, "error": "why"}).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(text))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def records(self) -> list[dict[str, Any]]:
        return [record for batch in self.batches for record in batch["records"]]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def intake() -> Iterator[Callable[..., Intake]]:
    started: list[Intake] = []

    def start(*answers: tuple[int, dict[str, str]]) -> Intake:
        started.append(Intake(list(answers) or [(202, {})]))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def until(condition: Callable[[], Any], within: float = 20) -> None:
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


@pytest.fixture
def sender(probe: ModuleType) -> Iterator[Callable[..., Any]]:
    started: list[Any] = []

    def start(url: str, **settings: Any) -> Any:
        made = probe.Sender(probe.Settings(url=url, **settings), {"language": "python"}, probe.Outbox())
        started.append(made)
        return made

    yield start
    for one in started:
        one.stopped = True


async def test_it_reports_a_write_with_the_step_that_made_it(world, sent):
    assert await world.streams_write(RUN, STREAM, b"one") == "written"
    (write,) = sent.records()
    assert write["op"] == "write" and write["ok"] is True and write["took"] >= 0
    assert (write["stream"], write["run"]) == (STREAM, RUN)
    assert write["chunks"] == [{"size": 3, "hash": digest(b"one")}]
    assert write["step"] == {"id": "step_1", "name": "step//app//talk", "attempt": 2, "known": "context"}
    assert write["overlaps"] == []
    assert world.stored == [b"one"]


async def test_it_says_nothing_of_a_step_outside_of_one(world, sent, step):
    step.now = None
    await world.streams_write(RUN, STREAM, b"one")
    assert "step" not in sent.records()[0]


async def test_a_batch_is_one_call_even_where_the_world_writes_it_chunk_by_chunk(world, sent):
    await world.streams_write_multi(RUN, STREAM, [b"one", b"two"])
    (write,) = sent.records()
    assert [chunk["hash"] for chunk in write["chunks"]] == [digest(b"one"), digest(b"two")]
    assert world.stored == [b"one", b"two"]


async def test_it_reports_a_rejected_write_and_the_app_gets_the_very_same_error(world, sent):
    world.reject = {b"late"}
    with pytest.raises(Rejected) as caught:
        await world.streams_write(RUN, STREAM, b"late")
    assert vars(caught.value) == {}
    (write,) = sent.records()
    assert write["ok"] is False and write["took"] >= 0
    assert write["error"] == {"name": "Rejected", "message": str(Rejected()), "status": 409}


async def test_a_cancelled_write_is_neither_acknowledged_nor_rejected(world, sent):
    world.gate = asyncio.Event()
    task = asyncio.create_task(world.streams_write(RUN, STREAM, b"one"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (write,) = sent.records()
    assert write["ok"] is None and "took" not in write


async def test_a_call_that_never_came_back_is_reported_at_the_end(world, sent, recorder):
    world.gate = asyncio.Event()
    task = asyncio.create_task(world.streams_write(RUN, STREAM, b"one"))
    await asyncio.sleep(0)
    assert sent.records() == []
    recorder.leave_nothing()
    assert [(one["ok"], "took" in one) for one in sent.records()] == [(None, False)]
    world.gate.set()
    await task
    assert sent.records() == []


async def test_overlapping_writes_of_one_step_attempt_are_seen_and_warned_of_once(world, sent, capsys):
    world.gate = asyncio.Event()
    tasks = [asyncio.create_task(world.streams_write(RUN, STREAM, chunk)) for chunk in (b"a", b"b", b"c")]
    await asyncio.sleep(0)
    world.gate.set()
    await asyncio.gather(*tasks)
    first, second, third = sent.records()
    assert [first["overlaps"], second["overlaps"]] == [[], [first["n"]]]
    assert third["overlaps"] == [first["n"], second["n"]]
    warnings = capsys.readouterr().err.splitlines()
    assert len(warnings) == 1 and "step//app//talk" in warnings[0] and STREAM in warnings[0]


async def test_parallel_writes_of_two_attempts_or_streams_do_not_overlap(world, sent, step, capsys):
    world.gate = asyncio.Event()
    tasks = []
    for attempt, stream in ((1, STREAM), (2, STREAM), (2, f"{STREAM}_bG9n")):
        step.now = SimpleNamespace(step_id="step_1", step_name="step//app//talk", attempt=attempt)
        tasks.append(asyncio.create_task(world.streams_write(RUN, stream, b"x")))
        await asyncio.sleep(0)
    world.gate.set()
    await asyncio.gather(*tasks)
    assert [one["overlaps"] for one in sent.records()] == [[], [], []]
    assert capsys.readouterr().err == ""


async def test_it_follows_each_chunk_from_the_writer_to_the_world(world, sent, sink):
    other = type(sink)(world)
    for frame, to in ((b"a", sink), (b"b", other), (b"c", sink), (b"d", sink)):
        await to.enqueue(frame)
    await other.flush(1)
    await sink.flush(2)
    await sink.close()
    writes = sent.records()
    places = [[(chunk["pair"], chunk["order"]) for chunk in one["chunks"]] for one in writes]
    assert places == [[(2, 2)], [(1, 1), (1, 3)], [(1, 4)], []]
    assert {one["step"]["known"] for one in writes} == {"exact"}
    assert (writes[-1]["op"], writes[-1]["pair"]) == ("close", 1)
    assert world.stored == [b"b", b"a", b"c", b"d", b""]


async def test_chunks_behind_a_rejected_one_are_reported_as_unsent(world, sent, sink):
    world.reject = {b"a"}
    for frame in (b"a", b"b", b"c"):
        await sink.enqueue(frame)
    await sink.flush(1)
    with pytest.raises(Rejected):
        await sink.enqueue(b"d")
    unsent = sent.records("unsent")
    assert [[one["order"] for one in record["chunks"]] for record in unsent] == [[2, 3], [4]]
    assert unsent[0]["why"] == "an earlier write of this writable was rejected"
    assert unsent[0]["step"]["id"] == "step_1"


async def test_chunks_that_a_step_left_behind_are_reported_when_its_writable_goes(
    world, sent, sink, recorder
):
    lost = type(sink)(world)
    await lost.enqueue(b"a")
    del lost
    gc.collect()
    (unsent,) = sent.records("unsent")
    assert unsent["why"] == "the step ended before it was sent"


async def test_nothing_is_unsent_where_everything_was_sent(world, sent, sink):
    done = type(sink)(world)
    await done.enqueue(b"a")
    await done.flush(1)
    del done
    gc.collect()
    assert sent.records("unsent") == []


def test_a_package_without_the_private_buffer_leaves_the_step_context(probe, recorder):
    assert not probe.follow_sinks(SimpleNamespace(), recorder)


async def test_it_reports_events_with_the_workflow_and_the_attempt(world, sent):
    details = SimpleNamespace(workflow_name="workflow//app//chat")
    result = await world.events_create(None, SimpleNamespace(event_type="run_created", event_data=details))
    assert result.run.run_id == RUN
    started = SimpleNamespace(event_type="step_started", correlation_id="step_1", event_data=None)
    await world.events_create(RUN, started)
    created, started = sent.records("event")
    assert (created["event"], created["run"], created["ok"]) == ("run_created", RUN, True)
    assert (started["id"], started["attempt"], started["step_name"]) == ("step_1", 3, "step//app//talk")
    assert started["workflow"] == "workflow//app//chat"


async def test_a_refused_event_is_reported_and_raised(world, sent):
    with pytest.raises(KeyError):
        await world.events_create(RUN, SimpleNamespace(event_type="step_completed", correlation_id="step_1"))
    (event,) = sent.records("event")
    assert event["ok"] is False and event["error"]["name"] == "KeyError"


async def test_a_run_that_was_not_created_is_not_reported(world, sent):
    with pytest.raises(KeyError):
        await world.events_create(None, SimpleNamespace(event_type="step_completed"))
    assert sent.records("event") == []


async def test_a_logged_stream_failure_names_the_write_that_failed(world, sent, recorder):
    world.reject = {b"late"}
    with pytest.raises(Rejected) as caught:
        await world.streams_write(RUN, STREAM, b"late")
    wrapped = RuntimeError("the step failed")
    wrapped.__cause__ = caught.value
    text = "[Workflows] '%s' - Encountered Error: %s"
    log = logging.LogRecord("vercel.workflow", logging.WARNING, "", 1, text, (RUN, wrapped), None)
    recorder.logged(log)
    records = [sent.probe.finished(one, payloads=False) for one in sent.outbox.take(9)]
    write, error = records
    assert (error["kind"], error["run"], error["write"]) == ("log", RUN, write["n"])
    assert error["step"]["id"] == "step_1"


def test_an_error_that_nobody_awaited_is_an_unhandled_rejection(sent, recorder):
    error = Rejected()
    text = "Task exception was never retrieved\nfuture: <Task>"
    log = logging.LogRecord("asyncio", logging.ERROR, "", 1, text, (), (Rejected, error, None))
    recorder.logged(log)
    (found,) = sent.records("error")
    assert (found["kind"], found["name"], found["message"]) == (
        "unhandled_rejection",
        "Rejected",
        str(error),
    )


def test_a_log_line_about_something_else_is_nobodys_business(sent, recorder):
    recorder.logged(
        logging.LogRecord("vercel.workflow", logging.ERROR, "", 1, "step not registered", (), None)
    )
    assert sent.records("error") == []


async def test_a_fault_of_the_probe_is_not_the_apps(world, sent, recorder, monkeypatch):
    monkeypatch.setattr(recorder, "step", lambda known: 1 / 0)
    assert await world.streams_write(RUN, STREAM, b"one") == "written"
    assert sent.records() == []


def test_the_outbox_drops_its_oldest_and_says_when_they_happened(probe):
    outbox = probe.Outbox(most=600)
    for at in range(601):
        outbox.add({"type": "error", "at": float(at)})
    assert len(outbox) == 101
    span = {"from": 0.0, "to": 499.0, "records": 500}
    assert outbox.dropped() == {"batches": 1, "records": 500, "spans": [span]}
    assert outbox.take(1)[0]["at"] == 500.0


def test_the_outbox_is_bounded_in_bytes_too(probe):
    outbox = probe.Outbox(most_bytes=10_000)
    for _ in range(100):
        outbox.add({"type": "write", "called": 1.0}, cost=4_000)
    assert len(outbox) <= 2


def test_payloads_are_sent_only_where_they_are_asked_for(probe):
    def record() -> dict[str, Any]:
        return {"type": "write", "chunks": [{"size": 3, "raw": b"abc"}]}

    assert probe.finished(record(), payloads=False)["chunks"] == [{"size": 3, "hash": digest(b"abc")}]
    assert probe.finished(record(), payloads=True)["chunks"][0]["data"] == "YWJj"


def test_the_sender_sends_batches_and_learns_the_clock(intake, sender):
    tailrace = intake()
    one = sender(tailrace.url, world_name="shop")
    one.start()
    until(lambda: tailrace.batches)
    one.outbox.add({"type": "error", "at": 1.0})
    until(tailrace.records)
    one.outbox.add({"type": "error", "at": 2.0})
    one.end()
    assert [batch["number"] for batch in tailrace.batches] == list(range(1, len(tailrace.batches) + 1))
    assert {batch["process"] for batch in tailrace.batches} == {one.process}
    assert [record["at"] for record in tailrace.records()] == [1.0, 2.0]
    assert [batch["ending"] for batch in tailrace.batches][-1] is True
    assert "clock" not in tailrace.batches[0] and abs(tailrace.batches[1]["clock"]["offset"] - 5000) < 2500
    assert tailrace.batches[0]["world"] == "shop" and tailrace.headers[0]["path"] == "/api/v1/probe"
    assert "Authorization" not in tailrace.headers[0]


def test_a_token_names_the_world_itself(intake, sender):
    tailrace = intake()
    sender(tailrace.url, token="secret", world_name="shop").start()
    until(lambda: tailrace.batches)
    assert tailrace.headers[0]["Authorization"] == "Bearer secret"
    assert "world" not in tailrace.batches[0]


def test_a_batch_that_was_not_taken_is_sent_again_under_the_same_number(intake, sender):
    tailrace = intake((503, {}), (429, {"Retry-After": "0"}), (202, {}))
    one = sender(tailrace.url)
    one.outbox.add({"type": "error", "at": 1.0})
    one.start()
    until(lambda: len(tailrace.batches) >= 3)
    assert [batch["number"] for batch in tailrace.batches[:3]] == [1, 1, 1]
    assert [len(batch["records"]) for batch in tailrace.batches[:3]] == [1, 1, 1]


def test_a_batch_that_cannot_be_read_is_dropped_and_counted(intake, sender):
    tailrace = intake((400, {}), (202, {}))
    one = sender(tailrace.url)
    one.outbox.add({"type": "error", "at": 7.0})
    one.start()
    until(lambda: tailrace.batches)
    one.outbox.add({"type": "error", "at": 8.0})
    until(lambda: len(tailrace.batches) >= 2)
    assert tailrace.batches[1]["dropped"]["spans"] == [{"from": 7.0, "to": 7.0, "records": 1}]
    assert [record["at"] for record in tailrace.batches[1]["records"]] == [8.0]


def test_a_refused_sender_stops_and_says_so_once(intake, sender, capsys):
    tailrace = intake((403, {}))
    one = sender(tailrace.url)
    one.start()
    until(lambda: one.stopped)
    one.end()
    assert len(tailrace.batches) == 1
    assert "403" in capsys.readouterr().err


def test_the_end_of_the_process_does_not_wait_for_a_tailrace_that_is_away(sender):
    one = sender("http://127.0.0.1:9")
    one.outbox.add({"type": "error", "at": 1.0})
    one.start()
    one.end(within=10)
    assert not one._thread.is_alive()


async def test_a_forked_child_is_another_process_with_nothing_of_its_parents(probe):
    made = probe.Probe(probe.Settings(url="http://127.0.0.1:9"))
    world = probe.wrap_world(World(), made.recorder)
    world.gate = asyncio.Event()
    task = asyncio.create_task(world.streams_write(RUN, STREAM, b"parent"))
    await asyncio.sleep(0)
    parent = made.sender
    parent.outbox.add({"type": "error", "at": 1.0})
    made._after_fork()
    made.recorder.leave_nothing()
    assert made.sender.process != parent.process and len(made.sender.outbox) == 0
    assert len(parent.outbox) == 1 and made.recorder.sender is made.sender
    world.gate.set()
    await task
    assert len(made.sender.outbox) == 0


def test_settings_are_those_of_the_javascript_probe(probe):
    page = (ROOT / "docs" / "probe.md").read_text()
    read = {"TAILRACE_URL", "TAILRACE_TOKEN", "TAILRACE_WORLD_NAME", "TAILRACE_EXACT", "TAILRACE_PAYLOADS"}
    for name in read | {"TAILRACE_QUIET", "TAILRACE_OFF"}:
        assert f"`{name}`" in page and name in FILE.read_text()
    assert probe.Settings.read({}).exact and not probe.Settings.read({"NODE_ENV": "production"}).exact
    assert probe.Settings.read({"NODE_ENV": "production", "TAILRACE_EXACT": "1"}).exact


# The real package

APP = """
import asyncio
from vercel.workflow import Workflows, get_writable
wf = Workflows()

@wf.step
async def talk(who: str, n: int) -> int:
    for i in range(n):
        await get_writable().write({"from": who, "i": i})
        await asyncio.sleep(0.002)
    return n

@wf.step
async def hang_up() -> None:
    await get_writable().close()

@wf.workflow
async def chat() -> list:
    said = await asyncio.gather(talk("A", 4), talk("B", 4))
    await hang_up()
    return list(said)
"""
DRIVE = """
import asyncio
import app
from vercel.workflow import start
from vercel.workflow._internal import world as worlds

async def main() -> None:
    run = await start(app.chat)
    print(run.run_id, await run.return_value())
    await worlds.get_world().aclose()

asyncio.run(main())
"""


@pytest.fixture(scope="session")
def python_sdk() -> Path:
    """A Python that has the package, in an environment of its own that stays for the next session."""
    folder = ROOT / ".cache" / "python-sdk" / f"{SDK}-py{sys.version_info.major}.{sys.version_info.minor}"
    folder.mkdir(parents=True, exist_ok=True)
    python = folder / "bin" / "python"
    with (folder.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".installed").exists():
            venv.create(folder, with_pip=True, clear=True)
            command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", SDK]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
            assert done.returncode == 0, done.stderr[-4000:]
            (folder / ".installed").touch()
    return python


def run_app(python: Path, folder: Path, *args: str, **env: str) -> str:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("WORKFLOW_", "TAILRACE_"))
    }
    # Always a new directory: the package's local world deletes what older versions wrote.
    data = folder / f"data-{time.monotonic_ns()}"
    done = subprocess.run(
        [python, *args],
        cwd=folder,
        env={**kept, "WORKFLOW_TARGET_WORLD": "local", "WORKFLOW_LOCAL_DATA_DIR": str(data), **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "[tailrace]" not in done.stderr
    return done.stdout


@pytest.mark.sdk
@pytest.mark.parametrize("way", ["variable", "runner", "import"])
def test_the_real_package_is_followed_with_the_same_results(python_sdk, intake, tmp_path, way):
    tailrace = intake()
    probe = FILE.read_text()
    (tmp_path / "app.py").write_text(("import tailrace_probe\n" if way == "import" else "") + APP)
    (tmp_path / "drive.py").write_text(DRIVE)
    args, env = ["drive.py"], {"TAILRACE_URL": tailrace.url}
    if way == "variable":
        (tmp_path / "probe").mkdir()
        (tmp_path / "probe" / "sitecustomize.py").write_text(probe)
        env["PYTHONPATH"] = str(tmp_path / "probe")
    else:
        (tmp_path / "tailrace_probe.py").write_text(probe)
        args = ["tailrace_probe.py", "drive.py"] if way == "runner" else args
    run, result = run_app(python_sdk, tmp_path, *args, **env).split(" ", 1)
    assert result == "[4, 4]\n"
    _chunks_are_in_the_writers_order(tailrace, run)
    assert [read_batch(batch).problems for batch in tailrace.batches] == [[]] * len(tailrace.batches)
    assert tailrace.batches[-1]["ending"] is True
    app = tailrace.batches[-1]["app"]
    assert (app["language"], app["sdk"], app["world"], app["exact"]) == ("python", "0.12.0", "local", True)


def _chunks_are_in_the_writers_order(tailrace: Intake, run: str) -> None:
    writes = [one for one in tailrace.records() if one["type"] == "write" and one["run"] == run]
    # The package's local world may run the last step twice after parallel ones, so there may be two closes.
    assert "close" in {one["op"] for one in writes} and all(one["ok"] for one in writes)
    chunks = [chunk for one in writes for chunk in one["chunks"]]
    assert len(chunks) == 8 and len({chunk["order"] for chunk in chunks}) == 8
    assert {chunk["pair"] for chunk in chunks} == {1, 2}
    for pair in (1, 2):
        orders = [chunk["order"] for chunk in chunks if chunk["pair"] == pair]
        assert orders == sorted(orders)
    assert not any(one["overlaps"] for one in writes)
    steps = {one["step"]["name"] for one in writes}
    assert len(steps) == 2 and {one["step"]["known"] for one in writes} == {"exact"}
    events = [one["event"] for one in tailrace.records() if one["type"] == "event"]
    assert events[0] == "run_created" and "run_completed" in events


@pytest.mark.sdk
def test_the_real_package_runs_alike_without_tailrace_and_with_the_probe_off(python_sdk, intake, tmp_path):
    tailrace = intake()
    (tmp_path / "sitecustomize.py").write_text(FILE.read_text())
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "drive.py").write_text(DRIVE)
    away = run_app(
        python_sdk, tmp_path, "drive.py", TAILRACE_URL="http://127.0.0.1:9", PYTHONPATH=str(tmp_path)
    )
    off = {"TAILRACE_URL": tailrace.url, "TAILRACE_OFF": "1", "PYTHONPATH": str(tmp_path)}
    assert run_app(python_sdk, tmp_path, "drive.py", **off).split(" ", 1)[1] == away.split(" ", 1)[1]
    assert tailrace.batches == []


def test_a_sitecustomize_that_was_there_before_is_still_loaded(tmp_path):
    (tmp_path / "probe").mkdir()
    (tmp_path / "probe" / "sitecustomize.py").write_text(FILE.read_text())
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "sitecustomize.py").write_text("import builtins\nbuiltins.theirs = 'loaded'\n")
    path = os.pathsep.join([str(tmp_path / "probe"), str(tmp_path / "theirs")])
    done = subprocess.run(
        [sys.executable, "-c", "import sys; print(theirs, sys._tailrace_probe is not None)"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("loaded True\n", "")
