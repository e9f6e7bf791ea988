"""A Vercel project: what its deployments' runs left with Vercel's workflow server, read over HTTP.

A pure reader that asks no more often than its budget allows. The server keeps chunks in their order, but neither when
they were stored nor who wrote them, nor what it refused: the probe or the proxy adds that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Event as StopEvent
from typing import Any

from dashboard.lib.clock import to_datetime
from runs.observations import Observation
from runs.worlds._local_look import usable_id
from runs.worlds._vercel_cbor import body_of, bytes_of, payload_of, plain, unbase64
from runs.worlds._vercel_chunks import index_of, pages_from
from runs.worlds._vercel_client import Broken, Client, Gone, TooLarge, path_of
from runs.worlds._vercel_events import one_event
from runs.worlds._vercel_live import follow
from runs.worlds._vercel_owner import run_of
from runs.worlds._vercel_place import EXAMPLE, place_in, target_of
from runs.worlds._vercel_read import Reading
from runs.worlds._vercel_records import Row, Values, rows_in
from runs.worlds._vercel_state import StreamNote, state_of
from runs.worlds.base import KEPT_WHOLE, Check, Fact, Place, Seen, World, WorldError

KEPT_VALUES = 32  # fetched by reference: an event and its step refer to the same one
KEY_BYTES = 32


@dataclass(slots=True)
class _Fetched:
    """The last values that were fetched by their reference, but for large ones."""

    client: Client
    kept: dict[tuple[str, str], Any] = field(default_factory=dict)

    def __call__(self, run_id: str, reference: str) -> Any:
        """Raises as `Client.get`."""
        key = (run_id, reference)
        if key not in self.kept:
            answer = self.client.get(path_of("v2", "runs", run_id, "refs"), {"ref": reference}, "*/*")
            found = payload_of(answer.value()) if "cbor" in answer.kind else body_of(answer.body)
            if len(answer.body) > KEPT_WHOLE:
                return found
            while len(self.kept) >= KEPT_VALUES:
                del self.kept[next(iter(self.kept))]
            self.kept[key] = found
        return self.kept[key]


class VercelWorld(World):
    """The server of all clients from 4.1 to 5.0, whose newest API is found by asking."""

    kind = "vercel"
    label = "Vercel project"
    supplies = frozenset({"chunks"})
    has_times = False
    shows_behind = False
    example = EXAMPLE
    secret_label = "token"
    secret_variable = "TAILRACE_VERCEL_TOKEN"

    def __init__(self, location: str, secret: str = "") -> None:
        super().__init__(location, secret)
        self._target = target_of(location)
        self._state = state_of(self._target, secret)
        self._client = Client(self._target, secret, self._state.pacer)
        self._fetch = _Fetched(self._client)
        self._keys: dict[str, bytes | None] = {}

    @classmethod
    def parse(cls, given: str) -> Place | None:
        """`vercel:team/project`, with `environment`, `url`, `budget`, `runs`, `insecure` and `token` behind it."""
        return place_in(given)

    def read(self, seen: Seen, hints: frozenset[str] | None = None) -> Iterator[list[Observation]]:
        reading = Reading(self._client, self._state, self._state.said_to(seen), self._fetch)
        if hints is None:
            yield from reading.everything()
        else:
            yield from reading.hinted(hints | self._state.take_urgent())

    def watch(self, stop: StopEvent) -> Iterator[frozenset[str] | None]:
        """Its connections are its own: whoever reads with this instance is not cut off when the watching ends."""
        client = Client(self._target, self.secret, self._state.pacer)
        try:
            yield from follow(client, self._state, stop)
        finally:
            client.close()

    def fetch_chunk(self, stream: str, chunk_id: str) -> bytes:
        index, note = index_of(chunk_id), StreamNote()
        try:
            run_id = run_of(stream, self._client, self._state)
            for page in pages_from(self._client, run_id, stream, note):
                for at, data in page.chunks:
                    if at == index:
                        return data
        except (Gone, Broken, TooLarge) as error:
            raise WorldError(f"chunk {chunk_id} cannot be read: {error}") from None
        raise WorldError(f"chunk {chunk_id} is no longer in the world")

    def fetch_payload(self, pointer: str) -> bytes:
        """`pointer` is `runs/<id>#field`, `steps/<run>/<id>#field` or `events/<run>/<id>#eventData`."""
        what, _, name = pointer.partition("#")
        kind, *ids = what.split("/")
        if len(ids) != {"runs": 1, "steps": 2, "events": 2}.get(kind, -1) or not all(map(usable_id, ids)):
            raise WorldError(f"a {self.label} keeps no value at such a place", permanent=True)
        try:
            value = self._value_at(kind, ids, name)
        except (Gone, Broken, TooLarge) as error:
            raise WorldError(f"the value cannot be read: {error}") from None
        if value is None:
            raise WorldError("the value is no longer in the world")
        return _whole(value)

    def _value_at(self, kind: str, ids: list[str], name: str) -> Any:
        values = Values(ids[0], self._fetch)
        if kind == "events":
            data = values.data_of(one_event(self._client, self._state, ids[0], ids[1]))
            inner = name.partition(".")[2]
            return payload_of(data.get(inner)) if inner else plain(data)
        path = path_of("v2", "runs", ids[0], *(["steps", ids[1]] if kind == "steps" else []))
        row = self._client.value(path, {"remoteRefBehavior": "resolve"})
        return values.of(row, name) if isinstance(row, dict) else None

    def run_key(self, run_id: str) -> bytes | None:
        if run_id not in self._keys:
            try:
                self._keys[run_id] = self._asked_key(run_id)
            except (Gone, Broken, TooLarge) as error:
                raise WorldError(f"the key of run {run_id} cannot be read: {error}") from None
        return self._keys[run_id]

    def _asked_key(self, run_id: str) -> bytes | None:
        deployment = self._deployment(run_id)
        params = {"projectId": self._target.project, "runId": run_id, "teamId": self._target.team}
        answer = self._client.get(path_of("run-key", deployment), params, "application/json").value()
        key = answer.get("key") if isinstance(answer, dict) else None
        if key is None:
            return None
        raw = bytes_of(key) or unbase64(key)
        if raw is None or len(raw) != KEY_BYTES:
            raise Broken("what came is no key")
        return raw

    def _deployment(self, run_id: str) -> str:
        """A key is asked for by the deployment that the run belongs to."""
        deployment = self._state.note(run_id).deployment
        if not deployment:
            row = self._client.value(path_of("v2", "runs", run_id), {"remoteRefBehavior": "lazy"})
            deployment = str(row.get("deploymentId") or "") if isinstance(row, dict) else ""
        if not usable_id(deployment):
            raise Broken("which deployment it belongs to is not known")
        return deployment

    # --- about the world --------------------------------------------------------------------------------
    def facts(self) -> tuple[Fact, ...]:
        state, target = self._state, self._target
        until = to_datetime(state.pacer.paused_until_ns())
        found = [
            Fact(
                "environment", target.environment, "one at a time: another environment is a world of its own"
            ),
            Fact(
                "requests",
                f"{state.pacer.used()} in the last minute, {target.budget} at the most",
                "all of what Tailrace asks of this project; another number: ?budget=",
            ),
            Fact("server", f"{self._client.host}, events by API {state.api or 'not known yet'}"),
            Fact(
                "runs read",
                f"the {target.runs} newest, and all that have not ended",
                "another number: ?runs=",
            ),
        ]
        if until is not None:
            found.append(Fact("waiting", f"until {until:%H:%M:%S} UTC", is_warning=True))
        if state.backlog:
            found.append(Fact("not read yet", f"{state.backlog} runs", "they are read as the budget allows"))
        return (*found, *self._limits())

    def _limits(self) -> Iterator[Fact]:
        if self._state.is_encrypted is not None:
            yield Fact(
                "payloads",
                "encrypted" if self._state.is_encrypted else "not encrypted, as far as was read",
                "their keys are asked for only where decryption is switched on"
                if self._state.is_encrypted
                else "",
            )
        yield Fact(
            "times of chunks",
            "not kept by the server: those shown are when Tailrace saw them",
            "the probe or the recording proxy tells when each was written",
        )
        yield Fact(
            "writers and refused writes",
            "not kept by the server",
            "the probe or the recording proxy tells who wrote each chunk, and which writes were refused",
        )

    def check(self) -> Iterator[Check]:
        """A request for each: the list of runs, then what belongs to the newest of them."""
        yield Check("token", bool(self.secret), *_token_words(self.secret))
        if not self.secret:
            return
        try:
            page = self._client.value("/v2/runs", {"limit": "1", "sortOrder": "desc"})
            rows = rows_in(page)
        except (WorldError, Gone, Broken, TooLarge) as error:
            yield Check("runs", False, str(error) or "the server knows no such project")
            return
        yield Check(
            "runs", True, f"{self._client.host} answers" + ("" if rows else "; there are no runs yet")
        )
        for name, path in (("steps", "steps"), ("streams", "streams")):
            yield self._tried(name, rows, path)

    def _tried(self, name: str, rows: list[Row], path: str) -> Check:
        if not rows:
            return Check(name, None, "not tried: there is no run")
        try:
            self._client.value(path_of("v2", "runs", str(rows[0].get("runId")), path))
        except (WorldError, Broken, TooLarge) as error:
            return Check(name, False, str(error))
        except Gone:
            return Check(name, None, "the newest run has none")
        return Check(name, True, "can be read")

    def close(self) -> None:
        self._client.close()


def _whole(value: Any) -> bytes:
    """As in `stored_bytes`, whose hash this must have."""
    if isinstance(value, bytes):
        return value
    return b"JSON" + json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _token_words(secret: str) -> tuple[str, str]:
    if secret:
        return "there is one", ""
    return (
        "there is none",
        "make one in the account's settings that may read the project, and set TAILRACE_VERCEL_TOKEN",
    )
