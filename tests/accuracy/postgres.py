"""All detectors against recordings of PostgreSQL worlds, restored into a real server and read by the real adapter.

`postgres/scenarios.json` names what is wrong with the runs that were driven directly. Of whole apps
(`-realapp`) there is what each step meant to write (`-truth.jsonl`) and what readers got (`-observed.json`); the
rest is read from the restored tables here, without the product.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from dashboard.anomalies.scan import open_world, scan
from tests import servers
from tests.accuracy.runs import kinds_of
from tests.accuracy.scanned import judge
from tests.accuracy_streams import BREAKS_THE_PROTOCOL, SCENARIOS, Fact, Result
from tests.lab import postgres
from tests.lab.cell import Told
from tests.lab.truth import StreamTruth, truths
from tests.lab.verdict import diverging_streams
from tests.needs import find_postgres

Connection = psycopg.Connection[tuple[Any, ...]]
WORDS = {
    "data-after-eof": "write_after_close",
    "double-close": "closed_more_than_once",
    "no-eof-after-run-completed": "never_closed",
    "stream-left-open": "never_closed",
    "chunk-created-after-run-completed": "write_after_run_end",
    "chunk written after run_cancelled": "write_after_run_end",
    "chunk-reordering": "out_of_order",
    "idOrder differs": "out_of_order",
    "duplicate-chunks": "repeated_by_retry",
    "stuck-step": "stream_silent",
}
DIVERGES = "live_reader_diverges"
OF_THE_PROBE = frozenset({"racing_writers", "chunk_lost"})
# Of one payload's own numbers no world knows the right order: only times or a probe tell of another one.
UNTOLD = "chunk-reordering"
# Rows that came as late as a flush may: within this long after its end, a run's chunks are no anomaly.
LATE = (
    "SELECT DISTINCT r.id FROM workflow.workflow_runs r JOIN workflow.workflow_stream_chunks c ON c.run_id = r.id"
    " WHERE c.created_at > r.completed_at + interval '2 seconds'"
)
SDK_OF_APPS = "4.8.9"
ENDED = "SELECT id FROM workflow.workflow_runs WHERE status IN ('completed', 'failed', 'cancelled')"
RUN_OF_STREAM = "SELECT DISTINCT stream_id, run_id FROM workflow.workflow_stream_chunks"
DUPLICATES = (
    "SELECT DISTINCT run_id FROM workflow.workflow_events WHERE type = 'step_created'"
    " GROUP BY run_id, correlation_id HAVING count(*) > 1"
)
AFTER_END = (
    "SELECT DISTINCT later.run_id FROM workflow.workflow_events later"
    " JOIN workflow.workflow_events ended USING (run_id)"
    " WHERE ended.type IN ('run_completed', 'run_failed', 'run_cancelled') AND later.id > ended.id"
)


def results(folder: Path) -> Iterator[Result]:
    """None where there are no recordings, or no PostgreSQL to restore them into."""
    archives = sorted((folder / "postgres").glob("postgres-*.sql.gz"))
    binaries = find_postgres()
    if not archives or binaries is None:
        return
    with servers.postgres(binaries) as url:
        for number, archive in enumerate(archives):
            with servers.database(url, f"recording_{number}") as database:
                restore(archive, database, binaries)
                yield _result(archive, database)


def restore(archive: Path, url: str, binaries: Path) -> None:
    """A plain SQL dump into an empty database."""
    psql = [str(binaries / "psql"), "--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", url]
    with gzip.open(archive) as dump:
        subprocess.run(psql, input=dump.read(), check=True, capture_output=True)


def _result(archive: Path, url: str) -> Result:
    name = archive.name.removesuffix(".sql.gz")
    result = Result(name.replace("postgres-", "postgres ").replace("-realapp", "/app"))
    truth = archive.with_name(f"{name}-truth.jsonl")
    with psycopg.connect(url) as connection:
        if truth.exists():
            observed = _of_app(connection, truth, archive.with_name(f"{name}-observed.json"), result)
        else:
            observed = _driven(connection, archive, name.removeprefix("postgres-"), result)
    judge(scan(open_world(url)), result)
    unknown = {fact for fact in result.found if fact[0] == DIVERGES and fact[1] not in observed}
    for fact in unknown:  # nobody wrote down what live readers of the run got: neither right nor wrong
        del result.found[fact]
    return result


def _driven(connection: Connection, archive: Path, version: str, result: Result) -> set[str]:
    """By what the recording says is present; the last of a scenario's runs is the one it is about. Nobody read live."""
    late = {run_id for (run_id,) in connection.execute(LATE)}
    for entry in json.loads(archive.with_name("scenarios.json").read_text()):
        if entry["version"] != version:
            continue
        result.scenario_of |= dict.fromkeys(entry["runIds"], entry["scenario"])
        run_id, words = entry["runIds"][-1], entry["anomalies_present"]
        told = {kind for word in words for start, kind in WORDS.items() if word.startswith(start)}
        unseen = {"out_of_order"} if any(word.startswith(UNTOLD) for word in words) else set()
        unseen |= set() if run_id in late else {"write_after_run_end"}
        for kind in sorted(kinds_of(words) | told):
            (result.unseen if kind in unseen else result.expected).add((kind, run_id))
    return set()


