"""From a chunk behind an end marker becoming durable in a local world to the webhook received, with the real `serve`.

    python bench/alert.py [--rounds 20]

Each round is a workflow of its own, so that each is an anomaly seen for the first time. The clock starts when the chunk
has its final name. Reference, measured in the same run: a bare POST of the same body to the same receiver.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.parts.promises import end, promise, target
from tests.needs import ROOT
from tests.processes import end as end_process
from tests.server_process import Server

if TYPE_CHECKING:
    from tests.world_files import WorldFiles

MOST_S, WITHIN_S, SETTLE_S = 2.0, 20.0, 1.5
SETUP = """
import sys, django; django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from dashboard.alerts import editing
from dashboard.alerts.models import AlertRule
channel = editing.save_channel(None, editing.ChannelForm("webhook", "bench", {"url": sys.argv[1]}))
rule = AlertRule(name="bench", triggers=["first_time"], kinds=["write_after_close"], hourly_cap=1000)
editing.save_rule(rule, [], [channel.pk])
"""
Received = "queue.Queue[tuple[float, dict[str, Any]]]"


def world_in(root: Path) -> WorldFiles:
    """What writes files as the SDK does; it uses the product's models, so Django comes first."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    django.setup()
    from tests.world_files import WorldFiles

    return WorldFiles(root)


def receiver() -> tuple[ThreadingHTTPServer, Received]:
    received: Received = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.put((time.time(), json.loads(body)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, received


def rounds(world: WorldFiles, received: Received, number: int) -> tuple[list[float], bytes]:
    times, body = [], b""
    for at in range(number):
        ulid, workflow = world.ulid(), f"workflow//./app//chat{at}"
        stream = f"strm_{ulid}_user"
        world.run(f"wrun_{ulid}", workflowName=workflow)
        world.list_stream(stream)
        world.text(stream, "Hello")
        world.close(stream)
        time.sleep(SETTLE_S)  # it has been read and judged: nothing is wrong with it yet
        world.text(stream, "late")
        durable = time.time()
        arrived, told = received.get(timeout=WITHIN_S)
        assert told["anomaly"]["workflow"] == workflow, told
        times.append(arrived - durable)
        body = json.dumps(told).encode()
    return times, body


def bare(url: str, body: bytes, received: Received, number: int) -> list[float]:
    times = []
    for _ in range(number):
        began = time.time()
        urlopen(Request(url, body, {"content-type": "application/json"})).read()
        times.append(received.get(timeout=WITHIN_S)[0] - began)
    return times


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=20)
    number = parser.parse_args().rounds
    target_server, received = receiver()
    url = f"http://127.0.0.1:{target_server.server_port}/hook"
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as folder:
        data, world = Path(folder) / "data", world_in(Path(folder) / "world")
        data.mkdir()
        allowed = {"TAILRACE_OUTBOUND_ALLOW": "127.0.0.1/32"}
        env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "dashboard.settings",
            "TAILRACE_DATA": str(data),
            **allowed,
        }
        subprocess.run([sys.executable, "-c", SETUP, url], cwd=ROOT, env=env, check=True)
        server = Server(world.root, data, env=allowed)
        try:
            times, body = rounds(world, received, number)
            report(times, bare(url, body, received, number), received)
        except queue.Empty:
            print(server.output())
            promise("every chunk behind an end marker was told", False)
        finally:
            end_process(server.process)
    end()


def report(times: list[float], reference: list[float], received: Received) -> None:
    middle, worst = statistics.median(times), max(times)
    print(
        f"chunk behind an end marker to webhook, {len(times)} times: median {middle:.2f} s, worst {worst:.2f} s"
    )
    print(f"  a bare POST to the same receiver: median {statistics.median(reference) * 1000:.1f} ms")
    target("worst", worst, MOST_S, "s")
    promise("every chunk behind an end marker was told once", received.empty())


if __name__ == "__main__":
    main()
