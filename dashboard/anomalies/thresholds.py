"""From when on a detector speaks: one value per threshold, so that a world or a workflow can have its own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Times in seconds, by the world's own clock unless said otherwise; counts are counts."""

    pending_s: float = 300  # a run that was created and has not begun
    idle_s: float = 600  # a run that began, waits for nothing, and in which nothing happens
    step_s: float = 900  # an attempt of a step; hosted functions are ended after at most 800 s
    wait_s: float = 60  # a sleep that should have ended
    record_s: float = 30  # between an entity and its event: two writes, not always one transaction
    end_s: float = 60  # what may still be tidied up after a run ended
    slack_s: float = 300  # more than that where only our own clock says so
    events: int = 25_000  # events of one run; what the SDK's own worlds allow
    events_part: float = 0.8  # of that number
    retries: int = 10  # retries of one run's steps within `retries_s`
    retries_s: float = 60
    retries_of_step: int = 25  # of one step, however slowly; the SDK's default is 3
    skew_s: float = 2  # between the clock of a writer and the clock of the world


DEFAULTS = Thresholds()
