"""static/probe/tailrace-probe.cjs around small worlds: the app cannot tell that it is there."""

from __future__ import annotations

import json

import pytest

from tests.probe.apps import STRICT, app, run


@pytest.mark.parametrize("world", ["flat", "class", "frozen", "streams", "session"])
@pytest.mark.parametrize("exact", ["1", "0"])
def test_it_changes_nothing_that_the_app_sees(intake, world, exact):
    bare = run(intake, "same.cjs", node=(STRICT,), BARE="1", FAKE_WORLD=world)
    probed = run(intake, "same.cjs", node=(STRICT,), FAKE_WORLD=world, TAILRACE_EXACT=exact)

    assert (bare.returncode, bare.stderr) == (0, "")
    assert (probed.returncode, probed.stderr, probed.stdout) == (0, "", bare.stdout)
    assert len(intake.of("write")) >= 10


def test_it_wraps_nothing_when_it_is_off(intake):
    app(intake, "natural", TAILRACE_OFF="1")

    assert intake.requests == []


@pytest.mark.parametrize("mode", ["throw", "strict", "warn", "none"])
def test_a_rejection_that_the_app_forgot_has_the_same_end(intake, mode):
    node = (f"--unhandled-rejections={mode}",)
    bare = run(intake, "app.cjs", "forgotten", node=node, BARE="1")
    probed = run(intake, "app.cjs", "forgotten", node=node)

    assert (probed.returncode, probed.stdout) == (bare.returncode, bare.stdout)
    assert bare.returncode == (1 if mode in ("throw", "strict") else 0)
    assert [error["kind"] for error in intake.of("error")] == ["unhandled_rejection"]


def test_it_does_not_touch_what_the_app_may_watch(intake):
    done = run(intake, "app.cjs", "watched")
    bare = run(intake, "app.cjs", "watched", BARE="1")

    assert done.stdout == bare.stdout
    assert json.loads(done.stdout.splitlines()[0])["asked"] == 0
    assert len(intake.of("write")) == 1


@pytest.mark.parametrize(("scenario", "code"), [("natural", 0), ("exit", 7), ("uncaught", 1)])
def test_the_process_ends_as_it_would_and_says_its_last_words(intake, scenario, code):
    bare = run(intake, "app.cjs", scenario, BARE="1")
    probed = run(intake, "app.cjs", scenario)

    assert (probed.returncode, probed.stdout) == (bare.returncode, bare.stdout)
    assert probed.returncode == code
    assert ("a bug of the app" in probed.stderr) == (scenario == "uncaught")
    first = intake.of("write")[0]
    assert (first["stream"], first["ok"]) == ("plain", True)


def test_the_process_ends_although_nobody_listens_or_answers(intake):
    intake.stop()
    assert app(None, "natural").stderr == ""

    intake.start()
    intake.answers = [(503, {})] * 3
    assert app(intake, "natural").stderr == ""


def test_a_second_copy_of_the_file_shares_numbers_and_sender(intake):
    done = app(intake, "twice")

    assert done.stdout.splitlines()[0] == "false"
    assert [write["n"] for write in intake.of("write")] == [1, 2]
    assert len({batch["process"] for batch in intake.batches}) == 1


def test_a_worker_thread_is_a_process_of_its_own(intake):
    app(intake, "worker")

    assert len(intake.of("write")) == 2
    processes = {batch["process"] for batch in intake.batches}
    assert len(processes) == 2
    assert sum("-w" in process for process in processes) == 1
