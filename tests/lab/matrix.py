"""The lab's whole matrix: every SDK version in every world, with the probe and without, against the truth.

    python -m tests.lab.matrix [--versions 4.8.9,...] [--setups far,...] [--keep DIRECTORY]

Prints a table and ends with 1 if anything in it is wrong; with the worlds `postgres` and `vercel-read`, also if
something is lost when their server goes away for a minute. Needs Node.js, and npm for what is not built yet.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tests.lab.app import ALL_VERSIONS, LabApp
from tests.lab.cell import APP_TIMEOUT, Told, app_in, world_in
from tests.lab.found import findings, processes, wait_until_judged
from tests.lab.setups import SETUPS, Setup
from tests.lab.truth import truths
from tests.lab.verdict import Verdict, differences, judge
from tests.needs import ROOT
from tests.processes import end
from tests.server_process import Server

# An app in a far world mostly waits: two at once leave neither short of time on two cores.
AT_ONCE = 2
BUILDS_AT_ONCE = 2
OUTAGE_S = 60
# By setup: the test that takes its server away.
OUTAGES = {
    "postgres": ("tests/e2e/test_postgres_world.py", "goes_away"),
    "vercel-read": ("tests/e2e/test_vercel_world.py", "killed_for_a_while"),
}


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run_cell(version: str, setup: Setup, folder: Path) -> list[Verdict]:
    """The same scenarios without the probe, and at the same time with it and a Tailrace that watches."""
    watched = folder / "with"
    with ThreadPoolExecutor(2) as pool:
        alone = pool.submit(_run_alone, version, setup, folder / "without")
        with_probe = _run_watched(version, setup, watched)
        without = alone.result()
    truths_without, truths_with = truths(version, without), truths(version, with_probe)
    verdicts = judge(version, setup, with_probe, truths_with, findings(watched / "data"))
    for scenario, problems in differences(setup, without, with_probe, truths_without, truths_with).items():
        verdicts.setdefault(scenario, Verdict(version, setup.name, scenario)).wrong += problems
    verdicts.setdefault("-", Verdict(version, setup.name, "-")).wrong += _gaps(watched / "data")
    return list(verdicts.values())


def _run_alone(version: str, setup: Setup, folder: Path) -> Told:
    with world_in(version, setup, folder) as (_, env), app_in(version, setup, folder, None, env) as run:
        run.finish(APP_TIMEOUT)
    return Told.read(folder)


def _run_watched(version: str, setup: Setup, folder: Path) -> Told:
    with world_in(version, setup, folder) as (world, env):
        token = {"TAILRACE_VERCEL_TOKEN": env["LAB_VERCEL_TOKEN"]} if setup.is_vercel else None
        server = Server(world, folder / "data", env=token)
        try:
            with app_in(version, setup, folder, server.url, env) as run:
                run.finish(APP_TIMEOUT)
            wait_until_judged(folder / "data")
        finally:
            end(server.process)
            (folder / "tailrace.log").write_text(server.output())
    return Told.read(folder)


def _gaps(data: Path) -> Iterator[str]:
    """Every report must have arrived: else what is missing proves nothing."""
    seen = processes(data)
    if len(seen) != 1:
        yield f"{len(seen)} processes reported, not one"
    for one in seen:
        if one["batches"] < one["last_number"] or one["dropped_records"]:
            yield (
                f"process {one['process']}: {one['batches']} of {one['last_number']} batches came,"
                f" {one['dropped_records']} records dropped"
            )


# --- the table --------------------------------------------------------------------------------------
def line_of(verdict: Verdict) -> str:
    word = "FAIL" if verdict.wrong else "ok"
    cells = [_kinds(verdict.expected), _kinds(verdict.found), word]
    return f"{verdict.version:14}{verdict.setup:11}{verdict.scenario:19}" + "{:46}{:46}{}".format(*cells)


def _kinds(counts: Counter[str]) -> str:
    return (
        " ".join(kind if count == 1 else f"{kind}×{count}" for kind, count in sorted(counts.items())) or "·"
    )


def report(verdicts: Sequence[Verdict], seconds: float) -> None:
    say(f"{'SDK':14}{'world':11}{'scenario':19}{'expected':46}{'found':46}")
    for verdict in verdicts:
        if verdict.scenario != "-" or verdict.wrong or verdict.expected or verdict.found:
            say(line_of(verdict))
        for problem in verdict.wrong:
            say(f"    {problem}")
    wrong = sum(bool(verdict.wrong) for verdict in verdicts)
    expected = sum((verdict.expected for verdict in verdicts), Counter())
    say(
        f"\n{len(verdicts)} cells, {wrong} wrong, {seconds / 60:.1f} minutes; truly there: {_kinds(expected)}"
    )


def build(versions: Iterable[str]) -> None:
    def one(version: str) -> str:
        started = time.monotonic()
        LabApp(version).build()
        return f"built the Workflow SDK {version} in {time.monotonic() - started:.0f} s"

    with ThreadPoolExecutor(BUILDS_AT_ONCE) as pool:
        for line in pool.map(one, versions):
            say(line)


def run_all(versions: Sequence[str], setups: Sequence[Setup], folder: Path) -> list[Verdict]:
    cells = [(version, setup) for setup in setups for version in versions if version in setup.versions]
    verdicts: dict[tuple[str, str], list[Verdict]] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        jobs = {
            pool.submit(run_cell, version, setup, folder / f"{version} {setup.name}"): (version, setup.name)
            for version, setup in cells
        }
        for job in as_completed(jobs):
            version, name = jobs[job]
            try:
                verdicts[version, name] = job.result()
            except Exception as error:  # one cell that breaks must not hide the others
                verdicts[version, name] = [
                    Verdict(version, name, "-", wrong=[f"{type(error).__name__}: {error}"])
                ]
            wrong = sum(bool(verdict.wrong) for verdict in verdicts[version, name])
            say(f"{version} {name}: {len(verdicts[version, name])} scenarios, {wrong} wrong")
    return [verdict for version, setup in cells for verdict in verdicts[version, setup.name]]


def outage(setup: str, seconds: int) -> bool:
    """A server that goes away for so long, and comes back: whether nothing was lost."""
    file, test = OUTAGES[setup]
    argv = [sys.executable, "-m", "pytest", "-q", file, "-k", test]
    say(f"\n{setup}: its server goes away for {seconds} s")
    return (
        subprocess.run(argv, cwd=ROOT, env={**os.environ, "LAB_OUTAGE": str(seconds)}, check=False).returncode
        == 0
    )


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--versions", default=",".join(ALL_VERSIONS))
    parser.add_argument(
        "--setups", default=",".join(SETUPS), help="; ".join(f"{s.name}: {s.what}" for s in SETUPS.values())
    )
    parser.add_argument("--keep", type=Path, help="leave worlds, logs and databases in this directory")
    options = parser.parse_args(arguments)
    versions = options.versions.split(",")
    started = time.monotonic()
    build(versions)
    folder = options.keep or Path(tempfile.mkdtemp(prefix="tailrace-lab-"))
    try:
        verdicts = run_all(versions, [SETUPS[name] for name in options.setups.split(",")], folder.resolve())
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    report(verdicts, time.monotonic() - started)
    is_right = not any(verdict.wrong for verdict in verdicts)
    for setup in OUTAGES.keys() & set(options.setups.split(",")):
        is_right &= outage(setup, OUTAGE_S)
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
