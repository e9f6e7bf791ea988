"""Several stylesheets as one: a page waits for a single answer before it paints."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from django.contrib.staticfiles import finders
from django.urls import reverse

EVERY_PAGE = ("tokens", "base", "parts", "tables", "alert-toast")


class Sheet(NamedTuple):
    css: bytes
    version: str  # changes with what the sheet holds


class _File(NamedTuple):
    path: str
    changed_ns: int


def sheet_of(names: Iterable[str]) -> Sheet | None:
    """The files `css/<name>.css`, one after the other; None if one of them is not there."""
    files = [_file(name) for name in names]
    return None if None in files else _joined(tuple(file for file in files if file is not None))


def url_of(names: Iterable[str]) -> str:
    """Where a page finds what every page needs and these, under a name that changes with them.

    Raises ValueError if one of them is not there."""
    wanted = (*EVERY_PAGE, *names)
    sheet = sheet_of(wanted)
    if sheet is None:
        raise ValueError(f"no such stylesheet among {', '.join(wanted)}")
    return f"{reverse('styles', args=['+'.join(wanted)])}?v={sheet.version}"


def _file(name: str) -> _File | None:
    # Letters only: a name comes from an address.
    found = finders.find(f"css/{name}.css") if name.replace("-", "").isalpha() else None
    return _File(found, Path(found).stat().st_mtime_ns) if isinstance(found, str) else None


@lru_cache(maxsize=64)
def _joined(files: tuple[_File, ...]) -> Sheet:
    css = b"\n".join(Path(file.path).read_bytes() for file in files)
    return Sheet(css, sha256(css).hexdigest()[:12])
