from __future__ import annotations

import dataclasses
import ssl
from types import SimpleNamespace

import pytest
from aiosmtpd.smtp import SMTP

from dashboard.alerts.channels.base import DeliveryError, FieldError
from dashboard.alerts.channels.email import Email
from dashboard.lib import outbound
from tests.dashboard.alerts.channels import receivers
from tests.dashboard.alerts.channels.mail_receiver import check_password, start_mail


@pytest.fixture
def certificate(tmp_path, monkeypatch):
    """For localhost, which both names of this machine's mail server are asked under."""
    path = receivers.make_certificate(tmp_path / "mail.pem", "localhost")
    trusted = ssl.create_default_context(cafile=str(path))
    monkeypatch.setattr(outbound, "trusted", lambda protocol="": trusted)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


BASE = {"to": "Ann <ann@example.com>, bob@example.com", "sender": "Tailrace <tailrace@example.com>"}


def channel(server, **settings):
    given = BASE | {"host": "127.0.0.1", "port": str(server.port), "security": "none"} | settings
    secrets = {"password": given.pop("password", "")}
    Email.check(given, secrets)
    return Email(given, secrets)


def test_it_sends_text_and_html_in_one_mail(mail_server, loopback_allowed, message):
    assert channel(mail_server).send(message) == "accepted for 2 of 2"
    (got,) = mail_server.mails
    assert got.to == ["ann@example.com", "bob@example.com"]
    mail = got.mail
    assert mail["Subject"] == message.title and mail["From"] == BASE["sender"]
    assert mail["Auto-Submitted"] == "auto-generated" and mail["X-Tailrace-Key"] == "delivery-1"
    assert mail["Date"].startswith("Mon, 21 Sep 2026 14:13:20")
    assert message.text() in mail.get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert "&lt;!channel&gt;" in mail.get_body(("html",)).get_content()


def test_every_attempt_is_the_same_mail_and_a_recovery_answers_it(mail_server, loopback_allowed, message):
    about = dataclasses.replace(message, data={"subject": "s7"})
    for sent in (about, about, dataclasses.replace(about, key="delivery-2", event="recovered")):
        channel(mail_server).send(sent)
    first, again, recovery = (got.mail for got in mail_server.mails)
    assert first["Message-ID"] == again["Message-ID"] != recovery["Message-ID"]
    assert first["References"] == recovery["References"] is not None


def test_a_title_with_a_line_break_makes_no_header(mail_server, loopback_allowed, message):
    channel(mail_server).send(dataclasses.replace(message, title="one\r\nBcc: eve@example.com\r\n\r\ntwo"))
    (got,) = mail_server.mails
    assert got.mail["Bcc"] is None and got.mail["Subject"] == "one Bcc: eve@example.com two"


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_it_encrypts_and_signs_in(certificate, settings, message, security):
    settings.OUTBOUND_ALLOW = ["localhost"]
    more = {"tls_context": certificate, "require_starttls": True} if security == "starttls" else {}
    more |= {"ssl_context": certificate} if security == "tls" else {}
    server = start_mail(authenticator=check_password, auth_require_tls=security == "starttls", **more)
    try:
        sender = channel(
            server, host="localhost", security=security, user="me", password="the right password"
        )
        assert sender.send(message) == "accepted for 2 of 2"
        with pytest.raises(DeliveryError, match="535") as told:
            channel(server, host="localhost", security=security, user="me", password="another password").send(
                message
            )
    finally:
        server.controller.stop()
    assert told.value.permanent and "another password" not in str(told.value)
    assert [(got.is_tls, got.user) for got in server.mails] == [(True, "me")] or security == "tls"


def test_it_sends_nothing_where_a_certificate_is_not_for_the_name(certificate, loopback_allowed, message):
    server = start_mail(tls_context=certificate)
    try:
        with pytest.raises(DeliveryError, match="certificate verify failed") as told:
            channel(server, security="starttls").send(message)
    finally:
        server.controller.stop()
    assert told.value.permanent and not server.mails


def test_it_sends_nothing_unencrypted_where_encryption_is_asked_for(mail_server, loopback_allowed, message):
    with pytest.raises(DeliveryError, match="STARTTLS") as told:
        channel(mail_server, security="starttls").send(message)
    assert told.value.permanent and not mail_server.mails


@pytest.mark.parametrize(("answer", "permanent"), [("550 no such user", True), ("450 greylisted", False)])
def test_it_fails_for_good_or_for_now(mail_server, loopback_allowed, message, answer, permanent):
    mail_server.handler.answers = {"ann@example.com": answer, "bob@example.com": answer}
    with pytest.raises(DeliveryError, match=answer) as told:
        channel(mail_server).send(message)
    assert told.value.permanent is permanent and not told.value.of_message
    mail_server.handler.answers = {"data": answer}
    with pytest.raises(DeliveryError, match=answer) as told:
        channel(mail_server).send(message)
    assert told.value.permanent is told.value.of_message is permanent and not mail_server.mails


def test_it_says_who_was_refused_where_others_were_not(mail_server, loopback_allowed, message):
    mail_server.handler.answers = {"bob@example.com": "550 gone"}
    assert channel(mail_server).send(message) == "accepted for 1 of 2, refused for bob@example.com"


def test_a_bad_farewell_is_no_failure(mail_server, loopback_allowed, message, monkeypatch):
    async def hang_up(self, arg):
        self.transport.close()

    monkeypatch.setattr(SMTP, "smtp_QUIT", hang_up)
    assert channel(mail_server).send(message) == "accepted for 2 of 2"


def test_a_server_on_this_machine_is_refused_where_no_setting_allows_it(mail_server, message):
    with pytest.raises(FieldError, match=r"^host: .* a loopback address"):
        channel(mail_server)
    unchecked = Email(BASE | {"host": "127.0.0.1", "port": str(mail_server.port), "security": "none"}, {})
    with pytest.raises(DeliveryError, match="a loopback address") as told:
        unchecked.send(message)
    assert told.value.permanent and not mail_server.mails


def test_it_tries_again_where_nobody_listens(loopback_allowed, message):
    with pytest.raises(DeliveryError, match="Connection refused") as told:
        channel(SimpleNamespace(port=1)).send(message)
    assert not told.value.permanent


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"to": "nobody"}, "to"),
        ({"to": "a@b.example, nobody"}, "to"),
        ({"to": ",".join(f"a{n}@b.example" for n in range(51))}, "to"),
        ({"sender": "x@y@z"}, "sender"),
        ({"port": "0"}, "port"),
        ({"port": "70000"}, "port"),
        ({"user": "me"}, "password"),
        ({"security": "ssl3"}, "security"),
    ],
)
def test_it_names_the_field_with_which_it_cannot_be_saved(settings, field):
    with pytest.raises(FieldError) as told:
        Email.check(BASE | {"host": "mail.example.com"} | settings, {})
    assert told.value.field == field
