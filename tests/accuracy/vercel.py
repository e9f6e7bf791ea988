"""All detectors against recordings of Vercel's clients: a stand-in knows what the server knew, and is asked for it.

What is true is read from the exchanges and from what the stand-in stored, without the product: what was refused,
which streams stayed open, what the runs' events say; and from what each step meant to write (`-truth.jsonl.gz`).
Who wrote, what was refused and what came behind an end marker is in no answer of this server, hence unseen.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dashboard.anomalies.scan import scan
from runs.worlds.vercel import VercelWorld
from tests.accuracy.scanned import judge
from tests.accuracy_streams import BREAKS_THE_PROTOCOL, SCENARIOS, Fact, Result
from tests.lab.cell import Told
from tests.lab.truth import truths
from tests.lab.vercel.store import TERMINAL, Store
from tests.vercel_worlds import VercelServer, exchanges, recorded

# Workflows of the recorded apps, by the names that the lab has for what they do.
DOES = {
    "reacquirePerWrite": "b_reacquire",
    "retriesThenOk": "e_retries",
    "parallelSameId": "g_parallelSameId",
}
RACE, EAGER = "RACE", "EAGER CLOSE"  # how scenarios.json begins to name those driven directly
SDK_OF = {"4.1.2": "4.2.4", "5.0.0-beta.50": "5.0.0-beta.55"}  # by the version of the client


def results(folder: Path) -> Iterator[Result]:
    for archive in sorted((folder / "vercel").glob("vercel-*.jsonl.gz")):
        name = archive.name.removesuffix(".jsonl.gz")
        if not name.endswith("-truth"):
            yield _result(archive.parent, name)


def _result(folder: Path, name: str) -> Result:
    store = recorded(name, folder)
    version = name.removeprefix("vercel-").removesuffix("-realapp")
    result = Result(f"vercel {version.removesuffix('-nows').removesuffix('-direct')}/{name}")
    result.scenario_of = {run_id: _scenario(run) for run_id, run in store.runs.items()}
    left, written = set(_left_alone(store)), {run_id for run_id, _ in store.streams}
    result.expected |= {*_of_events(store), *_of_streams(store), *_of_scenarios(result.scenario_of)}
    result.expected |= {fact for fact in left if fact[1] not in written}
    # When chunks were stored is not told: to whom looks for the first time they are all new.
    result.unseen |= {fact for fact in left if fact[1] in written}
    result.unseen |= {*_refused(folder, name), *_behind(store), *_driven(folder, version, store)}
    truth = folder / f"{name}-truth.jsonl.gz"
    if truth.exists():
        _of_order(store, truth, SDK_OF[version], result)
    with VercelServer(store) as server:
        judge(scan(VercelWorld(server.location(), server.token)), result)
    return result


def _scenario(run: dict[str, Any]) -> str:
    workflow = str(run["workflowName"]).rpartition("//")[2]
    return DOES.get(workflow, workflow)


def _of_events(store: Store) -> Iterator[Fact]:
    for run_id, events in store.events.items():
        types = [event["eventType"] for event in events]
        ends = [at for at, kind in enumerate(types) if kind.removeprefix("run_") in TERMINAL]
        made = Counter(event.get("correlationId") for event in events if event["eventType"] == "step_created")
        if "hook_conflict" in types:
            yield "hook_conflict", run_id
        if ends and any(kind != "noop" for kind in types[ends[0] + 1 :]):
            yield "event_after_end", run_id
        if max(made.values(), default=0) > 1:
            yield "duplicate_event", run_id


def _left_alone(store: Store) -> Iterator[Fact]:
    """Runs that their driver left when it was done: nothing goes on in them, and nobody waits for anything."""
    now = datetime.now(UTC)
    waits = {run_id: wait for (run_id, _), wait in store.waits.items() if wait["status"] == "waiting"}
    busy = {run_id for (run_id, _), step in store.steps.items() if step["status"] not in TERMINAL}
    hooked = {hook["runId"] for hook in store.hooks.values()}
    for run_id, run in store.runs.items():
        if run["status"] in TERMINAL:
            continue
        if run_id in waits and waits[run_id]["resumeAt"] < now:
            yield "wait_overdue", run_id
        elif run_id not in busy | hooked | waits.keys():
            yield "run_stuck", run_id


def _of_streams(store: Store) -> Iterator[Fact]:
    for (run_id, _), stream in store.streams.items():
        if stream.end is None and store.runs[run_id]["status"] in TERMINAL:
            yield "never_closed", run_id


def _of_scenarios(scenario_of: dict[str, str]) -> Iterator[Fact]:
    for run_id, scenario in scenario_of.items():
        if scenario in SCENARIOS:
            yield SCENARIOS[scenario], run_id
        if scenario in BREAKS_THE_PROTOCOL:
            yield "protocol_violation", run_id


def _refused(folder: Path, name: str) -> Iterator[Fact]:
    for one in exchanges(name, folder):
        if one["method"] == "PUT" and one["status"] == 409:
            yield "write_rejected", one["url"].partition("/runs/")[2].partition("/")[0]


def _behind(store: Store) -> Iterator[Fact]:
    for (run_id, _), stream in store.streams.items():
        if stream.end is not None and len(stream.chunks) > stream.end:
            yield "write_after_close", run_id


def _driven(folder: Path, version: str, store: Store) -> Iterator[Fact]:
    """By what the recording's driver read back; its own numbers tell whether that is the order in which it wrote."""
    path = folder / "scenarios.json"
    for entry in json.loads(path.read_text()) if path.exists() else ():
        runs = [run_id for run_id in entry["runIds"] if run_id in store.runs and entry["version"] == version]
        if entry["scenario"].startswith(RACE):
            result = entry["result"]
            read = result["read"] if isinstance(result, dict) else result
            kinds = ("racing_writers", "out_of_order") if read != sorted(read) else ()
            yield from ((kind, run_id) for run_id in runs for kind in kinds)
        if entry["scenario"].startswith(EAGER):
            yield from (("write_rejected", run_id) for run_id in runs)


def _of_order(store: Store, truth: Path, sdk: str, result: Result) -> None:
    """Only a broken message shows that chunks moved: who wrote them is not told."""
    lines = [json.loads(line) for line in gzip.decompress(truth.read_bytes()).splitlines()]
    meant = [
        one for one in lines if one["stream"] != "webhook" and not str(one["value"]).startswith("bytes:")
    ]
    stored: dict[str, list[bytes | None]] = {
        name: [*one.visible()] for (_, name), one in store.streams.items()
    }
    results = {scenario: {"runId": run_id} for run_id, scenario in result.scenario_of.items()}
    for stream in truths(sdk, Told(results, meant, [], [], None, stored)).values():
        if stream.is_racing:
            result.unseen.add(("racing_writers", stream.run_id))
        if stream.missing:
            result.unseen.add(("chunk_lost", stream.run_id))
        if not stream.is_in_order:
            result.unseen.add(("out_of_order", stream.run_id))
            if stream.scenario.startswith("b_"):
                result.expected.add(("protocol_violation", stream.run_id))
