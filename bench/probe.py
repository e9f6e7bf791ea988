"""What the probe costs an app: CPU time of the lab's `many` scenario, and the time it adds to a single write.

    python bench/probe.py [--pairs 15] [--chunks 2000] [--version 4.8.9 ...] [--side-by-side]

CPU time is user and system time of the whole process, start-up and the probe's last words included, as the
operating system counts it; the intake that takes the batches is another process and is not counted. Each pair
is the same app with and without the probe, one right after the other in alternating order, or, where other
work on the machine would drown the difference, both at the same time. Added latency is measured in one process
against a world that does nothing: a median write with the probe less one without.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.lab import VERSIONS, LabApp, LabRun
from tests.needs import ROOT, find_node

PROBE = ROOT / "static" / "probe" / "tailrace-probe.cjs"
ROUNDS = 9

# Answers 202 and forgets, cheaper than any real intake: what is measured is the sender.
INTAKE = """
const server = require("node:http").createServer((request, answer) => {
  const received = Date.now();
  request.resume().on("end", () => answer.writeHead(202).end(JSON.stringify({ received, answered: Date.now() })));
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
"""

# Prints the median time of one write in microseconds: of the world's method itself, and of a writer.write()
# whose chunk goes through a TransformStream to the world, one at a time.
LATENCY = """
const [world, probe, writes] = [process.argv[1], process.argv[2], Number(process.argv[3])];
const { AsyncLocalStorage } = require("node:async_hooks");
const storage = (globalThis[Symbol.for("WORKFLOW_STEP_CONTEXT_STORAGE")] ??= new AsyncLocalStorage());
const inner = require(probe || world)();
const stream = "strm_01M803XX9EKPGB0DR66MWJRZ8Z_user", run = "wrun_01M803XX9EKPGB0DR66MWJRZ8Z";
const context = { stepMetadata: { stepId: "step_1", stepName: "step//x//y", attempt: 1 },
  workflowMetadata: { workflowRunId: run, workflowName: "workflow//x//z" }, ops: [] };
const text = '[{"type":1,"id":2,"delta":3},"text-delta","t1","lo"]';
const encoder = new TextEncoder();
async function median(write) {
  const times = new Float64Array(writes);
  for (let n = 0; n < writes; n++) {
    const began = performance.now();
    await write();
    times[n] = performance.now() - began;
    if (n % 200 === 0) await new Promise(setImmediate);
  }
  return times.slice(writes / 5).sort()[Math.floor(writes * 0.4)] * 1000;
}
function writable() {
  let arrived;
  const serialize = new TransformStream({ transform: (chunk, to) => to.enqueue(encoder.encode(chunk)) });
  const reader = serialize.readable.getReader();
  (async () => {
    for (;;) {
      await inner.writeToStream(stream, run, (await reader.read()).value);
      arrived();
    }
  })();
  const writer = serialize.writable.getWriter();
  return () => new Promise((done) => { arrived = done; writer.write(text); });
}
storage.run(context, async () => {
  const call = await median(() => inner.writeToStream(stream, run, encoder.encode(text)));
  const whole = await median(writable());
  console.log(JSON.stringify([call, whole]));
  process.kill(process.pid, "SIGKILL");
});
"""
NO_WORLD = "module.exports = () => ({ writeToStream: async () => {} });"


@contextmanager
def intake(node: Path) -> Iterator[str]:
    server = subprocess.Popen([str(node), "-e", INTAKE], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
    finally:
        server.kill()
        server.wait()


@contextmanager
def running(app: LabApp, env: Mapping[str, str]) -> Iterator[LabRun]:
    """The scenario in an empty world."""
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as world:
        yield app.run(Path(world), ["many"], env)


def cpu_seconds(run: LabRun) -> float:
    """Of one run, with everything that the process started and waited for; waits for its end."""
    status = run.ended("many")
    assert status == "completed", status
    _, code, used = os.wait4(run.pid, 0)
    run.returncode = os.waitstatus_to_exitcode(code)
    assert run.returncode == 0, run.complaints()
    return used.ru_utime + used.ru_stime


def spend(app: LabApp, envs: Sequence[Mapping[str, str]], together: bool) -> list[float]:
    if not together:
        return [spend(app, [env], True)[0] for env in envs]
    with ExitStack() as stack:
        runs = [stack.enter_context(running(app, env)) for env in envs]
        return [cpu_seconds(run) for run in runs]


def interval(ratios: Sequence[float]) -> tuple[float, float]:
    """95 % of the medians of samples drawn from these ratios with replacement."""
    chance = random.Random(1)
    medians = sorted(statistics.median(chance.choices(ratios, k=len(ratios))) for _ in range(10_000))
    return medians[250], medians[9_749]


def bench_cpu(version: str, pairs: int, chunks: int, together: bool, url: str) -> None:
    app = LabApp(version)
    app.build()
    bare = {"LAB_MANY": str(chunks)}
    probed = {**bare, "WORKFLOW_TARGET_WORLD": str(PROBE), "TAILRACE_URL": url}
    spend(app, [bare], together)  # reads the files from disk once
    ratios, without = [], []
    for pair in range(pairs):
        first, second = spend(app, [probed, bare] if pair % 2 else [bare, probed], together)
        with_probe, alone = (first, second) if pair % 2 else (second, first)
        without.append(alone)
        ratios.append(with_probe / alone)
    low, high = interval(ratios)
    print(
        f"{version}, {chunks:,} chunks, {pairs} pairs{' side by side' if together else ''}: CPU time with the "
        f"probe / without: median {statistics.median(ratios):.3f} (95 %: {low:.3f} to {high:.3f}); "
        f"without: {statistics.median(without):.2f} s, of which start-up is a part; target at most 1.05",
        flush=True,
    )


def bench_latency(node: Path, url: str, writes: int = 10_000) -> None:
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as folder:
        world = Path(folder) / "world.cjs"
        world.write_text(NO_WORLD)
        times: dict[str, list[list[float]]] = {"": [], str(PROBE): []}
        for _ in range(ROUNDS):
            for probe, found in times.items():
                found.append(_latency(node, url, world, probe, writes))
    for at, what in enumerate(("call of the world", "writer.write() until the world has answered")):
        bare, probed = (statistics.median(found[at] for found in times[probe]) for probe in ("", str(PROBE)))
        print(
            f"{what}: {bare:.1f} us without, {probed:.1f} us with, adds {probed - bare:.1f} us; target < 20"
        )


def _latency(node: Path, url: str, world: Path, probe: str, writes: int) -> list[float]:
    done = subprocess.run(
        [str(node), "-e", LATENCY, str(world), probe, str(writes)],
        env={"TAILRACE_URL": url, "TAILRACE_WORLD": str(world), "TAILRACE_EXACT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    call, whole = (float(part) for part in done.stdout.strip().strip("[]").split(","))
    return [call, whole]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--chunks", type=int, default=2_000)
    parser.add_argument("--side-by-side", action="store_true")
    parser.add_argument("--version", action="append", choices=VERSIONS)
    options = parser.parse_args()
    node = find_node()
    assert node is not None, "Node.js is needed"
    with intake(node.node) as url:
        bench_latency(node.node, url)
        for version in options.version or VERSIONS:
            bench_cpu(version, options.pairs, options.chunks, options.side_by_side, url)


if __name__ == "__main__":
    main()
