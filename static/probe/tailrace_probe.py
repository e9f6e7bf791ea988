"""Tailrace's probe for apps that use the Python package `vercel-workflow` (Python 3.10 and newer).

It wraps the app's world and reports every stream write, close and event to Tailrace in the background, with the step
attempt that made it. It changes nothing that the app sees: same results, same exceptions, same order.

One environment variable, no change of code. Python loads a file of this name at every start, in child processes too
(`uvicorn --reload`, `gunicorn`), and a `sitecustomize` that was there before is still loaded:

    mkdir tailrace-probe
    curl -o tailrace-probe/sitecustomize.py http://127.0.0.1:8000/static/probe/tailrace_probe.py
    PYTHONPATH=$PWD/tailrace-probe python app.py          # or: uvicorn app:app, gunicorn ...

Or, kept as `tailrace_probe.py`, without any variable (for one process), or as an import of the module that starts
the app:

    python tailrace_probe.py app.py                       # or: python tailrace_probe.py -m uvicorn app:app
    import tailrace_probe                                 # not in modules that hold workflows: those run in a sandbox

`WORKFLOW_TARGET_WORLD` keeps its own meaning here: the Python package takes `local` or `vercel` and loads no module,
and whichever world it makes, or the app sets, is wrapped. The probe's own settings are those of the JavaScript probe:
TAILRACE_URL, TAILRACE_TOKEN, TAILRACE_WORLD_NAME, TAILRACE_EXACT, TAILRACE_PAYLOADS, TAILRACE_QUIET, TAILRACE_OFF.

What is known: `context` is the SDK's own step context, which every write of a step has. Exact mode also follows each
chunk from `writer.write()` to the world, through the package's private `_StreamSink`; where a version has none, context
is what remains. One step has one sink per stream here, so its writes never overlap unless the world is called directly.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import hashlib
import importlib.machinery
import importlib.util
import itertools
import json
import logging
import os
import platform
import re
import runpy
import socket
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

WORLD_MODULE = "vercel.workflow._internal.world"
STREAMS_MODULE = "vercel.workflow._internal.streams"
SCHEMA, PROBE = 1, "1"
BATCH_RECORDS, BATCH_BYTES = 500, 1_000_000
WAITING_RECORDS, WAITING_BYTES = 10_000, 16_000_000
# What a record costs besides its chunks: enough for the bound to be a bound, not exact.
RECORD_COST, CHUNK_COST = 500, 150
HASH_LATER_BELOW = 65_536
PAYLOAD_BYTES, PAYLOADS_BYTES = 65_536, 524_288
SPANS, TEXT = 20, 2_000
LOOK_EVERY, SIGN_OF_LIFE = 0.2, 10.0
ANSWER_WITHIN, EXIT_WITHIN = 5.0, 2.0
RETRY_FIRST, RETRY_MOST, RETRY_AFTER_MOST = 0.5, 10.0, 60.0
RUNS_KNOWN, FAILURES_KNOWN = 1_000, 64
STREAM_FAILURE = re.compile(
    r"stream (write|close) failed|could not flush stream|flush of step stream|exceeded \d+ (consecutive|total) "
    r"reconnection attempts",
    re.IGNORECASE,
)
RUN_ID = re.compile(r"wrun_[0-9A-Za-z]{26}")
HTTP_STATUS = re.compile(r"\bHTTP (\d{3})\b")
NEVER_RETRIEVED = "Task exception was never retrieved"


@dataclass(frozen=True)
class Settings:
    url: str = "http://127.0.0.1:8000"
    token: str = ""
    world_name: str = ""
    exact: bool = True
    payloads: bool = False
    quiet: bool = False
    off: bool = False

    @classmethod
    def read(cls, env: Mapping[str, str]) -> Settings:
        def on(name: str, default: bool = False) -> bool:
            return {"1": True, "0": False}.get(env.get(name, ""), default)

        return cls(
            url=env.get("TAILRACE_URL") or cls.url,
            token=env.get("TAILRACE_TOKEN", ""),
            world_name=env.get("TAILRACE_WORLD_NAME", ""),
            exact=on("TAILRACE_EXACT", env.get("NODE_ENV") != "production"),
            payloads=on("TAILRACE_PAYLOADS"),
            quiet=on("TAILRACE_QUIET"),
            off=on("TAILRACE_OFF"),
        )


def now_ms() -> float:
    return time.time() * 1000


# What waits to be sent


class Outbox:
    """Records that wait to be sent; when there are too many the oldest go, counted and with their time.

    `add` may be called by any thread and by a finalizer in the middle of another `add`, hence the reentrant lock.
    """

    def __init__(self, most: int = WAITING_RECORDS, most_bytes: int = WAITING_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._lock = threading.RLock()
        self._waiting: deque[tuple[dict[str, Any], int]] = deque()
        self._bytes = 0
        self.dropped_batches = self.dropped_records = 0
        self._spans: deque[dict[str, float]] = deque(maxlen=SPANS)

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, record: dict[str, Any], cost: int = RECORD_COST) -> None:
        with self._lock:
            self._waiting.append((record, cost))
            self._bytes += cost
            if len(self._waiting) > self._most or self._bytes > self._most_bytes:
                self.drop(self.take(BATCH_RECORDS))

    def take(self, most: int) -> list[dict[str, Any]]:
        taken: list[dict[str, Any]] = []
        with self._lock:
            while self._waiting and len(taken) < most:
                record, cost = self._waiting.popleft()
                self._bytes -= cost
                taken.append(record)
        return taken

    def put_back(self, records: Iterable[dict[str, Any]]) -> None:
        """What did not fit into a batch is the oldest again."""
        with self._lock:
            for record in reversed(list(records)):
                self._waiting.appendleft((record, RECORD_COST))
                self._bytes += RECORD_COST

    def drop(self, records: Sequence[dict[str, Any]]) -> None:
        """Counts records that Tailrace will never get."""
        if not records:
            return
        times = [record.get("called", record.get("at", 0.0)) for record in records]
        with self._lock:
            self.dropped_batches += 1
            self.dropped_records += len(records)
            self._spans.append({"from": min(times), "to": max(times), "records": len(records)})

    def dropped(self) -> dict[str, Any]:
        with self._lock:
            return {
                "batches": self.dropped_batches,
                "records": self.dropped_records,
                "spans": list(self._spans),
            }


class Clock:
    """How far Tailrace's clock is ahead of ours, from the exchange with the shortest way among the last few."""

    def __init__(self) -> None:
        self._exchanges: deque[tuple[float, float]] = deque(maxlen=8)

    def learn(self, sent: float, got: float, answer: Mapping[str, Any]) -> None:
        received, answered = answer.get("received"), answer.get("answered")
        if not isinstance(received, int | float) or not isinstance(answered, int | float):
            return
        rtt = max(0.0, (got - sent) - (answered - received))
        self._exchanges.append((rtt, ((received - sent) + (answered - got)) / 2))

    def estimate(self) -> dict[str, float] | None:
        if not self._exchanges:
            return None
        rtt, offset = min(self._exchanges)
        return {"offset": round(offset, 3), "rtt": round(rtt, 3)}


