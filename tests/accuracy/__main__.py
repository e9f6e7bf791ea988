"""How right all detectors are: `python -m tests.accuracy [--write] [FOLDER]`, or `make accuracy`.

FOLDER is a folder of recordings (default: the environment's RECORDINGS, else `shared/recordings` beside the
checkout, else those that come with the tests). Prints kind by recording set: expected (by the recordings' ground
truth), found, missed, false (of warning and above), info (found, quieter, and no ground truth speaks of it), unseen
(true, but the evidence is not in the recording, or the detector says that it could not tell). Exits with 1 where
anything is missed or false. `--write` puts the table into docs/accuracy.md.

One more part is one more function in PARTS: it gets the folder and yields `Cell`s.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path

from dashboard.anomalies.detectors.base import SEVERITIES, Found
from tests import accuracy_streams
from tests.accuracy import local, postgres, vercel
from tests.needs import find_postgres
from tests.recordings import PYTHON_SDK
from tests.recordings import RECORDINGS as WITH_TESTS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "accuracy.md"
LOUD = SEVERITIES.index("warning")
BEGIN, END = "<!-- table -->", "<!-- end of the table -->"


@dataclass(frozen=True)
class Counts:
    expected: int = 0
    found: int = 0
    missed: int = 0
    false: int = 0
    info: int = 0
    unseen: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*map(sum, zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True)
class Cell:
    """One kind in one recording; `wrong` says in words what was missed or false."""

    kind: str
    recordings: str  # a set of them, e.g. an SDK version
    counts: Counts
    wrong: tuple[str, ...] = field(default=())


def of_streams(folder: Path) -> Iterator[Cell]:
    for result in accuracy_streams.results(folder):
        yield from _cells(result)


def of_postgres(folder: Path) -> Iterator[Cell]:
    for result in postgres.results(folder):
        yield from _cells(result)


def of_vercel(folder: Path) -> Iterator[Cell]:
    for result in vercel.results(folder):
        yield from _cells(result)


def _cells(result: accuracy_streams.Result) -> Iterator[Cell]:
    facts = result.expected | result.found.keys() | result.unseen
    for kind in sorted({kind for kind, _ in facts}):
        yield _stream_cell(kind, result)


def _stream_cell(kind: str, result: accuracy_streams.Result) -> Cell:
    def of(facts: Iterable[accuracy_streams.Fact]) -> list[accuracy_streams.Fact]:
        return sorted(fact for fact in facts if fact[0] == kind)

    false = of(result.false)
    loud = [fact for fact in false if _is_loud(result.found[fact])]
    missed = of(result.missed)
    counts = Counts(
        expected=len(of(result.expected - result.not_told)),
        found=len(of(result.found)),
        missed=len(missed),
        false=len(loud),
        info=len(false) - len(loud),
        unseen=len(of(result.not_told)),
    )
    names = {run_id: result.scenario_of.get(run_id, run_id) for _, run_id in (*missed, *loud)}
    wrong = [f"missed: {kind} in {result.name} {names[run_id]}" for _, run_id in missed]
    wrong += [f"false: {kind} in {result.name} {names[run_id]}" for _, run_id in loud]
    return Cell(kind, result.name.partition("/")[0], counts, tuple(wrong))


def _is_loud(found: Found) -> bool:
    return SEVERITIES.index(found.severity) >= LOUD


def of_runs(folder: Path) -> Iterator[Cell]:
    for name, archive, entries in _recordings(folder):
        for kind, row in sorted(local.judged(archive, entries).items()):
            wrong = [f"missed: {kind} in {name} {run_id}" for run_id in row.missed]
            wrong += [f"false: {kind} in {name} {run_id}" for run_id in row.false]
            counts = Counts(row.expected, row.found, len(row.missed), len(row.false), row.quiet)
            yield Cell(kind, name.partition("/")[0], counts, tuple(wrong))


def _recordings(folder: Path) -> Iterator[tuple[str, Path, list[dict[str, object]]]]:
    """Of local worlds, wherever their ground truth lies: in `local/` or beside it."""
    known = next(
        path for path in (folder / "local/scenarios.json", folder / "scenarios.json") if path.exists()
    )
    loaded = json.loads(known.read_text())
    entries = loaded["scenarios"] if isinstance(loaded, dict) else loaded
    for archive in sorted((folder / "local").glob("*/*/data.tar.gz")):
        sdk, label = archive.parts[-3:-1]
        own = [one for one in entries if (one["sdk"], one["label"]) == (sdk, label)]
        if own:
            yield f"{sdk}/{label}", archive, own
    for scenarios in (
        *folder.glob(f"{PYTHON_SDK}/scenarios.json"),
        *folder.glob(f"local/{PYTHON_SDK}/scenarios.json"),
    ):
        own = [{"runIds": [one["run_id"]]} for one in json.loads(scenarios.read_text())["scenarios"].values()]
        yield PYTHON_SDK, next(scenarios.parent.rglob("data.tar.gz")), own


PARTS: tuple[Callable[[Path], Iterator[Cell]], ...] = (of_streams, of_runs, of_postgres, of_vercel)


def not_read(folder: Path) -> Iterator[str]:
    """Recordings that are there and cannot be read here: said, never counted as right."""
    files = [one for one in (folder / "postgres").glob("*.sql.gz") if "schema" not in one.name]
    if files and find_postgres() is None:
        yield f"postgres: not counted, there is no PostgreSQL to restore them into ({len(files)} recordings)"


def summed(cells: Iterable[Cell]) -> dict[tuple[str, str], Counts]:
    table: defaultdict[tuple[str, str], Counts] = defaultdict(Counts)
    for cell in cells:
        table[cell.kind, cell.recordings] += cell.counts
    return dict(sorted(table.items()))


def lines_of(cells: list[Cell], unread: Iterable[str]) -> Iterator[str]:
    """A Markdown table that can be read as plain text as well."""
    columns = [column.name for column in fields(Counts)]
    yield f"| {'kind':22} | {'recordings':22} | " + " | ".join(f"{name:>8}" for name in columns) + " |"
    yield f"|{'-' * 24}|{'-' * 24}|" + "|".join("-" * 9 + ":" for _ in columns) + "|"
    table = summed(cells)
    for (kind, recordings), counts in table.items():
        yield _line(kind, recordings, counts)
    total = sum(table.values(), Counts())
    yield _line("all", "all", total)
    yield ""
    right = total.expected - total.missed
    yield f"* recall {right / (total.expected or 1):.3f} ({right} of {total.expected} were not missed)"
    yield f"* false findings of warning and above: {total.false}"
    yield from (f"* {line}" for line in unread)


def _line(kind: str, recordings: str, counts: Counts) -> str:
    return (
        f"| {kind:22} | {recordings:22} | " + " | ".join(f"{number:>8}" for number in astuple(counts)) + " |"
    )


def write(lines: Iterable[str], page: Path = PAGE) -> None:
    """Into the page, between its marks; what people wrote around the table stays."""
    before, mark, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise SystemExit(f"{page} has no place for the table: it needs {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n" + "\n".join(lines).rstrip("\n") + f"\n{END}{after}")


def default_folder() -> Path:
    shared = ROOT.parent / "shared" / "recordings"
    return Path(os.environ.get("RECORDINGS") or (shared if shared.is_dir() else WITH_TESTS))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.accuracy")
    parser.add_argument("folder", nargs="?", type=Path, default=None)
    parser.add_argument("--write", action="store_true", help="put the table into docs/accuracy.md")
    options = parser.parse_args(argv)
    folder: Path = options.folder or default_folder()
    cells = [cell for part in PARTS for cell in part(folder)]
    lines = list(lines_of(cells, not_read(folder)))
    wrong = [line for cell in cells for line in cell.wrong]
    sys.stdout.writelines(f"{line}\n" for line in (*lines, *wrong))
    if options.write:
        write(lines)
    if not cells:
        sys.stderr.write(f"there are no recordings in {folder}\n")
    return int(bool(wrong) or not cells)


if __name__ == "__main__":
    sys.exit(main())
