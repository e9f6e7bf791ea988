"""The two lines that connect an app: fetch the probe from this dashboard, start the app with it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static

from dashboard.worlds.known import served_world
from runs.models import World

DEFAULT_URL = "http://127.0.0.1:8000"  # what a probe assumes
TOKEN_TO_FILL_IN = "trp_..."
_START = {
    "npm": "npm run dev",
    "pnpm": "pnpm dev",
    "yarn": "yarn dev",
    "bun": "bun run dev",
    "python": "python app.py",
}
_LABELS = {"python": "Python"}
_WRAPPED = {"postgres": "@workflow/world-postgres", "vercel": "vercel"}  # kind of world: TAILRACE_WORLD


@dataclass(frozen=True, slots=True)
class Tool:
    """A package manager, as one choice of several."""

    key: str
    label: str
    is_chosen: bool


def chosen_tool(request: HttpRequest) -> str:
    wanted = request.GET.get("with", "")
    return wanted if wanted in _START else "npm"


def tools(chosen: str) -> list[Tool]:
    return [Tool(key, _LABELS.get(key, key), key == chosen) for key in _START]


def lines_for(request: HttpRequest, world: World, tool: str, token: str = "") -> tuple[str, str]:
    """To be typed in the app's directory. Without a token of one's own the second has a place to put it."""
    base = request.build_absolute_uri("/").rstrip("/")
    if tool == "python":
        address = shlex.quote(base + static("probe/tailrace_probe.py"))
        load = 'PYTHONPATH="$PWD/tailrace-probe"'
        fetch = f"curl --create-dirs -o tailrace-probe/sitecustomize.py {address}"
    else:
        load = "WORKFLOW_TARGET_WORLD=./tailrace-probe.cjs"
        fetch = f"curl -O {shlex.quote(base + static('probe/tailrace-probe.cjs'))}"
    variables = [f"{name}={shlex.quote(value)}" for name, value in _variables(base, world, tool, token)]
    return fetch, " ".join([load, *variables, _START[tool]])


def _variables(base: str, world: World, tool: str, token: str) -> list[tuple[str, str]]:
    """Only what differs from the probe's defaults."""
    found = [("TAILRACE_URL", base)] if base != DEFAULT_URL else []
    if settings.SIGN_IN or token:
        found.append(("TAILRACE_TOKEN", token or TOKEN_TO_FILL_IN))
    elif world != served_world():
        found.append(("TAILRACE_WORLD_NAME", world.slug))
    if world.kind in _WRAPPED and tool != "python":
        found.append(("TAILRACE_WORLD", _WRAPPED[world.kind]))
    return found