@dataclass(frozen=True)
class Batch:
    number: int
    records: list[dict[str, Any]]
    encoded: list[str]


class Sender:
    """Sends batches from a daemon thread that starts with the first thing to say, in each process of its own."""

    def __init__(self, settings: Settings, app: Mapping[str, Any], outbox: Outbox) -> None:
        self._settings, self.app, self.outbox = settings, dict(app), outbox
        self.clock = Clock()
        self.process = process_id()
        self._number = itertools.count(1)
        self._pending: Batch | None = None
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._ending = self.stopped = False
        self._last_sent = 0.0
        self._failures = 0
        self._again_at = 0.0

    def start(self) -> None:
        if self._thread is not None or self.stopped:
            return
        self._thread = threading.Thread(target=self._run, name="tailrace-probe", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self.stopped = True  # the interpreter is ending: nothing can be sent any more

    def end(self, within: float = EXIT_WITHIN) -> None:
        """Sends what is left, for as long as the process may wait."""
        if self._thread is None or self.stopped:
            return
        self._ending = True
        self._wake.set()
        self._thread.join(within)

    def _run(self) -> None:
        while not self.stopped:
            try:
                self._step()
            except Exception:  # the thread must outlive whatever one batch provokes; it is retried
                self._put_off(None)
            if self._ending:
                return
            self._wake.wait(LOOK_EVERY)

    def _step(self) -> None:
        while self._pending or len(self.outbox) or self._ending or self._is_silent():
            if time.monotonic() < self._again_at and not self._ending:
                return
            self._pending = self._pending or self._next_batch()
            # Read before it is sent: a batch on its way when the end is announced does not announce it.
            last = self._ending
            if not self._send(self._pending) or (last and not len(self.outbox)):
                return

    def _is_silent(self) -> bool:
        return time.monotonic() - self._last_sent > SIGN_OF_LIFE or not self._last_sent

    def _next_batch(self) -> Batch:
        records = self.outbox.take(BATCH_RECORDS)
        encoded: list[str] = []
        size = 0
        for at, record in enumerate(records):
            text = json.dumps(finished(record, self._settings.payloads), separators=(",", ":"), default=str)
            if encoded and size + len(text) > BATCH_BYTES:
                self.outbox.put_back(records[at:])
                records = records[:at]
                break
            encoded.append(text)
            size += len(text)
        return Batch(next(self._number), records, encoded)

    def _send(self, batch: Batch) -> bool:
        """Whether the batch is done with, one way or the other."""
        sent = now_ms()
        status, headers, answer = post(self._settings, self._envelope(batch, sent), self._patience())
        self._last_sent = time.monotonic()
        if status == 202:
            self.clock.learn(sent, now_ms(), answer)
        elif status in (401, 403):
            self._refused(status, answer)
            return False
        elif status in (400, 413, 415):
            self.outbox.drop(batch.records)
        else:
            self._put_off(headers.get("Retry-After"))
            return False
        self._pending, self._failures, self._again_at = None, 0, 0.0
        return True

    def _patience(self) -> float:
        return EXIT_WITHIN / 2 if self._ending else ANSWER_WITHIN

    def _put_off(self, retry_after: str | None) -> None:
        wait = min(RETRY_FIRST * 2**self._failures, RETRY_MOST)
        if retry_after and retry_after.isdigit():
            wait = min(float(retry_after), RETRY_AFTER_MOST)
        self._failures = min(self._failures + 1, 10)
        self._again_at = time.monotonic() + wait

    def _refused(self, status: int, answer: Mapping[str, Any]) -> None:
        self.stopped, self._pending = True, None
        self.outbox.take(sys.maxsize)
        why = f"{status}: {answer.get('error', '')}"
        say(self._settings, f"Tailrace refused the reports ({why}); none are sent any more.")

    def _envelope(self, batch: Batch, sent: float) -> bytes:
        head: dict[str, Any] = {
            "v": SCHEMA,
            "process": self.process,
            "number": batch.number,
            "sent": sent,
            "app": self.app,
            "dropped": self.outbox.dropped(),
            "ending": self._ending and not len(self.outbox),
        }
        if clock := self.clock.estimate():
            head["clock"] = clock
        if self._settings.world_name and not self._settings.token:
            head["world"] = self._settings.world_name
        return f'{json.dumps(head)[:-1]}, "records": [{",".join(batch.encoded)}]}}'.encode()


def post(settings: Settings, body: bytes, within: float) -> tuple[int, Mapping[str, str], Mapping[str, Any]]:
    """Status (0: nobody there), headers and answer."""
    # Only a process that has something to report pays for loading it.
    from http.client import HTTPConnection, HTTPException, HTTPSConnection

    url = urlsplit(settings.url)
    headers = {"Content-Type": "application/json"}
    if settings.token:
        headers["Authorization"] = f"Bearer {settings.token}"
    kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
    try:
        connection = kind(url.hostname or "", url.port, timeout=within)
    except ValueError:
        return 0, {}, {}
    try:
        connection.request("POST", f"{url.path.rstrip('/')}/api/v1/probe", body, headers)
        response = connection.getresponse()
        text = response.read(TEXT)
        return response.status, dict(response.getheaders()), answer_of(text)
    except (OSError, HTTPException, ValueError):
        return 0, {}, {}
    finally:
        connection.close()


def answer_of(text: bytes) -> Mapping[str, Any]:
    try:
        answer = json.loads(text)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def finished(record: dict[str, Any], payloads: bool) -> dict[str, Any]:
    """The record as it is sent: what the app's thread left to us, the hashes, is made here."""
    left = PAYLOADS_BYTES if payloads else 0
    for chunk in record.get("chunks", ()):
        raw = chunk.pop("raw", None)
        if raw is None:
            continue
        chunk.setdefault("hash", hash_of(raw))
        if len(raw) <= min(left, PAYLOAD_BYTES):
            chunk["data"] = base64.b64encode(raw).decode()
            left -= len(raw)
    return record


def hash_of(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:16]


def process_id() -> str:
    return f"py-{int(now_ms()):x}-{os.getpid()}-{os.urandom(5).hex()}"


def say(settings: Settings, text: str) -> None:
    if not settings.quiet and sys.stderr is not None:
        sys.stderr.write(f"[tailrace] {text}\n")


# What happened


@dataclass(eq=False)
class Sink:
    """What is known of one writable's buffer: the chunks that it has taken and not yet given to the world."""

    pair: int
    stream: str
    run: str
    step: dict[str, Any] | None
    pending: dict[int, Place] = field(default_factory=dict)
    failed: str = ""


@dataclass(frozen=True)
class Place:
    """Where a chunk stands in the app's own order. It keeps the frame, so that its identity stays its own."""

    order: int
    called: float
    frame: bytes


@dataclass
class Call:
    record: dict[str, Any]
    key: tuple[Any, ...] | None
    started: float


# The sink whose chunks are being given to the world by the current task, and their places.
_giving: ContextVar[tuple[Sink, list[Place | None]] | None] = ContextVar("tailrace_giving", default=None)
# A world without batches writes a batch chunk by chunk: that is one call of ours, not many.
_in_batch: ContextVar[bool] = ContextVar("tailrace_in_batch", default=False)


def quietly(method: Callable[..., Any]) -> Callable[..., Any]:
    """Whatever goes wrong in the probe is the probe's own affair: the app's call goes on."""

    def guarded(*args: Any, **named: Any) -> Any:
        try:
            return method(*args, **named)
        except Exception:
            return None

    return guarded


class Recorder:
    """Numbers the calls, knows which have not come back, and makes the records."""

    def __init__(self, settings: Settings, sender: Sender, step: Callable[[], Any] | None = None) -> None:
        self.settings, self.sender = settings, sender
        self._step_metadata = step or step_metadata
        self._numbers, self._orders, self._pairs = itertools.count(1), itertools.count(1), itertools.count(1)
        self._inflight: dict[int, Call] = {}
        self._sinks: weakref.WeakKeyDictionary[Any, Sink] = weakref.WeakKeyDictionary()
        self._workflows: dict[str, str] = {}
        self._failures: deque[tuple[type, str, int]] = deque(maxlen=FAILURES_KNOWN)
        self._warned: set[tuple[Any, ...]] = set()

    def step(self, known: str) -> dict[str, Any] | None:
        info = self._step_metadata()
        if info is None:
            return None
        return {"id": info.step_id, "name": info.step_name, "attempt": info.attempt, "known": known}

    def _add(self, record: dict[str, Any], cost: int = RECORD_COST) -> None:
        if not self.sender.stopped:
            self.sender.outbox.add(record, cost)
            self.sender.start()

    # Writes and closes

    @quietly
    def begin(self, op: str, run: str, stream: str, chunks: Sequence[bytes]) -> Call:
        given = _giving.get()
        sink = given[0] if given and given[0].stream == stream else None
        step = (sink and sink.step) or self.step("context")
        key = (run, stream, step["id"], step["attempt"]) if step else None
        record: dict[str, Any] = {"type": "write", "n": next(self._numbers), "op": op}
        record |= {"stream": stream, "run": run, "called": now_ms(), "ok": None}
        record["chunks"] = described(chunks, given if sink else None)
        if op == "close" and sink:
            record["pair"] = sink.pair
        if step:
            record["step"] = step
        record["overlaps"] = [n for n, call in list(self._inflight.items()) if key and call.key == key]
        call = Call(record, key, time.perf_counter())
        self._inflight[record["n"]] = call
        if record["overlaps"]:
            self._warn_of_race(record)
        return call

    @quietly
    def end(self, call: Call | None, error: BaseException | None = None) -> None:
        if call is None or self._inflight.pop(call.record["n"], None) is None:
            return
        record = call.record
        if error is None or isinstance(error, Exception):
            record["took"] = round((time.perf_counter() - call.started) * 1000, 3)
            record["ok"] = error is None
        if error is not None:
            record["error"] = described_error(error)
            self._failures.append((type(error), str(error), record["n"]))
        held = sum(CHUNK_COST + len(one.get("raw", b"")) for one in record["chunks"])
        self._add(record, RECORD_COST + held)

    def after_fork(self, sender: Sender) -> None:
        """What the parent has under way is the parent's."""
        self.sender = sender
        self._inflight.clear()
        self._sinks.clear()

    def leave_nothing(self) -> None:
        """At the end of the process: the calls that never came back."""
        for call in list(self._inflight.values()):
            if self._inflight.pop(call.record["n"], None):
                self._add(call.record)

    def _warn_of_race(self, record: Mapping[str, Any]) -> None:
        step = record["step"]
        key = (step["name"], record["stream"])
        if key in self._warned or len(self._warned) > RUNS_KNOWN:
            return
        self._warned.add(key)
        say(
            self.settings,
            f"step {step['name']} writes stream {record['stream']} through several writers at once: its chunks may be"
            " stored out of order. Call get_writable() once in the step and await each write.",
        )

    # Events

    @quietly
    def begin_event(self, run: str | None, data: Any) -> Call:
        record: dict[str, Any] = {
            "type": "event",
            "n": next(self._numbers),
            "event": str(data.event_type),
            "run": run,
            "id": getattr(data, "correlation_id", None),
            "called": now_ms(),
            "ok": None,
        }
        details = getattr(data, "event_data", None)
        if step_name := getattr(details, "step_name", None):
            record["step_name"] = step_name
        if workflow := getattr(details, "workflow_name", None):
            record["workflow"] = workflow
        return Call(record, None, time.perf_counter())

    @quietly
    def end_event(self, call: Call | None, result: Any = None, error: BaseException | None = None) -> None:
        if call is None:
            return
        record = call.record
        if error is None or isinstance(error, Exception):
            record["took"] = round((time.perf_counter() - call.started) * 1000, 3)
            record["ok"] = error is None
        if error is not None:
            record["error"] = described_error(error)
        self._learn(record, getattr(result, "run", None), getattr(result, "step", None))
        if not record["run"]:
            return  # a run that was not created has no id, and so nothing to be told of
        self._add({name: value for name, value in record.items() if value is not None or name == "ok"})

    def _learn(self, record: dict[str, Any], run: Any, step: Any) -> None:
        record["run"] = record["run"] or getattr(run, "run_id", None)
        workflow = record.get("workflow") or getattr(run, "workflow_name", None)
        if workflow and record["run"]:
            self._workflows[record["run"]] = workflow
            if len(self._workflows) > RUNS_KNOWN:
                self._workflows.pop(next(iter(self._workflows)))
        record["workflow"] = self._workflows.get(record["run"])
        record.setdefault("step_name", getattr(step, "step_name", None))
        record["attempt"] = getattr(step, "attempt", None) or None

    # The way of a chunk from the writer to the world

    @quietly
    def accepted(self, sink: Any, frame: bytes) -> tuple[Sink, Place]:
        """A writer was given a chunk: its place in the app's order is its place in the order of these calls."""
        state = self._state(sink)
        place = Place(next(self._orders), now_ms(), frame)
        state.pending[id(frame)] = place
        return state, place

    def _state(self, sink: Any) -> Sink:
        state = self._sinks.get(sink)
        if state is None:
            state = self._sinks[sink] = Sink(next(self._pairs), sink.name, sink.run_id, self.step("exact"))
            weakref.finalize(sink, self.abandoned, state)
        return state

    @quietly
    def not_taken(self, taken: tuple[Sink, Place] | None, error: BaseException | None) -> None:
        """The writer refused the chunk (`error`), or took it although it has failed and will send nothing more."""
        if taken is None:
            return
        state, place = taken
        if (error is None and not state.failed) or id(place.frame) not in state.pending:
            return
        del state.pending[id(place.frame)]
        self._unsent(state, [place], state.failed or f"the writable refused it: {error}"[:TEXT])

    @quietly
    def giving(self, sink: Any, group: Sequence[bytes]) -> tuple[Sink, list[Place | None]]:
        state = self._state(sink)
        return state, [state.pending.pop(id(frame), None) for frame in group]

    @quietly
    def not_given(self, given: tuple[Sink, list[Place | None]] | None, error: BaseException) -> None:
        """A group did not get through. A cancelled one goes back into the buffer; a rejected one ends the writable."""
        if given is None:
            return
        state, places = given
        if not isinstance(error, Exception):
            state.pending = {id(place.frame): place for place in places if place} | state.pending
            return
        state.failed = "an earlier write of this writable was rejected"
        self.abandoned(state, state.failed)

    @quietly
    def abandoned(self, state: Sink, why: str = "the step ended before it was sent") -> None:
        left, state.pending = list(state.pending.values()), {}
        if left:
            self._unsent(state, left, why)

    def _unsent(self, state: Sink, places: Sequence[Place], why: str) -> None:
        record: dict[str, Any] = {"type": "unsent", "n": next(self._numbers)}
        record |= {"stream": state.stream, "run": state.run, "at": now_ms(), "why": why}
        record["chunks"] = [{"pair": state.pair, "order": one.order, "called": one.called} for one in places]
        if state.step:
            record["step"] = state.step
        self._add(record, RECORD_COST + CHUNK_COST * len(places))

    # Errors of the process

    @quietly
    def logged(self, log: logging.LogRecord) -> None:
        errors = list(errors_of(log))
        text = log.getMessage()
        if not any(STREAM_FAILURE.search(one) for one in (text, *map(str, errors))):
            return
        unhandled = log.name == "asyncio" and text.startswith(NEVER_RETRIEVED)
        first = errors[0] if errors else None
        record: dict[str, Any] = {"type": "error", "kind": "unhandled_rejection" if unhandled else "log"}
        record |= {"at": now_ms(), "message": (str(first) if unhandled and first else text)[:TEXT]}
        record["name"] = type(first).__name__ if first else log.levelname
        if run := RUN_ID.search(" ".join([text, *map(str, errors)])):
            record["run"] = run[0]
        if step := self.step("context"):
            record["step"] = step
        known = {(kind, said): n for kind, said, n in self._failures}
        if write := next((known[key] for one in errors if (key := (type(one), str(one))) in known), None):
            record["write"] = write
        self._add(record)


def described(chunks: Sequence[bytes], given: tuple[Sink, list[Place | None]] | None) -> list[dict[str, Any]]:
    """Sizes, and places where they are known. Small chunks are hashed later, by the thread that sends them."""
    places = given[1] if given and len(given[1]) == len(chunks) else [None] * len(chunks)
    found = []
    for chunk, place in zip(chunks, places, strict=True):
        one: dict[str, Any] = {"size": len(chunk)}
        if type(chunk) is bytes and len(chunk) <= HASH_LATER_BELOW:
            one["raw"] = chunk
        else:
            one["hash"] = hash_of(bytes(chunk))
        if given and place:
            one |= {"pair": given[0].pair, "order": place.order}
        found.append(one)
    return found


def described_error(error: BaseException) -> dict[str, Any]:
    text = str(error)[:TEXT]
    found: dict[str, Any] = {"name": type(error).__name__, "message": text}
    status = getattr(error, "status", None)
    if not isinstance(status, int) and (said := HTTP_STATUS.search(text)):
        status = int(said[1])
    if isinstance(status, int):
        found["status"] = status
    return found


def errors_of(log: logging.LogRecord) -> Iterator[BaseException]:
    """The errors that a line of a log speaks of, with what caused them."""
    first = [log.exc_info[1]] if log.exc_info else []
    args = log.args.values() if isinstance(log.args, Mapping) else log.args or ()
    for one in [*first, *args]:
        depth = 0
        while isinstance(one, BaseException) and depth < 10:
            yield one
            one, depth = one.__cause__ or one.__context__, depth + 1


def step_metadata() -> Any:
    """The package's metadata of the step that runs here; None outside of one."""
    workflow = sys.modules.get("vercel.workflow")
    if workflow is None:
        return None
    try:
        return workflow.get_step_metadata()
    except RuntimeError:
        return None


# The hooks


def wrap_world(world: Any, recorder: Recorder) -> Any:
    """The same object, its writing methods shadowed by ones that report; it stays an instance of its class."""
    if getattr(getattr(world, "streams_write", None), "tailrace", False):
        return world
    write, many, close = world.streams_write, world.streams_write_multi, world.streams_close

    async def streams_write(run_id: str, name: str, chunk: bytes) -> Any:
        if _in_batch.get():
            return await write(run_id, name, chunk)
        return await _reported(recorder, "write", [chunk], write, run_id, name, chunk)

    async def streams_write_multi(run_id: str, name: str, chunks: Sequence[bytes]) -> Any:
        token = _in_batch.set(True)
        try:
            return await _reported(recorder, "write", chunks, many, run_id, name, chunks)
        finally:
            _in_batch.reset(token)

    async def streams_close(run_id: str, name: str) -> Any:
        return await _reported(recorder, "close", [], close, run_id, name)

    methods: tuple[Any, ...] = (streams_write, streams_write_multi, streams_close)
    for method in (*methods, _reported_events(world, recorder)):
        method.tailrace = True
        setattr(world, method.__name__, method)
    return world


async def _reported(
    recorder: Recorder, op: str, chunks: Sequence[bytes], method: Callable[..., Any], *args: Any
) -> Any:
    call = recorder.begin(op, args[0], args[1], chunks)
    try:
        result = await method(*args)
    except BaseException as error:
        recorder.end(call, error)
        raise
    recorder.end(call)
    return result


def _reported_events(world: Any, recorder: Recorder) -> Callable[..., Any]:
    create = world.events_create

    async def events_create(run_id: str | None, data: Any) -> Any:
        call = recorder.begin_event(run_id, data)
        try:
            result = await create(run_id, data)
        except BaseException as error:
            recorder.end_event(call, error=error)
            raise
        recorder.end_event(call, result)
        return result

    return events_create


def follow_sinks(streams: ModuleType, recorder: Recorder) -> bool:
    """Exact mode: follows each chunk through the buffer between `write()` and the world, if there is one."""
    sink_class = getattr(streams, "_StreamSink", None)
    enqueue, send, close = (getattr(sink_class, name, None) for name in ("enqueue", "_send", "close"))
    if not (sink_class and enqueue and send and close):
        return False

    async def followed_enqueue(sink: Any, frame: bytes) -> Any:
        taken = recorder.accepted(sink, frame)
        try:
            result = await enqueue(sink, frame)
        except BaseException as error:
            recorder.not_taken(taken, error)
            raise
        recorder.not_taken(taken, None)
        return result

    async def followed_send(sink: Any, group: Sequence[bytes]) -> Any:
        given = recorder.giving(sink, group)
        token = _giving.set(given)
        try:
            return await send(sink, group)
        except BaseException as error:
            recorder.not_given(given, error)
            raise
        finally:
            _giving.reset(token)

    async def followed_close(sink: Any) -> Any:
        token = _giving.set(recorder.giving(sink, ()))
        try:
            return await close(sink)
        finally:
            _giving.reset(token)

    sink_class.enqueue, sink_class._send, sink_class.close = followed_enqueue, followed_send, followed_close
    return True


def about_world(world: Any) -> dict[str, str]:
    """What the world is, in the words of the probe's schema."""
    kind = type(world)
    known = {"LocalWorld": "local", "VercelWorld": "vercel"}
    name = known.get(kind.__name__, f"{kind.__module__}.{kind.__name__}")
    where = getattr(world, "data_dir", None) or getattr(world, "_base_url", None)
    if where is None:
        return {"world": name}
    return {"world": name, "location": os.path.abspath(where) if name == "local" else str(where)}


class Probe:
    """The probe of this process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.sender = Sender(settings, self._app(), Outbox())
        self.recorder = Recorder(settings, self.sender)

    def _app(self) -> dict[str, Any]:
        app = {
            "probe": PROBE,
            "language": "python",
            "runtime": f"python {platform.python_version()}",
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "exact": False,
        }
        environment = os.environ.get("VERCEL_ENV") or os.environ.get("NODE_ENV")
        return app | {"env": environment} if environment else app

    def hook(self, module: ModuleType) -> None:
        """Called with the package's world module as soon as it is loaded."""
        with contextlib.suppress(PackageNotFoundError):
            self.sender.app["sdk"] = version("vercel-workflow")
        create, put = module.create_world, module.set_world

        def create_world() -> Any:
            return self.wrapped(create())

        def set_world(world: Any) -> None:
            put(None if world is None else self.wrapped(world))

        module.create_world, module.set_world = create_world, set_world  # type: ignore[attr-defined]
        if module.the_world is not None:
            self.wrapped(module.the_world)
        self._watch_logs()
        atexit.register(self.end)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._after_fork)

    def wrapped(self, world: Any) -> Any:
        try:
            wrap_world(world, self.recorder)
            self.sender.app.update(about_world(world))
            streams = sys.modules.get(STREAMS_MODULE)
            if streams and self.settings.exact and not self.sender.app["exact"]:
                self.sender.app["exact"] = follow_sinks(streams, self.recorder)
            self.sender.start()
        except Exception as error:
            say(self.settings, f"this world cannot be wrapped, nothing is reported: {error}")
        return world

    def _after_fork(self) -> None:
        """A child has none of its parent's threads, and is another process with a count of its own."""
        self.sender = Sender(self.settings, {**self.sender.app, "pid": os.getpid()}, Outbox())
        self.recorder.after_fork(self.sender)

    def _watch_logs(self) -> None:
        # A filter, not a handler: with a handler Python would no longer print what nobody else handles.
        for name in ("vercel.workflow", "asyncio"):
            logging.getLogger(name).addFilter(self._see)

    def _see(self, log: logging.LogRecord) -> bool:
        self.recorder.logged(log)
        return True

    def end(self) -> None:
        self.recorder.leave_nothing()
        self.sender.end()


