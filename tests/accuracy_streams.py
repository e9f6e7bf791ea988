"""How right the detectors of streams are: `python -m tests.accuracy_streams FOLDER` with a folder of recordings.

FOLDER has `local/<sdk>/<label>/data.tar.gz` with the probe's journal beside it, if there was one, `scenarios.json`
with what is truly wrong (in FOLDER or in FOLDER/local), and the Python SDK's recording in `python-0.12.0` (in
either place). Prints kind by recording: expected, found, missed, false, and unseen: true, but the recording lacks
the evidence (no probe was there), or the detector says that it could not tell ("not checked").
Exits with 1 if anything was missed or false.
"""

from __future__ import annotations

import gzip
import json
import sys
import tarfile
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dashboard.anomalies.detectors.base import DETECTORS, SEVERITIES, Found
from dashboard.anomalies.judge import StreamJudge
from dashboard.anomalies.scan import open_world
from dashboard.anomalies.survey import Survey, survey_of
from tests.accuracy_writes import ledgers_of
from tests.recordings import set_times

Fact = tuple[str, str]  # kind, run

WORDS = {
    "chunks-after-eof": "write_after_close",
    "multiple-eof": "closed_more_than_once",
    "never-closed": "never_closed",
    "stream calls rejected": "write_rejected",
    "live reader text differs": "live_reader_diverges",
    "lost(": "chunk_lost",
    "step started more times": "double_execution",
    "streams missing from": "stream_unlisted",
}
SCENARIOS = {"e_retries": "repeated_by_retry"}  # the recordings tell it in their notes
BREAKS_THE_PROTOCOL = {"e_retries", "g_parallelSameId"}  # by their notes as well
OF_THE_PROBE = frozenset(
    {"out_of_order", "racing_writers", "live_reader_diverges", "chunk_lost", "write_rejected"}
)
PYTHON = {
    "racing_writers": {"closed_more_than_once", "double_execution"},
    "write_after_close_other_step": {"write_after_close"},
    "never_closed": {"never_closed"},
    "failing": {"never_closed"},
    "ui_protocol_violation": {"protocol_violation"},
    "retry_restream": {"repeated_by_retry"},
}


@dataclass
class Result:
    """Of one recording."""

    name: str
    expected: set[Fact] = field(default_factory=set)
    found: dict[Fact, Found] = field(default_factory=dict)
    unseen: set[Fact] = field(default_factory=set)  # true, but the evidence for it is not in the recording
    unchecked: set[Fact] = field(default_factory=set)  # what a detector said that it could not tell
    scenario_of: dict[str, str] = field(default_factory=dict)

    @property
    def missed(self) -> set[Fact]:
        return self.expected - self.found.keys() - self.unchecked

    @property
    def not_told(self) -> set[Fact]:
        return (self.unseen | (self.expected & self.unchecked)) - self.found.keys()

    @property
    def false(self) -> set[Fact]:
        return self.found.keys() - self.expected - self.unseen


def results(folder: Path) -> Iterator[Result]:
    known = next(
        path for path in (folder / "local/scenarios.json", folder / "scenarios.json") if path.exists()
    )
    loaded = json.loads(known.read_text())
    entries = loaded["scenarios"] if isinstance(loaded, dict) else loaded
    recordings: defaultdict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for entry in entries:
        recordings[entry["sdk"], entry["label"]].append(entry)
    for (sdk, label), of_recording in sorted(recordings.items()):
        if (folder / "local" / sdk / label / "data.tar.gz").exists():
            yield _result(folder / "local" / sdk / label, f"{sdk}/{label}", of_recording)
    for place in (
        folder / "python-0.12.0",
        folder / "local/python-0.12.0",
        folder / "local/python-0.12.0/plain",
    ):
        if (place / "data.tar.gz").exists():
            yield _python(place)


def _result(place: Path, name: str, entries: list[dict[str, Any]]) -> Result:
    result = Result(name)
    journal = _journal(place)
    diverging = _diverging(place)
    for entry in entries:
        for run_id in entry["runIds"]:
            result.scenario_of[run_id] = entry["scenario"]
        for kind, run_id in _truth(entry, bool(journal)):
            there = kind not in OF_THE_PROBE or bool(journal)
            (result.expected if there else result.unseen).add((kind, run_id))
    for run_id in diverging:  # the recordings' word for it compares the text only, this every chunk
        (result.expected if journal else result.unseen).add(("live_reader_diverges", run_id))
    _judge(place, journal, result)
    return result


def _diverging(place: Path) -> list[str]:
    """Runs whose live readers, where they were told of the end, got other chunks than a later reader."""
    path = place / "results.json"
    if not path.exists():
        return _differing_rows(place)
    drivers = json.loads(path.read_text())
    return [
        one["runId"] for one in drivers.values() if _differ(one.get("live") or [], one.get("replay") or [])
    ]


def _differing_rows(place: Path) -> list[str]:
    """The same from the rows beside the recordings that come with the tests."""
    path = place.parents[3] / "readers" / "local.jsonl"
    rows = map(json.loads, path.read_text().splitlines()) if path.exists() else ()
    got: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for row in rows:
        if (row["sdk"], row["label"]) == place.parts[-2:]:
            got[row["stream"]][row["reader"]] = row
    pairs = {name: (one["live"], one["replay"]) for name, one in got.items() if len(one) == 2}
    return [
        f"wrun_{name[5:31]}" for name, (live, later) in pairs.items()
        if live["ended"] == "closed" and live["got"] != later["got"]
    ]  # fmt: skip


