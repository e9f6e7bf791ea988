"""What readers do, per world and version of the SDK. Each entry was run, unless `source` says otherwise.

Versions are those of the `workflow` package, which a run carries; each comes with its own package for the world.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

NEVER = "never"
AFTER_ERRORS = "after errors"  # the reader opens the stream again behind what it got when reading failed
UNTIL_COMPLETE = "until complete"  # and also when it ended before everything that the world counts came

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:-[a-z]+\.(\d+))?")
_RELEASED = 1 << 30  # sorts behind every prerelease of the same version


@dataclass(frozen=True, slots=True)
class ReaderRules:
    """The rules of one world with one version.

    `closes_have_index`: an end marker takes an index, so a `startIndex` behind it reads on where no other reader
    gets anything, and one behind everything stored waits for ever, though the stream is closed.
    `fails_behind_close`: rows behind the end marker break the first look at what is stored. The reader
    keeps the chunk it was waiting for and loses those that were queued, unless nothing was queued.
    `drops_lower`: a live chunk with an id that is not above the last one is dropped.
    `honours_start_live`: `startIndex` also counts chunks that are written later; else only those stored already.
    `cut_after_ns`: the server ends a reading after that time as if the stream were closed; None: never.

    Not simulated, since it takes more than one reader: where rows behind the end marker break a reading
    (`fails_behind_close`), one that is told of live also keeps readers that came later in the same process from
    being told. And a chunk told of while a reader takes its first look can count twice towards `startIndex` there.
    """

    world: str
    sdk: str
    package: str
    resumes: str
    closes_have_index: bool = True
    fails_behind_close: bool = False
    drops_lower: bool = False
    honours_start_live: bool = False
    skipped_count: bool = True  # chunks skipped for `startIndex` count as the last one for `drops_lower`
    cut_after_ns: int | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """Rules, and what to say where they are not those of this very version. None: none are known."""

    rules: ReaderRules | None
    note: str = ""


def _local(sdk: str, package: str, resumes: str) -> ReaderRules:
    """Live readers of the writing process get a chunk when its write has completed, whatever its id, and are
    done with the first end marker that completes. Readers in other processes look at the directory each
    100 ms. A later reader gets what is stored in the order of ids up to the first end marker."""
    return ReaderRules("local", sdk, f"@workflow/world-local {package}", resumes)


def _vercel(sdk: str, package: str, resumes: str, cut: bool) -> ReaderRules:
    """Everybody gets the order in which the server committed. Only its clients' code could be read."""
    return ReaderRules(
        "vercel",
        sdk,
        f"@workflow/world-vercel {package}",
        resumes,
        closes_have_index=False,
        honours_start_live=True,
        cut_after_ns=120_000_000_000 if cut else None,
        source="the server's rules are taken from the code of its clients",
    )


RULES = (
    _local("4.2.4", "4.1.1", NEVER),
    _local("4.8.9", "4.4.1", UNTIL_COMPLETE),
    _local("5.0.0-beta.5", "5.0.0-beta.4", NEVER),
    _local("5.0.0-beta.39", "5.0.0-beta.33", AFTER_ERRORS),
    _local("5.0.0-beta.55", "5.0.0-beta.46", UNTIL_COMPLETE),
    ReaderRules(
        "postgres",
        "4.2.4",
        "@workflow/world-postgres 4.1.1",
        NEVER,
        fails_behind_close=True,
        drops_lower=True,
        honours_start_live=True,
        skipped_count=False,
    ),
    ReaderRules(
        "postgres",
        "4.8.9",
        "@workflow/world-postgres 4.3.7",
        UNTIL_COMPLETE,
        closes_have_index=False,
        drops_lower=True,
        honours_start_live=True,
    ),
    ReaderRules(
        "postgres",
        "5.0.0-beta.39",
        "@workflow/world-postgres 5.0.0-beta.29",
        AFTER_ERRORS,
        fails_behind_close=True,
        drops_lower=True,
        honours_start_live=True,
        skipped_count=False,
    ),
    _vercel("4.2.4", "4.1.2", NEVER, cut=True),
    _vercel("4.8.9", "4.7.4", UNTIL_COMPLETE, cut=True),
    _vercel("5.0.0-beta.5", "5.0.0-beta.4", NEVER, cut=True),
    _vercel("5.0.0-beta.55", "5.0.0-beta.50", UNTIL_COMPLETE, cut=False),
)


def rules_for(world: str, sdk: str) -> Choice:
    """The rules of a world of that kind for a version of the SDK, else those of the nearest version, with a note.

    The nearest is the highest known version that is not above it, of the same major version.
    """
    known = [rules for rules in RULES if rules.world == world]
    for rules in known:
        if rules.sdk == sdk:
            return Choice(rules)
    if not known:
        return Choice(None, f"no reader rules are known for a world of kind {world}")
    if not sdk:
        return _nearest(known[-1], "the SDK's version is not known")
    key = _key(sdk)
    near = [rules for rules in known if key is not None and _key_of(rules)[0] == key[0]]
    if key is None or not near:
        return Choice(None, f"no reader rules are known for version {sdk} of the SDK")
    below = [rules for rules in near if _key_of(rules) <= key]
    chosen = max(below, key=_key_of) if below else min(near, key=_key_of)
    return _nearest(chosen, f"the rules of version {sdk} are not known")


def _nearest(rules: ReaderRules, why: str) -> Choice:
    return Choice(rules, f"{why}: those of {rules.sdk} are used")


def _key_of(rules: ReaderRules) -> tuple[int, ...]:
    key = _key(rules.sdk)
    assert key is not None, rules.sdk
    return key


def _key(version: str) -> tuple[int, ...] | None:
    found = _VERSION.fullmatch(version)
    if found is None:
        return None
    *numbers, before = found.groups()
    return (*map(int, numbers), int(before) if before is not None else _RELEASED)
