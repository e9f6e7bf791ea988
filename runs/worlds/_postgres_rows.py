"""Rows of a PostgreSQL world, turned into what was observed.

A row is only refused where it is not clear whose it is. Any other column may be missing or hold anything: then
it is empty in the observation, its place is told as unreadable, and nothing else is lost.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runs.observations import EventSeen, HookSeen, Observation, RunSeen, StepSeen, Unreadable, WaitSeen
from runs.worlds._local_look import usable_id
from runs.worlds._local_records import clean, language_of
from runs.worlds._postgres_clock import Clock, version_ns
from runs.worlds._postgres_record import Record, record_of
from runs.worlds._postgres_schema import EVENTS, HOOKS, KNOWN, RUNS, STEPS, WAITS
from runs.worlds._postgres_sql import (
    EVENT_COLUMNS,
    HOOK_COLUMNS,
    RUN_COLUMNS,
    STEP_COLUMNS,
    WAIT_COLUMNS,
)
from runs.worlds._postgres_values import (
    HEAD_SHOWN,
    VALUE_MAX,
    BadValue,
    decode_cbor,
    decode_json,
    plain,
    stored,
)
from runs.worlds.base import TERMINAL

ID_MAX = 255
_PACKED = (b"gzip", b"zstd")
SETTLED = 1  # of a version: all of the run has been read since it ended


@dataclass(slots=True)
class Rows:
    """Turns rows into observations. `fetch` gives a value that was too large to come along: table, column, key."""

    clock: Clock
    fetch: Callable[[str, str, str], Any]
    extra: Sequence[str] = ()  # columns of runs that no known version has
    bad: list[Unreadable] = field(default_factory=list)  # what could not be read, until it is taken
    good: set[str] = field(default_factory=set)  # places that could be
    payloads: dict[str, list[bytes]] = field(default_factory=dict)  # by run: values that may name streams

    def run(self, row: Sequence[Any], *, settled: bool) -> RunSeen | None:
        one = record_of(RUNS, RUN_COLUMNS, "id", row)
        if not self._is_usable(one, one.key):
            return None
        context = self._value(one, "execution_context", one.key)
        error = self._value(one, "error", one.key)
        workflow, deployment = one.text("name"), one.text("deployment_id")
        return RunSeen(
            run_id=one.key,
            status=one.text("status"),
            workflow=workflow,
            source_ns=self.version(one) - (0 if settled or one.text("status") not in TERMINAL else SETTLED),
            deployment=deployment,
            sdk_version=clean(context.get("workflowCoreVersion")) if isinstance(context, dict) else "",
            language=language_of(workflow, deployment),
            spec_version=one.number("spec_version"),
            created_ns=self._created(one),
            started_ns=one.time("started_at"),
            completed_ns=one.time("completed_at"),
            expired_ns=one.time("expired_at"),
            input=self._payload(one, "input", one.key),
            output=self._payload(one, "output", one.key),
            error=self._stored(one, "error", error),
            error_code=one.text("error_code") or clean(error.get("code") if isinstance(error, dict) else ""),
            attributes=self._attributes(one, row),
        )

    def step(self, row: Sequence[Any]) -> StepSeen | None:
        one = record_of(STEPS, STEP_COLUMNS, "step_id", row)
        run_id = str(one.columns.get("run_id") or "")
        if not self._is_usable(one, run_id):
            return None
        return StepSeen(
            run_id=run_id,
            step_id=one.key,
            status=one.text("status"),
            name=one.text("step_name"),
            source_ns=self.version(one),
            attempt=one.number("attempt"),
            created_ns=self._created(one),
            started_ns=one.time("started_at"),
            completed_ns=one.time("completed_at"),
            retry_after_ns=one.time("retry_after"),
            input=self._payload(one, "input", run_id),
            output=self._payload(one, "output", run_id),
            error=self._payload(one, "error", run_id),
        )

    def event(self, row: Sequence[Any]) -> EventSeen | None:
        one = record_of(EVENTS, EVENT_COLUMNS, "id", row)
        run_id = str(one.columns.get("run_id") or "")
        if not self._is_usable(one, run_id):
            return None
        created = self._created(one)
        return EventSeen(
            run_id=run_id,
            event_id=one.key,
            type=one.text("type"),
            source_ns=created or 0,
            correlation_id=one.text("correlation_id"),
            created_ns=created,
            data=self._payload(one, "payload", run_id),
        )

    def hook(self, row: Sequence[Any]) -> HookSeen | None:
        one = record_of(HOOKS, HOOK_COLUMNS, "hook_id", row)
        run_id = str(one.columns.get("run_id") or "")
        if not self._is_usable(one, run_id):
            return None
        created = self._created(one)
        return HookSeen(
            run_id=run_id,
            hook_id=one.key,
            token=one.text("token"),
            source_ns=created or 0,
            created_ns=created,
            is_webhook=one.columns.get("is_webhook") is True,
            is_system=one.columns.get("is_system") is True,
            metadata=self._payload(one, "metadata", run_id),
        )

    def wait(self, row: Sequence[Any]) -> WaitSeen | None:
        one = record_of(WAITS, WAIT_COLUMNS, "wait_id", row)
        run_id = str(one.columns.get("run_id") or "")
        if not self._is_usable(one, run_id):
            return None
        return WaitSeen(
            run_id=run_id,
            wait_id=one.key.removeprefix(f"{run_id}-"),  # as its events call it
            status=one.text("status"),
            source_ns=self.version(one),
            created_ns=self._created(one),
            resume_ns=one.time("resume_at"),
            completed_ns=one.time("completed_at"),
        )

    def version(self, one: Record) -> int:
        """Of a run, step or wait, from columns that its keys have too."""
        updated = one.time("updated_at")
        if updated is not None and updated == one.time("created_at"):  # never updated: the database's clock
            updated = None
        times = (self._created(one), updated, one.time("started_at"), one.time("completed_at"))
        return version_ns(times, one.text("status"), one.number("attempt") or 0)

    def version_of(self, table: str, columns: Sequence[str], key: str, row: Sequence[Any]) -> int:
        return self.version(record_of(table, columns, key, row))

    def ended_ns(self, table: str, columns: Sequence[str], key: str, row: Sequence[Any]) -> int | None:
        return record_of(table, columns, key, row).time("completed_at")

    def _created(self, one: Record) -> int | None:
        return self.clock.created(one.key, one.time("created_at"))

    def _is_usable(self, one: Record, run_id: str) -> bool:
        """Whether the row can be kept at all: it has an id, and names a run."""
        if usable_id(run_id) and 0 < len(one.key) <= ID_MAX and one.key.isprintable():
            return True
        shown = "".join(c if c.isprintable() else "\ufffd" for c in one.key[:100])
        whole = repr({name: value for name, value in one.columns.items() if isinstance(value, str | int)})
        reason = "it names no run" if one.key.isprintable() and one.key else "its id cannot be used"
        self.bad.append(Unreadable(f"{one.table}/{shown}", reason, whole.encode("utf-8", "replace")[:4096]))
        return False

    def _payload(self, one: Record, name: str, run_id: str) -> bytes | None:
        return self._stored(one, name, self._value(one, name, run_id))

    def _value(self, one: Record, name: str, run_id: str) -> Any:
        """The value in the `_cbor` column, else in the older one; None where there is none, or none to read."""
        for column in (f"{name}_cbor", name):
            size = one.sizes.get(column)
            if size is None:
                continue
            try:
                value = self._decoded(one, column, size)
                self.good.add(one.place(column))
                self._keep(run_id, value)
                return value
            except BadValue as error:
                self.bad.append(Unreadable(one.place(column), error.reason, error.head))
        return None

    def _decoded(self, one: Record, column: str, size: int) -> Any:
        if size > VALUE_MAX:
            raise BadValue(f"a value of {size:,} bytes: larger than {VALUE_MAX:,}")
        data = one.columns[column]
        if data is None:
            data = self.fetch(one.table, column, one.key)
        return decoded(one.table, column, data)

    def _stored(self, one: Record, name: str, value: Any) -> bytes | None:
        column = f"{name}_cbor" if one.sizes.get(f"{name}_cbor") is not None else name
        try:
            return stored(value, one.place(column))
        except BadValue as error:
            raw = one.columns.get(column)
            head = raw[:HEAD_SHOWN] if isinstance(raw, bytes) else b""
            self.bad.append(Unreadable(one.place(column), error.reason, head))
            return None

    def _keep(self, run_id: str, value: Any) -> None:
        """Byte values, in the value itself and one level below: they may hold handles of streams."""
        found = [value, *(value.values() if isinstance(value, dict) else ())]
        named = [
            inner
            for inner in found
            if isinstance(inner, bytes) and (b"strm_" in inner or inner[:4] in _PACKED)
        ]
        if named:
            self.payloads.setdefault(run_id, []).extend(named)

    def _attributes(self, one: Record, row: Sequence[Any]) -> Mapping[str, object]:
        """The run's own, and as `column:<name>` what columns hold that no known version has."""
        value = self._value(one, "attributes", one.key)
        found = (
            {clean(str(name)): _flat(inner) for name, inner in value.items()}
            if isinstance(value, dict)
            else {}
        )
        extra = dict(zip(self.extra, row[len(row) - len(self.extra) :], strict=True))
        if one.text("encryption_public_key"):
            extra["encryption_public_key"] = one.text("encryption_public_key")
        return found | {f"column:{name}": clean(text) for name, text in extra.items() if text is not None}

    def told(self, unreadable: set[str]) -> Iterator[Observation]:
        """What could not be read, once; what was unreadable and is not any more is for the caller."""
        for one in self.bad:
            if one.where not in unreadable:
                unreadable = unreadable | {one.where}
                yield one
        self.bad.clear()


def decoded(table: str, column: str, data: Any) -> Any:
    """What a value's column holds. Raises BadValue."""
    if data is None:
        return None
    form = KNOWN[table][column]
    if form == "bytea":
        return decode_cbor(data)
    return decode_json(data) if form == "jsonb" else data


def _flat(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return clean(value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False))
