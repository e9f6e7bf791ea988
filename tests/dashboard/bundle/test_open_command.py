"""`tailrace open`, as a person runs it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.dashboard.bundle.replayed import bundle
from tests.factories import CLOSE_MARKER, make_chunks, make_run, make_stream, make_world, text_chunks
from tests.needs import ROOT
from tests.processes import end, free_port, with_parent

WITHIN = 30


def started(folder, *arguments):
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}
    env.pop("DJANGO_SETTINGS_MODULE", None)
    argv = [*with_parent(), sys.executable, "-m", "dashboard", "open", *arguments]
    return subprocess.Popen(
        argv,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def get(url, process):
    until = time.monotonic() + WITHIN
    while True:
        try:
            with urlopen(url, timeout=5) as answer:
                return answer.read().decode()
        except URLError:
            if process.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.1)


@pytest.mark.django_db
def test_it_serves_the_bundle_from_an_empty_directory_and_leaves_nothing_behind(tmp_path):
    world = make_world(name="shop")
    run = make_run(world, source_ns=5)
    stream = make_stream(world, run=run)
    make_chunks(stream, [*text_chunks(3), CLOSE_MARKER])
    path = bundle(stream, tmp_path / "b.zip")
    folder, port = tmp_path / "empty", free_port()
    folder.mkdir()
    process = started(folder, str(path), "--port", str(port))
    try:
        html = get(f"http://127.0.0.1:{port}/w/bundle-shop/streams/{stream.name}/", process)
        process.send_signal(2)
        output = process.communicate(timeout=WITHIN)[0]
    finally:
        end(process)

    assert "shop (bundle, read-only)" in html and "█" in html and "word1" not in html
    assert f"a bundle of stream {stream.name}, made on" in output and "without payloads" in output
    assert process.returncode == 0
    assert list(folder.iterdir()) == []


def test_it_refuses_what_is_no_bundle_in_one_sentence(tmp_path):
    (tmp_path / "b.zip").write_bytes(b"PK no")
    process = started(tmp_path, "b.zip", "--port", "0")
    output = process.communicate(timeout=WITHIN)[0]

    assert process.returncode == 2
    assert output.startswith("tailrace: ") and "is no bundle" in output and "Traceback" not in output
    assert [path.name for path in tmp_path.iterdir()] == ["b.zip"]
