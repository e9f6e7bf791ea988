"""Rings for routing when something about anomalies was committed. Contentless, like every bell of this product.

Who answers is told from above (`dashboard.celery`), since nothing here may import it. Without an answer, as in
`tailrace scan`, nothing happens. A ring that is lost is late: the sweep asks again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from django.db import transaction

log = logging.getLogger("tailrace.alerts")

AGAIN_S = 0.5  # a ring that nobody in this process took up (another worker did) stands in no one's way longer
_guard = threading.Lock()
_ask: Callable[[], object] | None = None
_rung: float | None = None


def answer_with(ask: Callable[[], object]) -> None:
    global _ask
    _ask = ask


def ring_on_commit(**_: object) -> None:
    """A receiver of Django's signals: rings when the transaction it is in is committed, not at all otherwise."""
    if _ask is not None:
        transaction.on_commit(ring)


def ring() -> None:
    """Ask for one look, not for one per finding. Never raises: the broker may be away."""
    global _rung
    with _guard:
        now = time.monotonic()
        if _ask is None or (_rung is not None and now < _rung + AGAIN_S):
            return
        _rung = now
    try:
        _ask()
    except Exception:  # at the edge of someone else's transaction: the sweep asks again
        log.warning("could not ask for routing", exc_info=True)


def begun() -> None:
    """What is committed from now on needs another ring."""
    global _rung
    with _guard:
        _rung = None
