"""What decoding costs: stream chunks, large values, and memory over hostile inputs.

    python bench/payloads.py

Prints each figure with its target. Times are the best of several rounds in this run; memory is the peak of a
process of its own that decodes the hostile corpus and bombs made just small enough to be read.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from runs.payloads import FrameReader, Limits, as_plain, decode, decode_chunk, preview

ROUNDS = 5
MIB = 2**20
TEXT = b'[{"type":1,"id":2,"delta":3},"text-delta","t1","some"]'
CHUNK = (len(TEXT) + 4).to_bytes(4, "big") + b"devl" + TEXT


def best(work: Callable[[], object], times: int = 1) -> float:
    """Seconds of one call, in the best round."""
    found = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(times):
            work()
        found.append((time.perf_counter() - began) / times)
    return min(found)


def show(name: str, figure: str, target: str = "") -> None:
    print(f"{name:<52}{figure:>12}   {target}")


def objects(count: int) -> bytes:
    flat: list[object] = [list(range(1, 4 * count + 1, 4))]
    for number in range(count):
        at = 4 * number + 1
        flat += ({"id": at + 1, "name": at + 2, "on": at + 3}, number, f"name {number}", True)
    return b"devl" + json.dumps(flat).encode()


def bench_chunks() -> None:
    chunk, parse = best(lambda: decode_chunk(CHUNK), 20_000), best(lambda: json.loads(TEXT), 20_000)
    value = decode_chunk(CHUNK).values[0].value
    show("text chunk of 62 bytes", f"{chunk * 1e6:.1f} µs", "target 20 µs")
    show("  against json.loads of its text", f"{chunk / parse:.1f} x")
    show("  its plain form", f"{best(lambda: as_plain(value), 20_000) * 1e6:.1f} µs")
    show("  its preview", f"{best(lambda: preview(value), 20_000) * 1e6:.1f} µs")


def bench_frames() -> None:
    stream = CHUNK * 100_000
    frames = FrameReader().feed(stream)
    pieces = [stream[at : at + 1000] for at in range(0, len(stream), 1000)]
    show("100,000 frames split", f"{best(lambda: FrameReader().feed(stream)):.3f} s", "target 0.3 s")
    show("  in pieces of 1,000 bytes", f"{best(lambda: list(map(FrameReader().feed, pieces))):.3f} s")
    show("  and decoded", f"{best(lambda: list(map(decode, frames))):.3f} s")


def bench_large() -> None:
    text = b"devl" + json.dumps(["x" * 10_000_000]).encode()
    many = objects(100_000)
    show("text of 10 MB", f"{best(lambda: decode(text)):.3f} s", "target 0.1 s")
    whole = Limits(nodes=1_000_000, seconds=60)
    show(f"100,000 objects, {len(many) / 1e6:.1f} MB", f"{best(lambda: decode(many, limits=whole)):.3f} s")
    show("  the first 2,000 values", f"{best(lambda: decode(many, limits=Limits(nodes=2000))):.3f} s")
    show("  against json.loads of their text", f"{best(lambda: json.loads(many[4:])):.3f} s")


def bombs() -> list[bytes]:
    """Small payloads that become as large as the decoder lets them."""
    sixty = 60 * MIB
    inside = [
        b'devl["' + b"a" * sixty + b'"]',
        b'devl["' + "\u20ac".encode() * (sixty // 3) + b'"]',
        b'devl["' + b"a" * 20 * MIB + "\U0001f600".encode() + b'"]',
        b'devl["' + b"a" * 20 * MIB + rb"\ud800" + b'"]',
        b"devl[[" + b"1," * MIB + b"1]," + b'"x"]',
        b"devl[" + b"{}," * 560_000 + b"{}]",
        b"devl[" + b'{"a":1},' * 540_000 + b"1]",
        b"devl[" + b"[]," * 1_200_000 + b"[]]",
        b"devl[" + b"[" * sixty,
        b"devl[" + b'"' * sixty,
        b"devl" + b" " * sixty + b"[1]",
        bytes(200 * MIB),
    ]
    return [b"gzip" + gzip.compress(one, 1) for one in inside]


def peak_megabytes() -> float:
    """From Linux's own book: `getrusage` counts what the parent had before the exec."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def peak_over_hostile() -> None:
    """Decodes everything hostile one after the other; prints the slowest and this process's peak memory."""
    from tests.runs.payloads.cases import KEY, corpus

    inputs = [it.data for it in corpus() if it.sdk == "hostile"]
    with_bombs = sys.stdin.buffer.read()
    inputs += FrameReader().feed(with_bombs)
    del with_bombs
    slowest = 0.0
    for data in inputs:
        began = time.perf_counter()
        decode(data, key=KEY)
        decode_chunk(data, key=KEY)
        slowest = max(slowest, time.perf_counter() - began)
    print(json.dumps([len(inputs), slowest, peak_megabytes()]))


def bench_hostile() -> None:
    fed = b"".join(len(one).to_bytes(4, "big") + one for one in bombs())
    command = [sys.executable, __file__, "--hostile"]
    count, slowest, peak = json.loads(
        subprocess.run(command, input=fed, capture_output=True, check=True).stdout
    )
    show(f"{count} hostile inputs, each read twice: the slowest", f"{slowest:.2f} s")
    show("  peak memory", f"{peak:.0f} MB", "target 200 MB")


if __name__ == "__main__":
    if "--hostile" in sys.argv:
        peak_over_hostile()
    else:
        bench_chunks()
        bench_frames()
        bench_large()
        bench_hostile()
