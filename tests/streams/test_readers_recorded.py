"""The simulator against what readers of the SDK really got, chunk for chunk (tests/fixtures/readers)."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from streams.readers import (
    LIVE,
    UNCHECKED,
    ReaderFacts,
    Reading,
    StoredChunk,
    read_later,
    read_live,
    rules_for,
)
from tests.recordings import RECORDINGS, SDKS, unpack

FIXTURES = RECORDINGS.parent / "readers"
MS = 1_000_000
APART = 100 * MS


class File(NamedTuple):
    chunk_id: str
    is_close: bool
    data: bytes
    stored_ns: int


def rows_of(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FIXTURES / name).read_text().splitlines()]


def letters(row: dict[str, Any], reading: Reading) -> str:
    return "".join(row["layout"][arrival - 1] for arrival in reading.arrivals)


def made(row: dict[str, Any]) -> ReaderFacts:
    """The stream of one line of runs.jsonl: writes one after the other in the order `told`."""
    layout = row["layout"]
    turns = {index: turn for turn, index in enumerate(row.get("told", range(len(layout))))}
    return ReaderFacts(
        [
            StoredChunk(
                at + 1,
                f"chnk_{at:03}",
                letter == "|",
                letter != "|",
                called_ns=turns[at] * APART,
                done_ns=turns[at] * APART + MS,
                process="p",
                call=at,
            )
            for at, letter in enumerate(layout)
        ]
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where each recording is unpacked once, when it is first asked for."""
    return tmp_path_factory.mktemp("recordings")


@pytest.mark.parametrize("world", ["local", "postgres"])
def test_it_reads_what_is_stored_as_every_version_does(world: str):
    rows = [row for row in rows_of("runs.jsonl") if row["world"] == world and "told" not in row]
    wrong, checked = [], 0
    for row in rows:
        for sdk in row["sdks"]:
            reading = read_later(made(row), rules_for(world, sdk), row["start"])
            checked += reading.sure == "proved"
            if (letters(row, reading), reading.ended) != (row["got"], row["ended"]):
                wrong.append((sdk, row, reading))
    assert wrong == []
    assert checked > 300


@pytest.mark.parametrize("world", ["local", "postgres"])
def test_it_follows_live_as_every_version_does(world: str):
    rows = [row for row in rows_of("runs.jsonl") if row["world"] == world and "told" in row]
    wrong, checked = [], 0
    for row in rows:
        for sdk in row["sdks"]:
            reading = read_live(made(row), rules_for(world, sdk), row["start"], attached=row["attached"])
            checked += reading.sure == "proved"
            if (letters(row, reading), reading.ended) != (row["got"], row["ended"]):
                wrong.append((sdk, row, reading))
    assert wrong == []
    assert checked > 300


@pytest.mark.parametrize("sdk", SDKS)
def test_it_gives_a_later_reader_of_each_recording_what_it_got(folder: Path, sdk: str):
    readers = [row for row in rows_of("local.jsonl") if row["sdk"] == sdk and row["reader"] == "replay"]
    wrong = []
    for row in readers:
        facts, same = recorded(folder, sdk, row["label"], row["stream"], with_writes=False)
        reading = read_later(facts, rules_for("local", sdk))
        if reading.sure != "proved" or (numbers(reading, same), reading.ended) != (row["got"], row["ended"]):
            wrong.append((row, reading))
    assert wrong == []
    assert len(readers) > 10


def test_it_gives_live_readers_what_they_got_wherever_the_ends_of_the_writes_decide(folder: Path):
    wrong, sure = [], Counter[str]()
    for row in rows_of("local.jsonl"):
        if row["reader"] != LIVE or not journal(row["sdk"], row["label"]):
            continue
        facts, same = recorded(folder, row["sdk"], row["label"], row["stream"])
        reading = read_live(facts, rules_for("local", row["sdk"]))
        sure[reading.sure] += 1
        if reading.sure != UNCHECKED and (numbers(reading, same), reading.ended) != (
            row["got"],
            row["ended"],
        ):
            wrong.append((row, reading))
    assert wrong == []
    assert sure["proved"] >= 30
    assert sure["suspected"] >= 20
    # Among them the reader that got "Hel, world!lo": it looked while one write stored nine chunks.
    assert 1 <= sure[UNCHECKED] <= 15


def test_it_does_not_check_a_live_reader_where_no_probe_was(folder: Path):
    rows = [row for row in rows_of("local.jsonl") if row["label"] == "plain" and row["reader"] == LIVE]
    for row in rows:
        facts, _ = recorded(folder, row["sdk"], "plain", row["stream"])
        if facts.chunks:
            reading = read_live(facts, rules_for("local", row["sdk"]))
            assert (reading.sure, reading.arrivals) == (UNCHECKED, ())
            assert "probe" in reading.why[0]


def test_it_gives_readers_on_postgresql_what_they_got_by_the_notifications_that_were_heard():
    differing = 0
    for row in rows_of("notified.jsonl"):
        choice = rules_for("postgres", row["sdk"])
        live, later = read_live(heard(row, row["told"]), choice), read_later(on_postgres(row), choice)
        assert (numbers(live, row["same"]), live.ended) == (row["live"], row["live_ended"])
        assert (numbers(later, row["same"]), later.ended) == (row["later"], row["later_ended"])
        assert (live.sure, later.sure) == ("proved", "proved")
        differing += live.arrivals != later.arrivals
    assert differing == 26


