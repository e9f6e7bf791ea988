"""What is written about the project agrees with the project."""

from __future__ import annotations

import os
import re

import pytest

from tests.needs import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# A registry's address in a lock sends everyone there who installs from it.
LOCKS = [*ROOT.glob("requirements*.lock"), *ROOT.glob("tests/lab/node/*/package-lock.json")]


def _targets():
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_that_a_page_names_exists(page):
    code = "\n".join(re.findall(r"```.*?```|`[^`]+`", page.read_text(), re.DOTALL))
    assert set(re.findall(r"\bmake ([a-z][a-z-]*)", code)) <= _targets()


def test_every_make_target_is_explained_by_make_help():
    makefile = (ROOT / "Makefile").read_text()
    explained = set(re.findall(r"^([a-z][a-z-]*):.*## ", makefile, re.MULTILINE))
    assert explained == _targets()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(ROOT)))
def test_no_lock_carries_a_download_address(lock):
    text = lock.read_text()
    assert '"resolved"' not in text
    assert "index-url" not in text
    if lock.suffix == ".lock":
        assert "://" not in text


def test_the_runtime_lock_is_part_of_the_development_lock():
    pins = {name: _pins(ROOT / name) for name in ("requirements.lock", "requirements-dev.lock")}
    assert pins["requirements.lock"] <= pins["requirements-dev.lock"]


def _pins(lock):
    return set(re.findall(r"^([a-z0-9][\w.\-\[\],]*==\S+)", lock.read_text(), re.MULTILINE))


def test_the_ci_script_may_be_run():
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