class _Finder:
    """Waits in `sys.meta_path` for the package's world module and hooks it once it has been executed."""

    def __init__(self, hook: Callable[[ModuleType], None]) -> None:
        self._hook = hook

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != WORLD_MODULE:
            return None
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not self]
        spec = importlib.util.find_spec(name)
        loader: Any = spec and spec.loader
        if loader is None:
            return None
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            loader.exec_module = execute
            execute(module)
            self._hook(module)

        loader.exec_module = exec_module
        return spec


def install(env: Mapping[str, str] = os.environ) -> Probe | None:
    """Hooks the package if it is loaded, else as soon as it is; once in a process, however often this is loaded."""
    settings = Settings.read(env)
    if settings.off or hasattr(sys, "_tailrace_probe"):
        return None
    probe = Probe(settings)
    sys._tailrace_probe = probe  # type: ignore[attr-defined]
    if urlsplit(settings.url).scheme not in ("http", "https"):
        say(settings, f"TAILRACE_URL={settings.url} is not an http address: nothing is reported.")
        return None
    loaded = sys.modules.get(WORLD_MODULE)
    if loaded is not None:
        probe.hook(loaded)
    else:
        sys.meta_path.insert(0, _Finder(probe.hook))
    return probe


def load_shadowed(own: str) -> None:
    """Runs the `sitecustomize` that this file stands in front of, as Python would have."""
    folder = os.path.dirname(os.path.abspath(own))
    others = [one for one in sys.path if os.path.abspath(one) != folder]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


def main(argv: list[str]) -> int:
    """`python tailrace_probe.py app.py ...` or `-m module ...`: runs it with the probe."""
    if not argv or (argv[0] == "-m" and len(argv) < 2):
        sys.stderr.write("usage: python tailrace_probe.py app.py [argument ...] | -m module [argument ...]\n")
        return 64
    install()
    if argv[0] == "-m":
        sys.argv = argv[1:]
        sys.path[0] = os.getcwd()
        runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = argv
        sys.path[0] = os.path.dirname(os.path.abspath(argv[0]))
        runpy.run_path(argv[0], run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
if not hasattr(sys, "_tailrace_probe"):
    install()
if __name__ == "sitecustomize":
    load_shadowed(__file__)
