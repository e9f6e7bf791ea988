"""One process routes at a time, whatever dies: a claim on the cursor's row, renewed by every transaction of a pass."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from dashboard.alerts.models import Routing
from dashboard.lib.clock import NS_PER_S, now_ns
from dashboard.lib.database import write_transaction

ONLY = 1  # the primary key of the one row
CLAIM_NS = 60 * NS_PER_S


class LostClaim(Exception):
    """Another process routes by now: nothing of this transaction may stay."""


def cursor() -> Routing:
    """Where routing is; made at its first use, from when on things are news."""
    found = Routing.objects.filter(pk=ONLY).first()
    if found is None:
        found, _ = Routing.objects.get_or_create(pk=ONLY, defaults={"since_ns": now_ns()})
    return found


def take() -> str | None:
    """The claim, or None if another has it."""
    cursor()
    now, claim = now_ns(), secrets.token_hex(8)
    free = Routing.objects.filter(pk=ONLY, claimed_until_ns__lt=now)
    with write_transaction():
        taken = free.update(claimed_until_ns=now + CLAIM_NS, claim=claim)
    return claim if taken else None


def release(claim: str) -> None:
    with write_transaction():
        Routing.objects.filter(pk=ONLY, claim=claim).update(claimed_until_ns=0, claim="")


@contextmanager
def step(claim: str, **values: int) -> Iterator[None]:
    """A transaction of the one who has the claim, which it renews. Raises LostClaim, and nothing stays."""
    with write_transaction():
        rows = Routing.objects.filter(pk=ONLY, claim=claim)
        if not rows.update(claimed_until_ns=now_ns() + CLAIM_NS, **values):
            raise LostClaim
        yield


def release_all() -> None:
    """For the one process that owns its database: a claim found at start belongs to a process that is gone."""
    Routing.objects.update(claimed_until_ns=0, claim="")
