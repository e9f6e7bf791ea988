from __future__ import annotations

import pytest

from dashboard.worlds.find import find_location, find_locations
from dashboard.worlds.known import ensure_world


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WORKFLOW_LOCAL_DATA_DIR", raising=False)
    return tmp_path


@pytest.mark.django_db
def test_it_watches_what_it_is_given(nowhere, monkeypatch):
    monkeypatch.setenv("TAILRACE_WORLDS", "/srv/c, postgres://db/app")
    assert find_locations(["/srv/app", "/srv/b"]) == (["/srv/app", "/srv/b"], "")
    found, sentence = find_locations([])
    assert found == ["/srv/c", "postgres://db/app"] and "TAILRACE_WORLDS" in sentence


@pytest.mark.django_db
def test_worlds_that_are_known_are_enough(nowhere):
    assert find_locations([])[0] == ["./.workflow-data"]
    ensure_world("shop")
    assert find_locations([]) == ([], "")
    (nowhere / ".workflow-data").mkdir()
    assert find_locations([])[0] == ["./.workflow-data"], "what is there is watched too"


def test_it_looks_where_the_sdk_writes_and_says_what_it_found(nowhere, monkeypatch):
    (nowhere / ".next/workflow-data").mkdir(parents=True)
    assert find_location() == ("./.next/workflow-data", "found ./.next/workflow-data")
    (nowhere / ".workflow-data").mkdir()
    assert find_location()[0] == "./.workflow-data"
    monkeypatch.setenv("WORKFLOW_LOCAL_DATA_DIR", "/srv/data")
    assert find_location() == ("/srv/data", "watching /srv/data (from WORKFLOW_LOCAL_DATA_DIR)")


def test_it_waits_where_nothing_is_yet(nowhere):
    place, sentence = find_location()
    assert place == "./.workflow-data"
    assert "neither" in sentence and "waiting" in sentence
