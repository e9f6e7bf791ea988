"""E-mail by an SMTP server: plain text and HTML in one message."""

from __future__ import annotations

import hashlib
import re
import smtplib
import socket
import ssl
from contextlib import closing, suppress
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from typing import ClassVar

from dashboard.alerts.channels._sending import one_line, scrub
from dashboard.alerts.channels.base import Channel, DeliveryError, Field, FieldError, Message, Values
from dashboard.lib import outbound
from dashboard.lib.clock import NS_PER_S

_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_TIMEOUT_S = 10.0
_MOST_RECIPIENTS = 50
_ADDRESS = re.compile(r"[^@\s<>,;\"]+@[^@\s<>,;\"]+$")


class Email(Channel):
    kind: ClassVar[str] = "email"
    label: ClassVar[str] = "E-mail"
    help: ClassVar[str] = "Through an SMTP server that you may send by."
    fields: ClassVar[tuple[Field, ...]] = (
        Field("to", "To", "text", "One address, or several with commas between them", required=True),
        Field(
            "sender",
            "From",
            "text",
            "tailrace@example.com, or Tailrace <tailrace@example.com>",
            required=True,
        ),
        Field("host", "SMTP server", "host", required=True),
        Field(
            "security",
            "Encryption",
            "choice",
            choices=(("starttls", "STARTTLS"), ("tls", "TLS"), ("none", "none")),
            default="starttls",
        ),
        Field("port", "Port", "number", "Empty means 587, 465 or 25, as the encryption has it"),
        Field("user", "User"),
        Field("password", "Password", "secret"),
    )

    @classmethod
    def check_more(cls, settings: Values, secrets: Values) -> None:
        for name in ("to", "sender"):
            addresses = _addresses(settings.get(name, ""))
            if not addresses or not all(_ADDRESS.match(address) for address in addresses):
                raise FieldError(name, "this is no e-mail address")
        if len(_addresses(settings["to"])) > _MOST_RECIPIENTS:
            raise FieldError("to", f"at most {_MOST_RECIPIENTS} addresses")
        port = settings.get("port", "").strip()
        if port and not 1 <= int(port) <= 65535:
            raise FieldError("port", "this must be between 1 and 65535")
        if bool(settings.get("user", "").strip()) != bool(secrets.get("password", "").strip()):
            raise FieldError("password", "user and password are needed together, or neither")

    def send(self, message: Message) -> str:
        to, secrets = _addresses(self.value("to")), [self.value("password")]
        try:
            with closing(self._connected()) as server:
                refused = server.send_message(_mail(message, self.value("sender"), to), to_addrs=to)
                with suppress(
                    smtplib.SMTPException, OSError
                ):  # it has the message: a bad farewell is no failure
                    server.quit()
        except outbound.OutboundError as error:
            raise DeliveryError(str(error), permanent=error.permanent) from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise _failure(error, secrets) from None
        taken = f"accepted for {len(to) - len(refused)} of {len(to)}"
        return taken + (f", refused for {one_line(', '.join(sorted(refused)), 200)}" if refused else "")

    def _connected(self) -> smtplib.SMTP:
        security, host = self.value("security"), self.value("host")
        port = int(self.value("port") or _PORTS[security])
        server = (_TlsSmtp if security == "tls" else _Smtp)(host, port, timeout=_TIMEOUT_S)
        try:
            if security == "starttls":
                server.starttls(context=outbound.trusted())
            if self.value("user"):
                server.login(self.value("user"), self.value("password"))
        except BaseException:
            server.close()
            raise
        return server


class _Smtp(smtplib.SMTP):
    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return outbound.connect(host, port, timeout)


class _TlsSmtp(smtplib.SMTP):
    def _get_socket(self, host: str, port: int, timeout: float) -> ssl.SSLSocket:
        return outbound.trusted().wrap_socket(outbound.connect(host, port, timeout), server_hostname=host)


def _addresses(text: str) -> list[str]:
    return [parseaddr(part)[1] or part.strip() for part in text.split(",") if part.strip()]


def _mail(message: Message, sender: str, to: list[str]) -> EmailMessage:
    mail = EmailMessage()
    domain = parseaddr(sender)[1].rpartition("@")[2]
    mail["Subject"], mail["From"], mail["To"] = one_line(message.title, 150), sender, ", ".join(to)
    mail["Date"] = formatdate(message.at_ns / NS_PER_S)
    mail["Message-ID"] = _id(message.key, domain)  # the same for every attempt
    if message.subject != message.key:
        mail["References"] = _id(message.subject, domain)  # alert and recovery in one thread
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Tailrace-Event"], mail["X-Tailrace-Key"] = one_line(message.event, 40), one_line(message.key, 200)
    mail.set_content(f"{message.title}\n\n{message.text()}\n")
    html = message.html()
    mail.add_alternative(
        f'<!doctype html>\n<html><body style="font-family:sans-serif">\n{html}\n</body></html>', "html"
    )
    return mail


def _id(text: str, domain: str) -> str:
    return f"<{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:32]}@{domain}>"


def _failure(error: Exception, secrets: list[str]) -> DeliveryError:
    """5xx of SMTP is final, of this one mail if it is said after its text; 4xx and a broken line are not."""
    codes, said = _codes(error)
    text = one_line(scrub(said, secrets), 300)
    final = isinstance(error, smtplib.SMTPNotSupportedError | ssl.SSLCertVerificationError | ValueError)
    refused = bool(codes) and min(codes) >= 500
    of_message = refused and isinstance(error, smtplib.SMTPDataError)
    return DeliveryError(f"the server said: {text}", permanent=final or refused, of_message=of_message)


def _codes(error: Exception) -> tuple[list[int], str]:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
        said = "; ".join(f"{to}: {code} {_text(why)}" for to, (code, why) in error.recipients.items())
        return codes, said
    if isinstance(error, smtplib.SMTPResponseException):
        return [error.smtp_code], f"{error.smtp_code} {_text(error.smtp_error)}"
    return [], str(error) or type(error).__name__


def _text(said: bytes | str) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else said
