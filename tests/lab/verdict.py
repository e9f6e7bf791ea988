"""Compares what Tailrace found with what truly happened, and an app with the probe with the same app without."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.lab.cell import Row, Told
from tests.lab.found import Finding
from tests.lab.setups import Setup
from tests.lab.truth import StreamTruth, stream_name

DIVERGES = "live_reader_diverges"  # judged where Tailrace hears what the app's own live readers are told
JUDGED = ("racing_writers", "out_of_order", "write_rejected", "chunk_lost")
# Steps at once, or a cancel by the clock: another order each time.
UNSTEADY = ("g_parallel", "g_parallelSameId", "h_cancel")
# Native `pipeTo` goes round the writer, so nobody can count what it never sent.
UNCOUNTED = {("4.2.4", "a_pipeTo"), ("4.8.9", "a_pipeTo"), ("5.0.0-beta.5", "a_pipeTo")}
IDS = re.compile(r"(?<=wrun_|step_|strm_|hook_)[0-9A-Z]{26}")


@dataclass
class Verdict:
    """One line of the table."""

    version: str
    setup: str
    scenario: str
    expected: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def judged_kinds(setup: Setup) -> set[str]:
    return {*JUDGED, DIVERGES} if setup.is_postgres else set(JUDGED)


def expected_kinds(truth: StreamTruth, setup: Setup, diverging: Collection[str] = ()) -> set[str]:
    holds = {
        DIVERGES: truth.name in diverging,
        "racing_writers": truth.is_racing,
        "out_of_order": setup.is_read and not truth.is_in_order,
        "write_rejected": bool(truth.refused),
        "chunk_lost": setup.is_read and truth.missing > 0,
    }
    return {kind for kind, is_so in holds.items() if is_so}


def judge(
    version: str,
    setup: Setup,
    told: Told,
    truths: Mapping[str, StreamTruth],
    findings: Mapping[str, Sequence[Finding]],
) -> dict[str, Verdict]:
    """By scenario; streams that no scenario's own steps wrote (a webhook's body) stand under "-"."""
    verdicts = {name: Verdict(version, setup.name, name) for name in told.results}
    judged = judged_kinds(setup)
    diverging = diverging_streams(told) if setup.is_postgres else set()
    for name in sorted({*truths, *findings}):
        truth = truths.get(name)
        verdict = verdicts.setdefault(
            (truth.scenario if truth else "") or "-", Verdict(version, setup.name, "-")
        )
        here = {one.kind: one for one in findings.get(name, ())}
        wanted = expected_kinds(truth, setup, diverging) if truth else set()
        verdict.expected.update(wanted)
        verdict.found.update(here.keys() & judged)
        verdict.others.update(here.keys() - judged)
        verdict.wrong += [f"{name}: missing {kind}" for kind in sorted(wanted - here.keys())]
        verdict.wrong += [
            f"{name}: {kind}, which is not so: {here[kind].message}"
            for kind in sorted(here.keys() & judged - wanted)
        ]
        if truth:
            verdict.wrong += [f"{name}: {problem}" for problem in _details(version, setup, truth, here)]
    return verdicts


def diverging_streams(told: Told) -> set[str]:
    """Those of which the app's live reader got something else than the one that came when all was over."""
    return {
        stream_name(result["runId"], live["namespace"])
        for result in told.results.values()
        for live in result.get("live", ())
        for later in result["replay"]
        if live["namespace"] == later["namespace"] and _read(live) != _read(later)
    }


def _details(version: str, setup: Setup, truth: StreamTruth, here: Mapping[str, Finding]) -> Iterator[str]:
    if found := here.get("racing_writers"):
        writers = {step for step, _ in truth.meant}
        if found.certainty != "proved" or not found.steps or not found.steps <= writers:
            yield f"racing_writers is {found.certainty} of {sorted(found.steps)}, not proved of {sorted(writers)}"
    if (found := here.get(DIVERGES)) and setup.is_postgres and found.certainty != "proved":
        yield f"{DIVERGES} is {found.certainty}: {found.message}"
    if found := here.get("write_rejected"):
        yield from _rejected(truth, found)
    if setup.is_exact:
        yield from _exact_details(version, truth, here)


