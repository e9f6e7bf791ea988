"""A channel that keeps what it is given, and a clock that only a test moves.

| fixture | what it gives |
|---|---|
| `clock` | our own clock, standing still: `clock.forward(60)` |
| `counting` | a kind of channel: `counting.sent`, and `counting.fail_with(error)` for what comes next |
"""

from __future__ import annotations

import time

import pytest

from dashboard.alerts.channels.base import CHANNELS, Channel, DeliveryError, Message
from dashboard.lib.clock import NS_PER_S


class Clock:
    def __init__(self) -> None:
        self.ns = time.time_ns() + NS_PER_S

    def forward(self, seconds: float) -> None:
        self.ns += int(seconds * NS_PER_S)


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr("time.time_ns", lambda: made.ns)
    return made


class Counting(Channel):
    kind, label, help = "counting", "Counting", "Keeps what it is given."
    sent: list[Message] = []
    failures: list[Exception] = []

    def send(self, message: Message) -> str:
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(message)
        return f"kept as number {len(self.sent)}"

    @classmethod
    def fail_with(cls, *errors: Exception) -> None:
        cls.failures += errors

    @classmethod
    def titles(cls) -> list[str]:
        return [message.title for message in cls.sent]

    @classmethod
    def events(cls) -> list[str]:
        return [message.event for message in cls.sent]


@pytest.fixture
def counting(monkeypatch):
    monkeypatch.setitem(CHANNELS.found, "counting", Counting)
    Counting.sent, Counting.failures = [], []
    return Counting


@pytest.fixture
def failure():
    return DeliveryError("503 Service Unavailable")
