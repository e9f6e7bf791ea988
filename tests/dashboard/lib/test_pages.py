"""Pages found in folders."""

from __future__ import annotations

import sys

import pytest

from dashboard.lib.pages import urlpatterns_of

PAGE = """
from dashboard.lib.pages import page

@page("{route}", "{name}")
def view(request):
    return None
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "found_pages"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.startswith("found_pages")]:
        del sys.modules[name]


def test_it_finds_a_page_in_each_file(package):
    (package / "one.py").write_text(PAGE.format(route="one/<int:number>/", name="one"))
    (package / "two.py").write_text(PAGE.format(route="two/", name="two"))
    assert {(str(p.pattern), p.name) for p in urlpatterns_of("found_pages")} == {
        ("one/<int:number>/", "one"),
        ("two/", "two"),
    }


def test_it_looks_at_no_private_file_and_takes_no_imported_view(package):
    (package / "_helper.py").write_text(PAGE.format(route="x/", name="x") + "raise RuntimeError")
    (package / "real.py").write_text(PAGE.format(route="real/", name="real"))
    (package / "other.py").write_text("from found_pages.real import view\n")
    assert [p.name for p in urlpatterns_of("found_pages")] == ["real"]
