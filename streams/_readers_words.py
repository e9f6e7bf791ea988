"""Readings in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from streams._readers_facts import CLOSED, LIVE, SUSPECTED, UNCHECKED, ReaderFacts, Reading

SHOWN = 24  # chunks that are listed one by one; longer lists are told in runs
RUNS = 12  # of a longer list


def summary(facts: ReaderFacts, live: Reading, later: Reading) -> str:
    """One sentence: "a live reader got 0 1 4 5 6 7 8 9 8 9; a later reader gets 0..9"."""
    return f"{_told(facts, live)}; {_told(facts, later)}"


def _told(facts: ReaderFacts, reading: Reading) -> str:
    is_live = reading.kind == LIVE
    who = "a live reader" if is_live else "a later reader"
    if reading.sure == UNCHECKED:
        return f"what {who} {'got' if is_live else 'gets'} was not checked here ({', '.join(reading.why)})"
    verb = "got" if is_live else "gets"
    probably = "probably " if reading.sure == SUSPECTED else ""
    return f"{who} {probably}{verb} {listed(facts, reading.arrivals)}{_ended(reading)}"


def _ended(reading: Reading) -> str:
    if reading.ended == CLOSED:
        return ""
    waits = "waited for more" if reading.kind == LIVE else "waits for ever"
    return f" and then {waits}" + (f", because reading failed ({reading.error})" if reading.error else "")


def listed(facts: ReaderFacts, arrivals: Sequence[int]) -> str:
    """Chunks by their labels: one by one, or in runs of neighbours where they are all in a row or very many."""
    labels = [facts.labels[arrival] for arrival in arrivals]
    if not labels:
        return "nothing"
    runs = list(_runs(labels))
    if len(runs) > 1 and len(labels) <= SHOWN:
        return " ".join(labels)
    words = " ".join(_run(run) for run in runs[:RUNS])
    return f"{words} … ({len(labels):,} chunks)" if len(runs) > RUNS else words


def _runs(labels: Sequence[str]) -> Iterator[list[str]]:
    """Cuts a list where the next label is not the one that follows. Those with a # stand alone."""
    run: list[str] = []
    for label in labels:
        if run and not (label.isdecimal() and run[-1].isdecimal() and int(label) == int(run[-1]) + 1):
            yield run
            run = []
        run.append(label)
    yield run


def _run(run: Sequence[str]) -> str:
    return f"{run[0]}..{run[-1]}" if len(run) > 2 else " ".join(run)
