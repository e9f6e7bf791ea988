"""The whole way: a chunk behind an end marker in a real directory, the real `serve`, a real receiver of webhooks."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.needs import ROOT
from tests.world_files import WorldFiles

WITHIN_S = 60
ALLOWED = {"TAILRACE_OUTBOUND_ALLOW": "127.0.0.1/32", "TAILRACE_SWEEP_SECONDS": "1"}
SETUP = """
import sys, django; django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from dashboard.alerts import editing
from dashboard.alerts.models import AlertRule
channel = editing.save_channel(None, editing.ChannelForm("webhook", "Hook", {"url": sys.argv[1]}))
editing.save_rule(AlertRule(name="All", triggers=["first_time", "regressed"]), [], [channel.pk])
"""


class Receiver:
    """Keeps each request, and answers none before `may_answer` is set."""

    def __init__(self) -> None:
        self.requests: queue.Queue[tuple[str, dict]] = queue.Queue()
        self.may_answer = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                receiver.requests.put((self.headers["idempotency-key"], body))
                receiver.may_answer.wait(WITHIN_S)
                try:
                    self.send_response(204)
                    self.end_headers()
                except OSError:
                    pass  # who asked is dead

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hook"

    def next(self) -> tuple[str, dict]:
        return self.requests.get(timeout=WITHIN_S)


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.may_answer.set()
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def files(tmp_path):
    return WorldFiles(tmp_path / "world")


@pytest.fixture
def data(tmp_path, receiver):
    folder = tmp_path / "data"
    folder.mkdir()
    env = {
        **os.environ, "DJANGO_SETTINGS_MODULE": "dashboard.settings", "TAILRACE_DATA": str(folder), **ALLOWED
    }  # fmt: skip
    subprocess.run([sys.executable, "-c", SETUP, receiver.url], cwd=ROOT, env=env, check=True)
    return folder


def break_stream(files: WorldFiles) -> str:
    """A stream with a chunk behind its end marker; its name."""
    ulid = files.ulid()
    stream = f"strm_{ulid}_user"
    files.run(f"wrun_{ulid}")
    files.list_stream(stream)
    files.text(stream, "Hello")
    files.close(stream)
    files.text(stream, "late")
    return stream


def test_an_anomaly_reaches_a_receiver_with_a_link_back(serve, files, data, receiver):
    receiver.may_answer.set()
    server = serve(files.root, data, env=ALLOWED)
    stream = break_stream(files)
    _, told = receiver.next()
    assert (told["event"], told["anomaly"]["kind"]) == ("anomaly", "write_after_close")
    assert told["anomaly"]["stream"] == stream
    assert told["url"] == f"{server.url}/anomalies/{told['anomaly']['id']}/"
    with pytest.raises(queue.Empty):  # the second of its kind is counted, not told
        break_stream(files)
        receiver.requests.get(timeout=3)


def test_killed_while_it_sends_it_sends_once_more_with_the_same_key(serve, files, data, receiver):
    server = serve(files.root, data, env=ALLOWED)
    break_stream(files)
    first, _ = receiver.next()
    server.kill()
    receiver.may_answer.set()
    server.start()
    again, _ = receiver.next()
    assert again == first
    with pytest.raises(queue.Empty):
        receiver.requests.get(timeout=3)
