"""`receiver` is an HTTP server that may be called; `service` stands for every host there is, over HTTPS."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from dashboard.alerts.channels.base import Message
from dashboard.lib import _outbound_address, outbound
from tests.dashboard.alerts.channels import mail_receiver, receivers

HOSTS = (
    "hooks.slack.com",
    "discord.com",
    "api.telegram.org",
    "prod-01.westeurope.logic.azure.com",
    "ntfy.sh",
    "events.pagerduty.com",
    "events.eu.pagerduty.com",
    "api.opsgenie.com",
    "api.eu.opsgenie.com",
    "api.pushover.net",
    "o1.ingest.sentry.io",
)


@pytest.fixture
def loopback_allowed(settings) -> None:
    settings.OUTBOUND_ALLOW = ["127.0.0.1/32"]


@pytest.fixture
def receiver(loopback_allowed: None) -> Iterator[receivers.Receiver]:
    server = receivers.start()
    yield server
    server.close()


@pytest.fixture
def service(
    loopback_allowed: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[receivers.Receiver]:
    """All names resolve to this one server, which has a certificate for `HOSTS`; TLS and its checks are real."""
    certificate = receivers.make_certificate(tmp_path / "service.pem", *HOSTS)
    server = receivers.start(certificate)
    trusted = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(_outbound_address, "lookup", lambda host, port: ["127.0.0.1"])
    monkeypatch.setattr(
        _outbound_address,
        "open_socket",
        lambda address, port, timeout: socket.create_connection((address, server.port), timeout),
    )
    monkeypatch.setattr(outbound, "trusted", lambda protocol="": trusted)
    yield server
    server.close()


@pytest.fixture
def message() -> Message:
    return Message(
        event="anomaly",
        key="delivery-1",
        title="Chunks behind the end marker in <chat> @everyone",
        severity="error",
        lines=("3 chunks were stored behind the end marker.", "Readers never see them <!channel>."),
        facts=(("World", "local"), ("How sure", "proved")),
        fix="Close the stream only after the last write.",
        url="https://tailrace.example.com/anomalies/7/",
        at_ns=1_790_000_000_123_456_789,
        data={"version": 1, "event": "anomaly", "fingerprint": "f00d"},
    )


@pytest.fixture
def mail_server() -> Iterator[SimpleNamespace]:
    server = mail_receiver.start_mail()
    yield server
    server.controller.stop()
