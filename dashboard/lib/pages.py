"""Pages found by looking into a folder: one new page is one new file with a `@page` view in it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import TypeVar

from django.http.response import HttpResponseBase
from django.urls import URLPattern, path

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


def page(route: str, name: str) -> Callable[[View], View]:
    """Mark a view with its route and the name that `{% url %}` finds it by."""

    def mark(view: View) -> View:
        view.page = (route, name)  # type: ignore[attr-defined]
        return view

    return mark


def urlpatterns_of(package: str) -> list[URLPattern]:
    """One pattern for each `@page` view in the public modules of a package."""
    patterns = []
    for info in pkgutil.iter_modules(importlib.import_module(package).__path__):
        if not info.name.startswith("_"):
            patterns += _patterns_in(f"{package}.{info.name}")
    return patterns


def _patterns_in(module_name: str) -> list[URLPattern]:
    module = importlib.import_module(module_name)
    views = [
        v for v in vars(module).values() if getattr(v, "__module__", "") == module_name and hasattr(v, "page")
    ]
    return [path(view.page[0], view, name=view.page[1]) for view in views]