def test_it_suspects_on_postgresql_where_nothing_was_heard_and_is_not_wrong():
    """By when chunks were stored: whether the two readers truly differ, and whether it says so."""
    sure: defaultdict[tuple[bool, bool], Counter[str]] = defaultdict(Counter)
    for row in (*rows_of("postgres.jsonl"), *rows_of("notified.jsonl")):
        facts, choice = on_postgres(row), rules_for("postgres", row.get("sdk", "4.8.9"))
        later, live = read_later(facts, choice), read_live(facts, choice)
        assert (numbers(later, row["same"]), later.ended) == (row["later"], row["later_ended"])
        told = live.sure != UNCHECKED and live.arrivals != later.arrivals
        sure[row["live"] != row["later"], told][live.sure] += 1
    assert sure[False, True].total() == 0
    assert sure[True, True] == {"suspected": 17}
    assert sure[True, False] == {UNCHECKED: 12}


# What was kept of a whole app has no notifications: these are orders that lead to what its live readers got. What
# they missed was told of too late, and they read the end again.
TOLD_TOO_LATE = {
    "b_reacquire": {5: 8, 6: 8, 7: 8},
    "g_parallel": {19: 20, 24: 25},
    "g_parallelSameId": {6: 7},
}


@pytest.mark.parametrize("scenario", TOLD_TOO_LATE)
def test_it_explains_what_the_live_readers_of_a_whole_app_got(scenario: str):
    row = next(row for row in rows_of("postgres.jsonl") if row["scenario"] == scenario)
    late = TOLD_TOO_LATE[scenario]
    told = sorted(range(len(row["same"])), key=lambda at: (late.get(at, at), at in late, at))
    reading = read_live(heard(row, told), rules_for("postgres", "4.8.9"))
    assert (numbers(reading, row["same"]), reading.ended) == (row["live"], "closed")
    assert row["live"] != row["later"]


def heard(row: dict[str, Any], told: Sequence[int]) -> ReaderFacts:
    """As stored, with the order in which notifications came: numbers of chunks in the order of their ids."""
    places = {at: place for place, at in reversed(list(enumerate(told)))}
    chunks = on_postgres(row).chunks
    return ReaderFacts([chunk._replace(notified=places[chunk.arrival - 1]) for chunk in chunks])


def numbers(reading: Reading, same: Sequence[int]) -> list[int]:
    return [same[arrival - 1] for arrival in reading.arrivals]


def on_postgres(row: dict[str, Any]) -> ReaderFacts:
    closes = set(row["closes"])
    times = enumerate(row["stored_us"])
    return ReaderFacts(
        [StoredChunk(at + 1, f"chnk_{at:03}", at in closes, at not in closes, us * 1000) for at, us in times]
    )


def recorded(
    folder: Path, sdk: str, label: str, stream: str, *, with_writes: bool = True
) -> tuple[ReaderFacts, list[int]]:
    """A recorded stream, and for each chunk the number of the first with the same bytes."""
    folder = folder / sdk / label
    if not folder.exists():
        unpack(sdk, label, folder)
    files = list(files_of(folder / "data" / "streams" / "chunks", stream))
    found = writes_of(files, journal(sdk, label), stream) if with_writes else {}
    chunks = [
        StoredChunk(at + 1, file.chunk_id, file.is_close, len(file.data), file.stored_ns, *found.get(at, ()))
        for at, file in enumerate(files)
    ]
    data = [file.data for file in files]
    return ReaderFacts(chunks), [data.index(one) for one in data]


def files_of(folder: Path, stream: str) -> Iterator[File]:
    """One directory a stream in newer versions, one for all streams in older ones."""
    paths = [*folder.glob(f"{stream}-chnk_*.bin"), *(folder / stream).glob("chnk_*.bin")]
    for path in sorted(paths):
        content = path.read_bytes()
        yield File(path.stem[-31:], content[0] == 1, content[1:], path.stat().st_mtime_ns)


@cache
def journal(sdk: str, label: str) -> list[dict[str, Any]]:
    """Calls of the world that succeeded, in the order in which they came to it."""
    path = RECORDINGS / "local" / sdk / label / "probe.jsonl.gz"
    if not path.exists():
        return []
    lines = map(json.loads, gzip.decompress(path.read_bytes()).splitlines())
    return sorted(
        (line for line in lines if line["ev"] == "call" and line["ok"]), key=lambda line: line["mArrive"]
    )


def writes_of(
    files: Sequence[File], calls: Sequence[dict[str, Any]], stream: str
) -> dict[int, tuple[int, int, str, int]]:
    """Of each chunk: when its call began and ended (the journal's monotonic clock), process, number."""
    found: dict[int, tuple[int, int, str, int]] = {}
    hashes = [None if file.is_close else hashlib.sha256(file.data).hexdigest()[:16] for file in files]
    for call in calls:
        wanted = [None] if call["op"].endswith("close") else call["hashes"]
        for digest in wanted if call["stream"] == stream else ():
            at = next((at for at, one in enumerate(hashes) if one == digest and at not in found), None)
            if at is not None:
                times = int(call["mCall"] * MS), int(call["mEnd"] * MS)
                found[at] = (*times, str(call["pid"]), call["seq"])
    return found
