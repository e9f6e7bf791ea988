"""The worlds that the lab lets an app write to, each with and without the probe before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.lab import postgres
from tests.lab.app import ALL_VERSIONS, SCENARIOS, SOURCE
from tests.needs import ROOT

PROBE = ROOT / "static" / "probe" / "tailrace-probe.cjs"
LATENCY_WORLD = SOURCE / "latency-world.cjs"
VERCEL_WORLD = SOURCE.parent / "vercel" / "vercel-world.cjs"

# `slow` and `many` are for tests that watch a page meanwhile.
ALL_SCENARIOS = tuple(name for name in SCENARIOS if name not in {"slow", "many"})
# Where writers race, each run comes out another way.
REPEATED = ("a_clean", "b_reacquire", "b_reacquire#2", "b_reacquire#3", "c_eagerClose", "c_lateFlush")


@dataclass(frozen=True)
class Setup:
    """`is_read`: Tailrace reads the world itself, so that it knows what was stored and in which order."""

    name: str
    what: str
    world: str
    scenarios: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    is_read: bool = True
    versions: tuple[str, ...] = ALL_VERSIONS

    @property
    def is_postgres(self) -> bool:
        return self.world == postgres.PACKAGE

    @property
    def is_vercel(self) -> bool:
        """Tailrace itself reads the stand-in for Vercel's server."""
        return self.world == str(VERCEL_WORLD) and self.is_read

    @property
    def is_exact(self) -> bool:
        """The probe follows each chunk from the writer to the world."""
        return self.env.get("TAILRACE_EXACT") != "0"

    @property
    def is_steady(self) -> bool:
        """Nothing is delayed: what readers get is the same each time."""
        return "LAB_LATENCY" not in self.env and self.is_read


SETUPS = {
    setup.name: setup
    for setup in (
        Setup("plain", "the local world as it is", "local", ALL_SCENARIOS),
        Setup(
            "far",
            "50-100 ms for each write, late writes refused",
            str(LATENCY_WORLD),
            (*ALL_SCENARIOS, "b_reacquire#2", "b_reacquire#3"),
            {"LAB_LATENCY": "50-100", "LAB_REJECT": "1"},
        ),
        Setup(
            "far-events",
            "the same, and 30-80 ms for each event",
            str(LATENCY_WORLD),
            REPEATED,
            {"LAB_LATENCY": "50-100", "LAB_EVENT_LATENCY": "30-80", "LAB_REJECT": "1"},
        ),
        Setup(
            "inexact",
            "as far-events, and the probe does not follow each chunk, as in production",
            str(LATENCY_WORLD),
            REPEATED,
            {
                "LAB_LATENCY": "50-100",
                "LAB_EVENT_LATENCY": "30-80",
                "LAB_REJECT": "1",
                "TAILRACE_EXACT": "0",
            },
        ),
        Setup(
            "lossy",
            "the third chunk of each stream is acknowledged and not stored",
            str(LATENCY_WORLD),
            ("a_clean", "a_cleanArg", "a_pipeTo", "b_reacquire", "d_multi", "e_fatal", "g_parallel"),
            {"LAB_LOSE": "3"},
        ),
        Setup(
            "postgres",
            "the PostgreSQL world as it is",
            postgres.PACKAGE,
            (*ALL_SCENARIOS, "b_reacquire#2", "b_reacquire#3"),
            versions=postgres.VERSIONS,
        ),
        Setup(
            "vercel",
            "the real client of Vercel's server, 50-100 ms for each write",
            str(VERCEL_WORLD),
            (*ALL_SCENARIOS, "b_reacquire#2"),
            is_read=False,
        ),
        Setup(
            "vercel-read",
            "the same, read by Tailrace as a project: clients 4.1.2 and 5.0.0-beta.50",
            str(VERCEL_WORLD),
            (*ALL_SCENARIOS, "b_reacquire#2"),
            versions=("4.2.4", "5.0.0-beta.55"),
        ),
    )
}
# What `make test` runs: writes are refused in some scenarios and only reordered in others.
TESTED = Setup(
    "tested",
    "50-100 ms for each write, 15-25 ms for each event, late writes refused",
    str(LATENCY_WORLD),
    ("a_clean", "a_cleanArg", "a_pipeTo", "b_reacquire", "c_eagerClose", "c_lateFlush"),
    {"LAB_LATENCY": "50-100", "LAB_EVENT_LATENCY": "15-25", "LAB_REJECT": "1"},
)
