"""What each kind of world can tell and what it cannot, from its class and from what the detectors need."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.anomalies.detectors.base import DETECTORS
from dashboard.anomalies.run_detectors.base import RUN_DETECTORS
from runs.worlds.base import WORLDS, World

BEGIN, END = "by `python scripts/world_docs.py` -->\n", "<!-- /kinds -->"
_WHO_WROTE = "who wrote each chunk, in which order, and what was refused"
_PUSHED = ("runs, steps and events, as its app reports them", _WHO_WROTE)  # of a kind that nobody reads
WRITES = "writes"  # from a probe or the proxy, whatever the kind of world
EVIDENCE = {
    "chunks": "every stored chunk, in the order in which readers get it",
    "stream_list": "which streams a run lists as its own",
    WRITES: f"{_WHO_WROTE} or lost (needs the probe or the proxy)",
}


@dataclass(frozen=True, slots=True)
class KindAbout:
    kind: str
    label: str
    example: str
    secret_label: str
    secret_variable: str
    tells: tuple[str, ...]  # in words
    not_told: tuple[str, ...]
    unchecked: tuple[str, ...]  # kinds of findings that need what it does not tell, even with a probe
    preparation: str  # what is run once so that its example can be read
    with_probe: tuple[str, ...]  # and those that a probe or the proxy adds, where its storage is read

    @property
    def can_be_added(self) -> bool:
        return bool(self.example)


def kinds() -> list[KindAbout]:
    """Those that a person can add first."""
    found = [_about(kind, world) for kind, world in WORLDS.found.items()]
    return sorted(found, key=lambda one: (not one.can_be_added, one.kind != "local", one.label))


def about_kind(kind: str) -> KindAbout | None:
    return next((one for one in kinds() if one.kind == kind), None)


def _about(kind: str, world: type[World]) -> KindAbout:
    needs = {name: one.needs for name, one in DETECTORS.found.items()}
    needs |= {name: one.needs for name, one in RUN_DETECTORS.found.items()}
    missing = {name: need - world.supplies for name, need in sorted(needs.items())}
    is_read = "chunks" in world.supplies
    return KindAbout(
        kind=kind,
        label=world.label,
        example=world.example,
        secret_label=world.secret_label,
        secret_variable=world.secret_variable,
        tells=tuple(words_of(one) for one in _ordered(world.supplies)) if is_read else _PUSHED,
        not_told=tuple(
            words_of(one) for one in EVIDENCE if one not in world.supplies and (is_read or one != WRITES)
        ),
        unchecked=tuple(name for name, need in missing.items() if need - {WRITES}),
        preparation=world.preparation(world.example),
        with_probe=tuple(name for name, need in missing.items() if need == {WRITES} and is_read),
    )


def _ordered(supplies: frozenset[str]) -> list[str]:
    return [one for one in EVIDENCE if one in supplies] + sorted(supplies - EVIDENCE.keys())


def words_of(evidence: str) -> str:
    """An adapter may supply more than detectors ask for: then its own word, spelt out."""
    return EVIDENCE.get(evidence, evidence.replace("_", " "))


def _table() -> str:
    evidence = [one for one in EVIDENCE if one != WRITES]
    head = [
        "kind",
        "type",
        "secret",
        *(f"`{one}`" for one in evidence),
        "cannot be checked, even with the probe",
    ]
    rows = [head, ["---"] * len(head), *(_row(one, evidence) for one in kinds())]
    told = [f"* `{one}`: {words}" for one, words in EVIDENCE.items()]
    return "\n".join([*(f"| {' | '.join(row)} |" for row in rows), "", *told]) + "\n"


def _row(one: KindAbout, evidence: list[str]) -> list[str]:
    supplies = WORLDS.found[one.kind].supplies
    variable = f", or `{one.secret_variable}`" if one.secret_variable else ""
    return [
        f"`{one.kind}`: {one.label}",
        f"`{one.example}`" if one.example else "",
        one.secret_label + variable,
        *("yes" if name in supplies else "no" for name in evidence),
        ", ".join(f"`{name}`" for name in one.unchecked) or "nothing",
    ]


def with_table(page: str) -> str:
    """The text of docs/worlds.md with the table as the classes are now."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + _table() + END + rest.partition(END)[2]
