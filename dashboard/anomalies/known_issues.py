"""Which known issue of the SDK a finding is: `known_issues.toml`, read once. Pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("known_issues.toml")
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:-[a-z]+\.(\d+))?")
_RELEASED = 1 << 30  # sorts behind every prerelease of the same version


@dataclass(frozen=True)
class KnownIssue:
    """`fixed_in` is "" where no version is known that has the fix."""

    number: str  # vercel/workflow#2058
    title: str
    kinds: frozenset[str]
    since: str
    fixed_in: str = ""
    workaround: str = ""
    evidence: Mapping[str, str] = field(default_factory=dict)  # path to pattern

    @property
    def url(self) -> str:
        repository, _, number = self.number.partition("#")
        return f"https://github.com/{repository}/issues/{number}"

    def has_version(self, version: tuple[int, ...]) -> bool:
        since, fixed = parse_version(self.since), parse_version(self.fixed_in)
        return (since is None or version >= since) and (fixed is None or version < fixed)

    def has_evidence(self, evidence: Mapping[str, object]) -> bool:
        return all(
            any(re.search(pattern, str(value)) for value in _values(evidence, path.split(".")))
            for path, pattern in self.evidence.items()
        )


def matches(kind: str, sdk_version: str, evidence: Mapping[str, object]) -> list[KnownIssue]:
    """The known issues that a finding may be, in the order of the file.

    A version that is not known, or is no version of the `workflow` package, matches none: it would only be a guess.
    """
    version = parse_version(sdk_version)
    if version is None:
        return []
    of_kind = known_of(kind)
    return [one for one in of_kind if one.has_version(version) and one.has_evidence(evidence)]


def known_of(kind: str) -> list[KnownIssue]:
    return [one for one in known_issues() if kind in one.kinds]


@cache
def known_issues() -> tuple[KnownIssue, ...]:
    """Raises KeyError for an entry that lacks a field, ValueError for a version or a pattern that is none."""
    return tuple(map(_issue, tomllib.loads(_FILE.read_text())["issue"]))


def _issue(entry: Mapping[str, Any]) -> KnownIssue:
    issue = KnownIssue(
        entry["number"],
        entry["title"],
        frozenset(entry["kinds"]),
        entry["from"],
        entry.get("fixed_in", ""),
        entry.get("workaround", ""),
        entry.get("evidence", {}),
    )
    for version in (issue.since, issue.fixed_in):
        if version and parse_version(version) is None:
            raise ValueError(f"{issue.number}: {version!r} is no version")
    for pattern in issue.evidence.values():
        re.compile(pattern)
    return issue


def parse_version(version: str) -> tuple[int, ...] | None:
    """`4.8.9` and `5.0.0-beta.39` as numbers that sort as the versions do."""
    found = _VERSION.fullmatch(version)
    if found is None:
        return None
    *numbers, before = found.groups()
    return (*map(int, numbers), _RELEASED if before is None else int(before))


def _values(value: object, path: list[str]) -> Iterator[object]:
    if not path:
        yield value
    elif path[0] == "*" and isinstance(value, list | tuple):
        for one in value:
            yield from _values(one, path[1:])
    elif isinstance(value, Mapping) and path[0] in value:
        yield from _values(value[path[0]], path[1:])
