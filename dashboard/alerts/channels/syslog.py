"""Syslog in the form of RFC 5424, over UDP, TCP (RFC 6587), TLS (RFC 5425) or this machine's socket."""

from __future__ import annotations

import os
import re
import socket
from typing import ClassVar

from dashboard.alerts.channels._sending import iso, one_line
from dashboard.alerts.channels.base import Channel, DeliveryError, Field, FieldError, Message, Values
from dashboard.lib import outbound

_FACILITIES = {"user": 1, "daemon": 3, "local0": 16, "local1": 17, "local2": 18, "local3": 19} | {
    "local4": 20,
    "local5": 21,
    "local6": 22,
    "local7": 23,
}
_SEVERITIES = {"critical": 2, "error": 3, "warning": 4, "info": 6}
_PORTS = {"udp": 514, "tcp": 601, "tls": 6514}
_TIMEOUT_S = 5.0
_UDP_BYTES = 2048  # what RFC 5424 asks of a receiver
_STRUCTURED_ID = "tailrace@32473"  # the number that is kept for examples: there is no registered one


class Syslog(Channel):
    kind: ClassVar[str] = "syslog"
    label: ClassVar[str] = "Syslog"
    help: ClassVar[str] = "One line for each message, to a syslog server or to this machine's log."
    fields: ClassVar[tuple[Field, ...]] = (
        Field(
            "transport",
            "Transport",
            "choice",
            choices=(
                ("udp", "UDP"),
                ("tcp", "TCP"),
                ("tls", "TCP with TLS"),
                ("unix", "this machine's socket"),
            ),
            default="udp",
        ),
        Field("host", "Server", "host", "Not needed for this machine's socket"),
        Field("port", "Port", "number", "Empty means 514, 601 or 6514, as the transport has it"),
        Field("path", "Socket", "text", default="/dev/log"),
        Field("facility", "Facility", "choice", choices=tuple((n, n) for n in _FACILITIES), default="user"),
    )

    @classmethod
    def check_more(cls, settings: Values, secrets: Values) -> None:
        if settings.get("transport", "").strip() != "unix" and not settings.get("host", "").strip():
            raise FieldError("host", "this is needed")
        port = settings.get("port", "").strip()
        if port and not 1 <= int(port) <= 65535:
            raise FieldError("port", "this must be between 1 and 65535")

    def send(self, message: Message) -> str:
        transport = self.value("transport")
        line = _line(message, _FACILITIES[self.value("facility")])
        try:
            if transport == "unix":
                return _to_socket(self.value("path"), line)
            return _to_server(
                transport, self.value("host"), int(self.value("port") or _PORTS[transport]), line
            )
        except outbound.OutboundError as error:
            raise DeliveryError(str(error), permanent=error.permanent) from None
        except OSError as error:
            raise DeliveryError(f"the syslog server cannot be reached: {error.strerror or error}") from None


def _line(message: Message, facility: int) -> bytes:
    """One line, since a line break would start another message at many receivers."""
    priority = facility * 8 + _SEVERITIES.get(message.severity, 5)
    host = re.sub(r"[^\x21-\x7e]", "", socket.gethostname())[:255] or "-"
    head = f"<{priority}>1 {iso(message.at_ns)} {host} tailrace {os.getpid()} {_word(message.event)}"
    data = {"key": message.key, "subject": message.subject, "severity": message.severity, "url": message.url}
    structured = "".join(f' {name}="{_quoted(value)}"' for name, value in data.items() if value)
    said = one_line(" | ".join((message.title, *message.lines, message.fix)).rstrip(" |"), 1200)
    return f"{head} [{_STRUCTURED_ID}{structured}] \ufeff{said}".encode("utf-8", "replace")


def _word(text: str) -> str:
    return re.sub(r"[^\x21-\x7e]", "", text)[:32] or "-"


def _quoted(text: str) -> str:
    return re.sub(r'(["\\\]])', r"\\\1", one_line(text, 300))


def _to_socket(path: str, line: bytes) -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.settimeout(_TIMEOUT_S)
        sock.connect(path)
        sock.send(line)
    return f"{len(line)} bytes to {path}"


def _to_server(transport: str, host: str, port: int, line: bytes) -> str:
    if transport == "udp":
        line = line[:_UDP_BYTES].decode("utf-8", "ignore").encode()
        address = outbound.resolve(host, port, _TIMEOUT_S)[0]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.sendto(line, (address, port))
        return f"{len(line)} bytes by UDP, which nobody confirms"
    with outbound.connect(host, port, _TIMEOUT_S) as plain:
        sock = outbound.trusted().wrap_socket(plain, server_hostname=host) if transport == "tls" else plain
        sock.sendall(f"{len(line)} ".encode() + line)
        sock.shutdown(socket.SHUT_WR)
        sock.close()
    return f"{len(line)} bytes by {transport.upper()}"
