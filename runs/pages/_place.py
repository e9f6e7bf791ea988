"""Where a value can be asked for again, in which form, and where what it refers to has its own page."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import NoReverseMatch, reverse

Mode = Literal["decoded", "json", "hex"]
MODES: tuple[tuple[Mode, str], ...] = (("decoded", "Decoded"), ("json", "JSON"), ("hex", "Hex"))
LOOKED_UP = 20  # step functions of one page for which a step is searched

_STREAM = re.compile(r"strm_[0-9A-HJKMNP-TV-Z]{26}(?:_[A-Za-z0-9_-]{1,200})?")
_not_in_ids = re.compile(r"[^A-Za-z0-9]")
_NUMBER = re.compile(r"\d{1,15}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a reader asks of a value. `node` is -1 for the whole, else an index in its flat list."""

    mode: Mode = "decoded"
    node: int = -1
    start: int = 0
    whole: bool = False  # read again from the world, where only its head is kept here


AS_DECODED = Asked()


def asked_in(query: QueryDict) -> Asked:
    """Anything that is no such question asks for the decoded value."""
    wanted = query.get("as")
    mode: Mode = "json" if wanted == "json" else "hex" if wanted == "hex" else "decoded"
    return Asked(mode, number_in(query, "node", -1), number_in(query, "start", 0), "whole" in query)


def number_in(query: QueryDict, name: str, otherwise: int) -> int:
    text = query.get(name, "")
    return int(text) if _NUMBER.fullmatch(text) else otherwise


@dataclass(slots=True)
class Links:
    """Pages of what values refer to. `step_named` finds the id of a step by its function's name."""

    slug: str
    run_id: str = ""
    step_named: Callable[[str], str] | None = None
    _steps: dict[str, str] = field(default_factory=dict)

    def stream(self, name: str | None) -> str:
        if name is None or not _STREAM.fullmatch(name):
            return ""
        try:
            return reverse("stream", args=[self.slug, name])
        except NoReverseMatch:  # this floor runs without streams above it
            return ""

    def step(self, name: str | None) -> str:
        if not name or self.step_named is None:
            return ""
        if name not in self._steps and len(self._steps) < LOOKED_UP:
            self._steps[name] = self.step_named(name)
        found = self._steps.get(name)
        return reverse("step", args=[self.slug, self.run_id, found]) if found else ""

    def workflow(self, name: str | None) -> str:
        if not name or not name.startswith("workflow//") or len(name) > 200:
            return ""
        return f"{reverse('runs', args=[self.slug])}?{urlencode({'workflow': name})}"


@dataclass(frozen=True, slots=True)
class Place:
    """The page of one value: its path, and what in the query names the value there."""

    path: str
    query: tuple[tuple[str, str], ...]
    links: Links | None = None
    raw: str = ""  # where its bytes can be had, if not at the same path

    def url(self, **more: object) -> str:
        return f"{self.path}?{urlencode([*self.query, *more.items()])}"

    @property
    def id(self) -> str:
        """For an element of the page; the same for the same value."""
        return "-".join(_not_in_ids.sub("_", value) for _, value in self.query)

    @property
    def download(self) -> str:
        return self.raw or self.url(raw=1)

    def part(self, key: str) -> Place:
        """The place of a payload that stands in an event's data."""
        query = tuple((name, f"{value}.{key}" if name == "of" else value) for name, value in self.query)
        return Place(self.path, query, self.links)

    def whole(self) -> Place:
        return Place(self.path, (*self.query, ("whole", "1")), self.links, self.raw)
