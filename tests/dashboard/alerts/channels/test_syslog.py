from __future__ import annotations

import dataclasses
import re
import socket
import ssl
import threading

import pytest

from dashboard.alerts.channels.base import DeliveryError, FieldError
from dashboard.alerts.channels.syslog import Syslog
from dashboard.lib import outbound
from tests.dashboard.alerts.channels import receivers

# SYSLOG-MSG of RFC 5424, section 6, with one element of structured data.
LINE = re.compile(
    r"<(?P<priority>\d{1,3})>1 (?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z) (?P<host>[\x21-\x7e]{1,255})"
    r" tailrace (?P<pid>\d+) (?P<id>[\x21-\x7e]{1,32})"
    r" \[tailrace@32473(?P<data>(?: [a-z]+=\"(?:[^\"\\\]]|\\.)*\")+)\] \ufeff(?P<text>[^\n]*)"
)


@pytest.fixture
def udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(10)
        yield sock


def by_udp(sock, message, **settings):
    given = {"transport": "udp", "host": "127.0.0.1", "port": str(sock.getsockname()[1])} | settings
    Syslog.check(given, {})
    Syslog(given, {}).send(message)
    return sock.recv(65536)


def test_it_sends_a_line_by_the_rfc(udp, loopback_allowed, message):
    found = LINE.fullmatch(by_udp(udp, message, facility="local3").decode())
    assert int(found["priority"]) == 19 * 8 + 3
    assert (found["id"], found["at"]) == ("anomaly", "2026-09-21T14:13:20.123Z")
    assert f'key="delivery-1" subject="delivery-1" severity="error" url="{message.url}"' in found["data"]
    assert found["text"].startswith(f"{message.title} | 3 chunks were stored")


def test_world_text_starts_no_line_of_its_own(udp, loopback_allowed, message):
    hostile = dataclasses.replace(
        message, lines=("a\n<0>1 - - - - - - forged",), data={"subject": 'a"]\\ b\n'}
    )
    sent = by_udp(udp, hostile)
    assert LINE.fullmatch(sent.decode()) and b"\n" not in sent
    assert rb'subject="a\"\]\\ b"' in sent


def test_a_datagram_is_no_longer_than_receivers_take(udp, loopback_allowed, message):
    sent = by_udp(udp, dataclasses.replace(message, lines=("é" * 5000,)))
    assert len(sent) <= 2048 and LINE.fullmatch(sent.decode())


def accept(listening, got):
    connection, _ = listening.accept()
    with connection:
        while piece := connection.recv(65536):
            got.append(piece)


def by_tcp(message, transport, host, wrap=None):
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(10)
    port, got = listening.getsockname()[1], []
    if wrap:
        listening = wrap(listening, server_side=True)
    reader = threading.Thread(target=accept, args=(listening, got))
    reader.start()
    try:
        Syslog({"transport": transport, "host": host, "port": str(port)}, {}).send(message)
    finally:
        reader.join(15)
        listening.close()
    return b"".join(got)


def test_it_counts_its_bytes_over_tcp(loopback_allowed, message):
    length, _, line = by_tcp(message, "tcp", "127.0.0.1").partition(b" ")
    assert int(length) == len(line) and LINE.fullmatch(line.decode())


def test_it_checks_the_certificate_over_tls(settings, message, tmp_path, monkeypatch):
    settings.OUTBOUND_ALLOW = ["localhost"]
    path = receivers.make_certificate(tmp_path / "syslog.pem", "localhost")
    trusted = ssl.create_default_context(cafile=str(path))
    monkeypatch.setattr(outbound, "trusted", lambda protocol="": trusted)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    length, _, line = by_tcp(message, "tls", "localhost", context.wrap_socket).partition(b" ")
    assert int(length) == len(line) and LINE.fullmatch(line.decode())


def test_it_writes_to_the_socket_of_this_machine(message, tmp_path):
    path = str(tmp_path / "log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(path)
        sock.settimeout(10)
        Syslog({"transport": "unix", "path": path}, {}).send(message)
        assert LINE.fullmatch(sock.recv(65536).decode())


def test_it_says_that_there_is_no_socket(message, tmp_path):
    with pytest.raises(DeliveryError, match="No such file") as told:
        Syslog({"transport": "unix", "path": str(tmp_path / "none")}, {}).send(message)
    assert not told.value.permanent


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_a_server_on_this_machine_is_refused_where_no_setting_allows_it(message, transport):
    with pytest.raises(DeliveryError, match="a loopback address") as told:
        Syslog({"transport": transport, "host": "127.0.0.1"}, {}).send(message)
    assert told.value.permanent


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"transport": "udp"}, "host"),
        ({"transport": "carrier pigeon"}, "transport"),
        ({"host": "a", "port": "0"}, "port"),
        ({"host": "a", "facility": "kern"}, "facility"),
    ],
)
def test_it_names_the_field_with_which_it_cannot_be_saved(settings, field):
    with pytest.raises(FieldError) as told:
        Syslog.check(settings, {})
    assert told.value.field == field
