"""What a person types to name a Vercel project, and what is read from it."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from runs.worlds.base import Place, WorldError

EXAMPLE = "vercel:team/project"
BASE = "https://api.vercel.com/v1/workflow"
ENVIRONMENT, BUDGET, RUNS = "production", 120, 200
LEAST_BUDGET, LARGEST_BUDGET = 10, 100_000  # requests in a minute
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_KNOWN = frozenset({"environment", "url", "budget", "runs", "insecure", "token"})


@dataclass(frozen=True, slots=True)
class Target:
    """One project in one environment. `budget`: requests in a minute; `runs`: how many of the newest are read."""

    team: str
    project: str
    environment: str = ENVIRONMENT
    base: str = BASE
    budget: int = BUDGET
    runs: int = RUNS
    is_insecure: bool = False

    @property
    def location(self) -> str:
        given = {
            "environment": self.environment if self.environment != ENVIRONMENT else "",
            "url": self.base if self.base != BASE else "",
            "insecure": "yes" if self.is_insecure else "",
            "budget": str(self.budget) if self.budget != BUDGET else "",
            "runs": str(self.runs) if self.runs != RUNS else "",
        }
        query = urlencode({name: value for name, value in given.items() if value}, safe=":/")
        return f"vercel:{self.team}/{self.project}" + (f"?{query}" if query else "")


def place_in(given: str) -> Place | None:
    """None where it is no `vercel:` address. Raises WorldError."""
    if not given.lower().startswith("vercel:"):
        return None
    target = target_of(given)
    return Place(target.location, target.project, _query(given).get("token", ""))


def target_of(location: str) -> Target:
    """Raises WorldError; its sentence never quotes a token."""
    path = location.partition(":")[2].partition("?")[0].strip("/")
    team, _, project = path.partition("/")
    if not _NAME.fullmatch(team) or not _NAME.fullmatch(project):
        raise _wrong(f"a Vercel project is named {EXAMPLE}, each by its id or its slug")
    query = _query(location)
    if unknown := sorted(query.keys() - _KNOWN):
        raise _wrong(f"an address of a Vercel project has no {unknown[0][:40]!r}")
    environment = query.get("environment", ENVIRONMENT)
    if not _NAME.fullmatch(environment):
        raise _wrong("an environment is called e.g. production or preview")
    is_insecure = query.get("insecure", "") in ("yes", "1", "true")
    base = _base(query.get("url") or BASE, is_insecure)
    budget = _number(query, "budget", BUDGET, LEAST_BUDGET, LARGEST_BUDGET)
    runs = _number(query, "runs", RUNS, 1, 1_000_000)
    return Target(team, project, environment, base, budget, runs, is_insecure and base.startswith("http:"))


def _query(location: str) -> dict[str, str]:
    return dict(parse_qsl(location.partition("?")[2], keep_blank_values=True))


def _number(query: dict[str, str], name: str, default: int, least: int, largest: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit()) or not least <= int(text[:9]) <= largest:
        raise _wrong(f"{name} is a whole number from {least:,} to {largest:,}")
    return int(text)


def _base(url: str, is_insecure: bool) -> str:
    """Without a slash at its end. Raises WorldError."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        raise _wrong("its url is not well formed") from None
    if not host or parts.username is not None or parts.query or parts.fragment or not url.isprintable():
        raise _wrong("its url is a plain https:// address without a user, a query or a fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and (is_insecure or is_loopback(host))):
        raise _wrong(
            "its url must be https://, since the token travels there; http:// is taken on this machine alone,"
            " or where insecure=yes is added"
        )
    return urlunsplit((parts.scheme, parts.netloc.lower(), parts.path.rstrip("/"), "", ""))


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _wrong(message: str) -> WorldError:
    return WorldError(message, permanent=True)