def _of_app(connection: Connection, truth: Path, observed: Path, result: Result) -> set[str]:
    """The runs of which somebody wrote down what their live readers got."""
    told = Told(_observed(observed), list(_meant(truth)), [], [], None, _stored(connection))
    result.scenario_of = {one["runId"]: name for name, one in told.results.items()}
    diverging = diverging_streams(told)
    ended = {run_id for (run_id,) in connection.execute(ENDED)}
    run_of = dict(connection.execute(RUN_OF_STREAM).fetchall())
    result.expected |= {("duplicate_event", run_id) for (run_id,) in connection.execute(DUPLICATES)}
    result.expected |= {("event_after_end", run_id) for (run_id,) in connection.execute(AFTER_END)}
    for name, stream in truths(SDK_OF_APPS, told).items():
        run_id = run_of.get(name) or stream.run_id
        kinds = set(_kinds(stream, run_id in ended, name in diverging))
        result.unseen |= {(kind, run_id) for kind in kinds & OF_THE_PROBE}
        result.expected |= {(kind, run_id) for kind in kinds - OF_THE_PROBE}
    for run_id, scenario in result.scenario_of.items():
        result.expected |= set(_of_scenario(scenario, run_id))
    return set(result.scenario_of)


def _kinds(stream: StreamTruth, is_over: bool, is_diverging: bool) -> Iterator[str]:
    if is_diverging:
        yield DIVERGES
    if stream.after_end:
        yield "write_after_close"
    if stream.ends > 1:
        yield "closed_more_than_once"
    if is_over and not stream.ends:
        yield "never_closed"
    if not stream.is_in_order:
        yield "out_of_order"
    if stream.missing:
        yield "chunk_lost"
    if stream.is_racing:
        yield "racing_writers"


def _of_scenario(scenario: str, run_id: str) -> Iterator[Fact]:
    if scenario in SCENARIOS:
        yield SCENARIOS[scenario], run_id
    if scenario in BREAKS_THE_PROTOCOL:
        yield "protocol_violation", run_id


def _stored(connection: Connection) -> dict[str, list[bytes | None]]:
    found: defaultdict[str, list[bytes | None]] = defaultdict(list)
    for stream, eof, data in connection.execute(postgres.CHUNKS):
        found[stream].append(None if eof else bytes(data))
    return dict(found)


def _observed(path: Path) -> dict[str, dict[str, Any]]:
    """In the words of the lab: a reader that got no more is `open`, the stream without a name is `default`."""
    told: dict[str, dict[str, Any]] = json.loads(path.read_text())
    for one in told.values():
        for reader in (*one.get("live", ()), *one.get("replay", ())):
            reader["namespace"] = reader["namespace"] or "default"
            reader["error"] = reader.get("err")
            reader["ended"] = re.sub("^idle.*", "open", str(reader["ended"]))
    return told


def _meant(path: Path) -> Iterator[dict[str, Any]]:
    """Without what is no value of a stream: addresses of webhooks, and bytes, which have no words in JSON."""
    for line in map(json.loads, path.read_text().splitlines()):
        if line["stream"] != "webhook" and not str(line["value"]).startswith("bytes:"):
            yield line