def _exact_details(version: str, truth: StreamTruth, here: Mapping[str, Finding]) -> Iterator[str]:
    """What can only be told by who follows each chunk."""
    if found := here.get("out_of_order"):
        moved = truth.moved
        if found.certainty != "proved":
            yield f"out_of_order is {found.certainty}: {found.message}"
        if moved is not None and found.evidence.get("moved") != moved:
            yield f"out_of_order moved {found.evidence.get('moved')} chunks, the fewest are {moved}"
    if found := here.get("chunk_lost"):
        is_counted = (version, truth.scenario.partition("#")[0]) not in UNCOUNTED
        if is_counted and found.evidence.get("chunks") != truth.missing:
            yield f"chunk_lost says {found.evidence.get('chunks')} chunks, truly {truth.missing}"


def _rejected(truth: StreamTruth, found: Finding) -> Iterator[str]:
    if found.certainty != "proved":
        yield f"write_rejected is {found.certainty}"
    if found.evidence.get("calls") != len(truth.refused):
        yield f"write_rejected says {found.evidence.get('calls')} calls, truly {len(truth.refused)}"
    chunks = sum(max(1, len(one.tokens)) for one in truth.refused if not one.is_close)
    if found.evidence.get("lost", {}).get("chunks") != chunks:
        yield f"write_rejected says {found.evidence.get('lost')}, truly {chunks} chunks"
    for one in truth.refused:
        if one.steps and not one.steps & found.steps:
            what = "close" if one.is_close else "write"
            yield f"write_rejected names {sorted(found.steps)} for a {what} of {sorted(one.steps)}"
    candidates = {step for one in truth.refused for step in one.steps}
    if found.steps - candidates and all(one.steps for one in truth.refused):
        yield f"write_rejected names {sorted(found.steps - candidates)}, of which nothing was refused"


# --- the app itself ---------------------------------------------------------------------------------
def differences(
    setup: Setup,
    without: Told,
    with_probe: Told,
    truths_without: Mapping[str, StreamTruth],
    truths_with: Mapping[str, StreamTruth],
) -> dict[str, list[str]]:
    """By scenario: where the app's own results differ although nothing but the probe does."""
    found: dict[str, list[str]] = {}
    for scenario in {*without.results, *with_probe.results}:
        pair = [told.results.get(scenario, {}) for told in (without, with_probe)]
        is_same = _is_comparable(setup, scenario, truths_without, truths_with)
        found[scenario] = list(_different(pair, is_same))
    explained = {_text(line) for line in without.unhandled}
    new = {_text(line) for line in with_probe.unhandled} - explained
    found["-"] = [
        f"left rejected, with the probe only: {text}" for text in sorted(new) if " HTTP 409" not in text
    ]
    return found


def _different(pair: list[Row], reads: bool) -> Iterator[str]:
    for name in ("status", "returned", "error", "acted"):
        without, with_probe = (_plain(result.get(name)) for result in pair)
        if without != with_probe:
            yield f"{name} was {without} without the probe and is {with_probe} with it"
    if reads:
        without, with_probe = ([_read(read) for read in result.get("replay", [])] for result in pair)
        if without != with_probe:
            yield f"readers got {_plain(without)} without the probe and {_plain(with_probe)} with it"


def _is_comparable(
    setup: Setup, scenario: str, without: Mapping[str, StreamTruth], with_probe: Mapping[str, StreamTruth]
) -> bool:
    """What readers get is the same each time only if nothing raced, or nothing came of it.

    On 5.0.0-beta.5 a step is now and then run twice: then the two apps did not mean the same.
    """
    if scenario.partition("#")[0] in UNSTEADY:
        return False
    both = [[one for one in truths.values() if one.scenario == scenario] for truths in (without, with_probe)]
    meant = [sorted(sorted(one.meant.values()) for one in some) for some in both]
    steady = all((setup.is_steady or one.is_calm) and one.is_in_turn for one in (*both[0], *both[1]))
    return steady and meant[0] == meant[1]


def _read(read: Row) -> tuple[Any, ...]:
    return read["namespace"], read["ended"], read["error"], read["items"]


def _plain(value: Any) -> str:
    return IDS.sub("…", json.dumps(value, sort_keys=True))


def _text(line: Row) -> str:
    return IDS.sub("…", f"{line['name']}: {line['message']}")
