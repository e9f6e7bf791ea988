from __future__ import annotations

import asyncio
import http.client
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from dashboard.proxy.command import Seldom, proxy_main
from tests.processes import end, free_port, with_parent

UPSTREAM = ["--upstream", "https://backend.test"]


def run(*argv: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    return proxy_main(list(argv), out, err), out.getvalue(), err.getvalue()


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "where is the backend?"),
        (["--upstream", "backend.test"], "starts with https://"),
        ([*UPSTREAM, "--listen", "0.0.0.0:8010"], "--allow-remote"),
        ([*UPSTREAM, "--listen", "8010x"], "not an address and a port"),
        ([*UPSTREAM, "--to", "tailrace"], "starts with https://"),
        (["--upstream", "http://127.0.0.1:8010"], "the backend's own address"),
        ([*UPSTREAM, "--nonsense"], "--nonsense"),
    ],
)
def test_a_command_line_that_cannot_work_is_explained(argv, said):
    status, out, err = run(*argv)
    assert status == 64 and said in err and out == ""


def test_it_shows_its_help():
    status, out, _ = run("--help")
    assert status == 0 and "--upstream" in out and "docs/proxy.md" in out


def test_a_port_that_is_taken_is_said():
    port = free_port()
    with ThreadingHTTPServer(("127.0.0.1", port), BaseHTTPRequestHandler):
        status, out, err = run(*UPSTREAM, "--listen", f"127.0.0.1:{port}")
    assert (status, out) == (1, "") and f"cannot listen on 127.0.0.1:{port}" in err


def test_the_same_line_is_not_said_again_at_once():
    said: list[str] = []
    seldom = Seldom(said.append)
    for text in ("a", "a", "b", "a"):
        seldom(text)
    assert said == ["a", "b", "a"]


class Both(BaseHTTPRequestHandler):
    """The backend and Tailrace in one: rejects every write and takes every report."""

    reports: list[dict[str, Any]]

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(409, b'{"message": "already completed"}')

    def do_POST(self) -> None:
        self.reports.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self._answer(202, b"{}")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def both() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    reports: list[dict[str, Any]] = []
    handler = type("Handler", (Both,), {"reports": reports})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", reports
        server.shutdown()


def test_the_command_passes_on_reports_and_ends_well(both, tmp_path):
    url, reports = both
    argv = [*with_parent(), sys.executable, "-m", "dashboard", "proxy", "--upstream", url]
    argv += ["--to", url, "--listen", "127.0.0.1:0", "--world", "shop"]
    env = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    try:
        assert process.stdout is not None
        own = urlsplit(process.stdout.readline().split(" ")[0])
        client = http.client.HTTPConnection(own.hostname or "", own.port, timeout=20)
        client.request(
            "PUT", "/v2/runs/wrun_1/stream/strm_1_user", b"x", {"Authorization": "Bearer tok_secret_1"}
        )
        assert client.getresponse().status == 409
        client.close()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
    finally:
        end(process)
    assert (process.returncode, err) == (0, "")
    (write,) = [record for batch in reports for record in batch["records"]]
    assert (write["type"], write["ok"], write["error"]["status"]) == ("write", False, 409)
    assert reports[-1]["ending"] is True and reports[-1]["world"] == "shop"
    assert reports[-1]["app"]["language"] == "proxy" and "tok_secret_1" not in json.dumps(reports)


def test_the_command_needs_no_django():
    code = "import sys, dashboard.proxy.command; print([name for name in sys.modules if name.startswith('django')])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"


async def test_every_option_is_documented():
    from tests.needs import ROOT

    page = await asyncio.to_thread((ROOT / "docs" / "proxy.md").read_text)
    _, text, _ = await asyncio.to_thread(run, "--help")
    for option in ("--upstream", "--listen", "--to", "--token", "--world", "--allow-remote"):
        assert option in text and f"`{option}" in page