def _differ(live: list[dict[str, Any]], later: list[dict[str, Any]]) -> bool:
    items = {one["namespace"]: one.get("items") for one in later}
    return any(
        one["ended"] == "closed" and one["namespace"] in items and one.get("items") != items[one["namespace"]]
        for one in live
    )


def _truth(entry: dict[str, Any], probed: bool) -> Iterator[Fact]:
    run_id = entry["runIds"][0]
    scenario = entry["scenario"].partition("#")[0]
    words = [one["anomaly"] for one in entry["anomalies"]]
    for word in words:
        kind = next((kind for start, kind in WORDS.items() if word.startswith(start)), None)
        if kind is not None:
            yield kind, run_id
    if scenario in SCENARIOS:
        yield SCENARIOS[scenario], run_id
    scrambled = scenario.startswith("b_") and "persisted-order-differs-from-producer" in words
    if scrambled:
        yield "out_of_order", run_id
    if scrambled or scenario in BREAKS_THE_PROTOCOL:
        yield "protocol_violation", run_id
    if scenario == "b_reacquire" and (entry["sdk"].startswith("4.") or entry["sdk"] == "5.0.0-beta.5"):
        yield "racing_writers", run_id


def _python(place: Path) -> Result:
    scenarios = next(
        path for path in (place / "scenarios.json", place.parent / "scenarios.json") if path.exists()
    )
    known = json.loads(scenarios.read_text())["scenarios"]
    result = Result("python-0.12.0", scenario_of={one["run_id"]: name for name, one in known.items()})
    result.expected = {(kind, known[name]["run_id"]) for name, kinds in PYTHON.items() for kind in kinds}
    _judge(place, [], result)
    return result


def _journal(place: Path) -> list[dict[str, Any]]:
    plain, zipped = place / "probe.jsonl", place / "probe.jsonl.gz"
    text = (
        plain.read_bytes()
        if plain.exists()
        else gzip.decompress(zipped.read_bytes())
        if zipped.exists()
        else b""
    )
    return [json.loads(line) for line in text.splitlines()]


def _judge(place: Path, journal: list[dict[str, Any]], result: Result) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(place / "data.tar.gz") as archive:
            archive.extraction_filter = getattr(tarfile, "data_filter", None)
            archive.extractall(folder)
            set_times(archive.getmembers(), Path(folder))
        survey = survey_of(open_world(f"{folder}/data"))
        for found in _findings(survey, journal, result.unchecked):
            kept = result.found.setdefault((found.kind, found.run_id), found)
            if SEVERITIES.index(found.severity) > SEVERITIES.index(kept.severity):
                result.found[found.kind, found.run_id] = found


def _findings(survey: Survey, journal: list[dict[str, Any]], unchecked: set[Fact]) -> Iterator[Found]:
    ledgers = ledgers_of(survey, journal)
    for name in sorted({*survey.stream_names(), *ledgers}):
        stream, judge = survey.stream_facts(name), StreamJudge()
        for chunk in survey.chunk_facts(name, stream.framing):
            judge.feed(chunk)
        writes = ledgers.get(name)
        verdict = judge.judge(replace(stream, writes=writes), survey.began_ns, survey.world.supplies)
        run_id = stream.run.run_id if stream.run else ""
        unchecked.update((one.kind, run_id) for one in verdict.unchecked)
        for found in verdict.found:
            yield found if found.run_id else replace(found, run_id=run_id)


def table(of: Iterable[Result]) -> Iterator[str]:
    yield f"{'kind':24} {'recording':26} {'expected':>8} {'found':>6} {'missed':>6} {'false':>6} {'unseen':>6}"
    totals: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for result in of:
        for kind in sorted(DETECTORS.found):
            sets = {
                "expected": result.expected, "found": result.found.keys(), "missed": result.missed,
                "false": result.false, "unseen": result.not_told,
            }  # fmt: skip
            counts = {name: sum(fact[0] == kind for fact in facts) for name, facts in sets.items()}
            totals[kind].update(counts)
            if any(counts.values()):
                yield _line(kind, result.name, counts)
    for kind, counts in totals.items():
        yield _line(kind, "ALL", counts)


def _line(kind: str, name: str, counts: dict[str, int]) -> str:
    expected, found, missed, false, unseen = (
        counts[one] for one in ("expected", "found", "missed", "false", "unseen")
    )
    return f"{kind:24} {name:26} {expected:8} {found:6} {missed:6} {false:6} {unseen:6}"


def main(folder: str) -> int:
    found = list(results(Path(folder)))
    sys.stdout.writelines(f"{line}\n" for line in table(found))
    for result in found:
        for what, facts in (("missed", result.missed), ("false", result.false)):
            for kind, run_id in sorted(facts):
                where = result.scenario_of.get(run_id, run_id)
                one = result.found.get((kind, run_id))
                why = f" ({one.severity}: {one.message})" if one else ""
                sys.stdout.write(f"{what}: {kind} in {result.name} {where}{why}\n")
    return int(any(result.missed or result.false for result in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
