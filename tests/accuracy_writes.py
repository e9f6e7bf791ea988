"""What a recorded journal of the probe says of each stream's writes, as facts in memory: no database."""

from __future__ import annotations

import hashlib
from collections import defaultdict, deque
from dataclasses import replace
from typing import Any

from dashboard.anomalies.survey import Survey
from streams.ledger import LOST, REJECTED, STORED, StepAttempt, WriteFact, WriteLedger
from tests.probe_journal import attempt_of, record_of

MS = 1_000_000


def ledgers_of(survey: Survey, journal: list[dict[str, Any]]) -> dict[str, WriteLedger]:
    """By stream. Chunks are found by their hash, in the order in which the calls came to the world."""
    calls = sorted(
        (line for line in journal if line["ev"] == "call" and line["runId"] in survey.runs),
        key=lambda line: line["seq"],
    )
    attempts = {line["seq"]: attempt_of(line) for line in calls}
    began = calls[0]["tCall"] - calls[0]["mCall"] if calls else 0
    by_stream: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in calls:
        record = record_of(line, attempts)
        if (
            record is not None
        ):  # its own clock in whole milliseconds is too coarse to tell what came back first
            by_stream[line["stream"]].append(record | {"called": began + line["mCall"]})
    ledgers = {name: _ledger(survey, name, records) for name, records in by_stream.items()}
    streams: defaultdict[StepAttempt, set[str]] = defaultdict(set)
    for name, ledger in ledgers.items():
        for by in ledger.by_step:
            streams[by].add(name)
    for ledger in ledgers.values():
        ledger.streams_of_step = {by: len(names) for by, names in streams.items()}
    return ledgers


def _ledger(survey: Survey, name: str, records: list[dict[str, Any]]) -> WriteLedger:
    free: defaultdict[str, deque[tuple[int, str]]] = defaultdict(deque)
    for chunk in survey.chunk_facts(name, ""):
        digest = "close" if chunk.is_close else hashlib.sha256(chunk.payload).hexdigest()[:16]
        free[digest].append((chunk.arrival, chunk.chunk_id))
    facts: list[WriteFact] = []
    for record in records:
        chunks = record["chunks"] if record["op"] == "write" else [{}]
        for place, chunk in enumerate(chunks):
            facts.append(_fact(len(facts) + 1, record, place, chunk, free))
    ledger = WriteLedger()
    ledger.is_lossy = False
    ledger.put(_sequenced(_by_size(survey, name, facts)))
    return ledger


def _by_size(survey: Survey, name: str, facts: list[WriteFact]) -> list[WriteFact]:
    """Paths in the recorded payloads were replaced by others of the same length: there, only sizes agree."""
    taken = {one.arrival for one in facts}
    left = [one for one in survey.chunk_facts(name, "") if one.arrival not in taken and not one.is_close]
    found: list[WriteFact] = []
    for one in facts:
        chunk = (
            next((chunk for chunk in left if chunk.size == one.size), None) if one.outcome == LOST else None
        )
        if chunk is not None:
            left.remove(chunk)
            one = replace(one, outcome=STORED, arrival=chunk.arrival, chunk_id=chunk.chunk_id)
        found.append(one)
    return found


def _fact(
    pk: int,
    record: dict[str, Any],
    place: int,
    chunk: dict[str, Any],
    free: dict[str, deque[tuple[int, str]]],
) -> WriteFact:
    is_close, step = record["op"] == "close", record["step"]
    found = free["close" if is_close else chunk["hash"]]
    stored = found.popleft() if record["ok"] and found else None
    outcome = STORED if stored else LOST if record["ok"] else REJECTED
    error = record.get("error", {})
    order, writer = chunk.get("order"), chunk.get("pair", 0)
    if record.get("writer") and not is_close:
        order, writer = record["group"] * 10_000 + place, hash(record["writer"])
    known = "exact" if order is not None or "pair" in chunk else step.get("known", "unknown")
    scope = f"{step.get('id')} {step.get('attempt')} {record.get('writer', '')}"
    return WriteFact(
        pk=pk, process="app", number=record["n"], place=place, outcome=outcome, is_close=is_close, is_sent=True,
        called_ns=int(record["called"] * MS), took_ns=int(record["took"] * MS), size=chunk.get("size"),
        error=error.get("message", ""), status=error.get("status"), is_overlapping=bool(record["overlaps"]),
        acquired=record["acquired"], order=order, sequence=order, arrival=stored[0] if stored else None,
        chunk_id=stored[1] if stored else "", writer=writer, known="step only" if known == "context" else known,
        run_id=record["run"], step_id=step.get("id") or "", step_name=step.get("name") or "",
        attempt=step.get("attempt"), scope=scope,
    )  # fmt: skip


def _sequenced(facts: list[WriteFact]) -> list[WriteFact]:
    """The writer's order as numbers from 0 within its scope."""
    orders: defaultdict[str, set[int]] = defaultdict(set)
    for one in facts:
        if one.order is not None:
            orders[one.scope].add(one.order)
    places = {scope: {order: at for at, order in enumerate(sorted(found))} for scope, found in orders.items()}
    return [
        one if one.order is None else replace(one, sequence=places[one.scope][one.order]) for one in facts
    ]
