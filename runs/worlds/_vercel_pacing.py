"""How fast a server is asked: a budget of requests a minute, and what the server itself asks for."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from email.utils import parsedate_to_datetime

from dashboard.lib.clock import NS_PER_S, now_ns, to_datetime
from runs.worlds.base import WorldError

BURST = 0.25  # of the budget may be used at once; the rest comes back over the minute
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0  # after failures
DEFAULT_WAIT_S = 10.0  # after a 429 that does not say how long
LONGEST_WAIT_S = 3600.0
REFUSED_S = 60.0  # so long a token that was refused is not tried again


class Pacer:
    """One for a project in this process, whoever asks: the reader and the watchers share one budget.

    In any minute at most `budget` requests are let through: a quarter at once, three quarters over its time.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self._lock = threading.Lock()
        self._tokens = self._capacity = max(1.0, budget * BURST)
        self._rate = budget * (1 - BURST) / 60
        self._filled = time.monotonic()
        self._sent: deque[float] = deque()
        self._failures = 0
        self._not_before = 0.0  # monotonic
        self._why = ""
        self._refused: dict[str, float] = {}  # token to when it was

    def take(self) -> None:
        """Wait for the next request's turn. Raises WorldError while the server is not to be asked at all."""
        while True:
            self.check()
            missing = self._take(0.0)
            if missing <= 0:
                return
            time.sleep(max(0.001, min(missing / self._rate, 1.0)))

    def try_take(self) -> bool:
        """For what can be done without: only while half of what may be sent at once is left."""
        return self.paused_s() <= 0 and self._take(self._capacity / 2) <= 0

    def _take(self, reserve: float) -> float:
        """How much was missing; nothing is taken then."""
        with self._lock:
            now = time.monotonic()
            self._tokens = min(self._capacity, self._tokens + (now - self._filled) * self._rate)
            self._filled = now
            missing = 1 + min(reserve, self._capacity - 1) - self._tokens
            if missing <= 0:
                self._tokens -= 1
                self._sent.append(now)
                self._forget_old(now)
            return missing

    def check(self) -> None:
        with self._lock:
            if time.monotonic() < self._not_before:
                raise WorldError(self._why)

    def paused_s(self) -> float:
        with self._lock:
            return max(0.0, self._not_before - time.monotonic())

    def paused_until_ns(self) -> int | None:
        left = self.paused_s()
        return now_ns() + int(left * NS_PER_S) if left > 0 else None

    def used(self) -> int:
        """Requests in the last minute."""
        with self._lock:
            self._forget_old(time.monotonic())
            return len(self._sent)

    def _forget_old(self, now: float) -> None:
        while self._sent and self._sent[0] < now - 60:
            self._sent.popleft()

    def throttled(self, retry_after: str, what: str) -> WorldError:
        """The server asked for a pause."""
        wait = retry_after_s(retry_after)
        wait = DEFAULT_WAIT_S if wait is None else wait
        until = to_datetime(now_ns() + int(wait * NS_PER_S))
        when = f"{until:%H:%M:%S}" if until else "later"
        return self._pause(wait, f"{what}: nothing is asked before {when} UTC")

    def failed(self, why: str) -> WorldError:
        """It could not be reached, or cannot answer: longer and longer pauses, not all at the same moment."""
        with self._lock:
            self._failures += 1
            longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self._failures - 1, 10))
        return self._pause(longest * random.uniform(0.5, 1.0), why)

    def _pause(self, seconds: float, why: str) -> WorldError:
        with self._lock:
            self._not_before = max(self._not_before, time.monotonic() + seconds)
            self._why = why
        return WorldError(why)

    def answered(self) -> None:
        with self._lock:
            self._failures = 0

    def refused(self, token: str) -> None:
        with self._lock:
            self._refused = {token: time.monotonic()}

    def is_refused(self, token: str) -> bool:
        """Whether this very token was refused a moment ago: another one is tried at once."""
        with self._lock:
            return token in self._refused and time.monotonic() - self._refused[token] < REFUSED_S


def retry_after_s(value: str) -> float | None:
    """Seconds or a date; at most an hour."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), LONGEST_WAIT_S)
    try:
        seconds = parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT_S)
