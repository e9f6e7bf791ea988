"""Apprise's own sending, through our way out: by real servers on loopback, with real TLS for fixed hosts."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import logging
import smtplib
from pathlib import Path
from urllib.parse import parse_qs

import apprise
import pytest
import requests

from dashboard.alerts.channels import _guard
from dashboard.alerts.channels._apprise import _UNGUARDED
from dashboard.alerts.channels.apprise import Apprise
from dashboard.alerts.channels.base import DeliveryError, FieldError
from dashboard.lib import outbound
from tests.dashboard.alerts.channels import receivers

PUSHOVER = "pover://" + "u" * 30 + "@" + "t" * 30


def send(url, message):
    Apprise.check({}, {"url": url})
    return Apprise({}, {"url": url}).send(message)


def test_it_sends_to_a_service_with_a_fixed_host(service, message):
    service.will_answer(200, b'{"status":1}')
    assert send(PUSHOVER, message) == "200 from Pushover"
    sent = service.only
    assert (sent.method, sent.path, sent.headers["host"]) == ("POST", "/1/messages.json", "api.pushover.net")
    form = {name: values[0] for name, values in parse_qs(sent.body.decode()).items()}
    assert (form["token"], form["user"]) == ("t" * 30, "u" * 30)
    assert (
        form["title"].startswith("Chunks behind the end marker") and "3 chunks were stored" in form["message"]
    )


def test_it_sends_json_to_an_address(receiver, message):
    assert send(f"json://127.0.0.1:{receiver.port}/hook", message).startswith("200 from ")
    assert receiver.only.json["title"].startswith("Chunks behind") and receiver.only.json["type"] == "failure"


def test_a_recovery_is_told_as_a_success(receiver, message):
    send(f"json://127.0.0.1:{receiver.port}/", dataclasses.replace(message, event="recovered"))
    assert receiver.only.json["type"] == "success"


def test_world_text_calls_nobody(receiver, message):
    send(f"json://127.0.0.1:{receiver.port}/", message)
    told = receiver.only.json["title"] + receiver.only.json["message"]
    assert "everyone" in told and "@everyone" not in told and "<!channel" not in told


@pytest.mark.parametrize(
    "url",
    [
        "json://127.0.0.1/",
        "json://127.0.0.1:9/",
        "jsons://localhost/",
        "xml://[::1]/",
        "form://10.0.0.1/",
        "json://169.254.169.254/latest/",
        "gotify://127.0.0.1/abcdefghijklmnop",
        "ntfy://localhost/topic",
        "mailto://user:password@127.0.0.1?from=a@example.com&to=b@example.com",
        "mailtos://user:password@10.0.0.1:465?from=a@example.com&to=b@example.com",
    ],
)
def test_it_refuses_an_address_that_is_not_public(message, url):
    with pytest.raises(DeliveryError, match="TAILRACE_OUTBOUND_ALLOW can allow it") as told:
        Apprise({}, {"url": url}).send(message)
    assert told.value.permanent


@pytest.mark.parametrize("asked", ["", "?redirect=yes"])
def test_it_follows_no_redirect_even_if_the_url_asks_for_it(receiver, message, asked):
    receiver.will_answer(307, b"", Location="/elsewhere")
    with pytest.raises(DeliveryError, match="redirect"):
        send(f"json://127.0.0.1:{receiver.port}/hook{asked}", message)
    assert len(receiver.requests) == 1


def test_it_checks_certificates_even_if_the_url_asks_not_to(loopback_allowed, message, tmp_path):
    server = receivers.start(receivers.make_certificate(tmp_path / "own.pem", "elsewhere.example"))
    try:
        with pytest.raises(DeliveryError, match="certificate verify failed"):
            send(f"jsons://127.0.0.1:{server.port}/?verify=no", message)
    finally:
        server.close()
    assert not server.requests


@pytest.mark.parametrize(
    ("status", "permanent"), [(401, True), (404, True), (410, True), (429, False), (503, False)]
)
def test_it_tells_why_apprise_failed(receiver, message, status, permanent):
    receiver.will_answer(status, b"the reason", Retry_After="5")
    with pytest.raises(DeliveryError, match=f"answered with {status}: the reason") as told:
        send(f"json://127.0.0.1:{receiver.port}/", message)
    assert told.value.permanent is permanent and told.value.retry_after_s == (None if permanent else 5)


def test_no_secret_is_shown_or_logged(service, message, caplog):
    caplog.set_level(logging.DEBUG)
    service.will_answer(400, b"no user " + b"u" * 30 + b" nor token " + b"t" * 30)
    with pytest.raises(DeliveryError) as told:
        send(PUSHOVER, message)
    shown = str(told.value) + caplog.text
    assert "u" * 30 not in shown and "t" * 30 not in shown and "answered with 400" in shown


def test_it_uses_no_proxy_and_no_password_of_the_environment(receiver, message, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password hidden\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9/")
    send(f"json://127.0.0.1:{receiver.port}/", message)
    assert "authorization" not in receiver.only.headers


def test_its_mail_goes_out_under_the_same_rules(mail_server, loopback_allowed, message):
    url = f"mailto://127.0.0.1:{mail_server.port}?from=a@example.com&to=b@example.com&mode=insecure"
    assert send(url, message) == "sent to E-Mail"
    assert mail_server.mails[0].to == ["b@example.com"]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "nosuch://a/b",
        "https://hooks.slack.com/services/",
        "slack://",
        "syslog://",
        "rsyslog://127.0.0.1/",
        "mqtt://127.0.0.1/topic",
        "irc://127.0.0.1/channel",
        "dbus://",
        "macosx://",
        "windows://",
        "file:///etc/passwd",
    ],
)
def test_it_cannot_be_saved_with_what_it_does_not_send_to(url):
    with pytest.raises(FieldError) as told:
        Apprise.check({}, {"url": url})
    assert told.value.field == "url"
    assert not url or url not in str(told.value)


def test_no_service_that_is_offered_opens_a_connection_of_its_own():
    """Read from the source of the installed version, so that a new one is noticed."""
    folder = Path(apprise.__file__).parent / "plugins"
    own = {
        "socket",
        "subprocess",
        "http",
        "urllib3",
        "aiohttp",
        "httpx",
        "websocket",
        "websockets",
        "asyncio",
        "paho",
    }
    found = {}
    for path in folder.rglob("*.py"):
        service = path.relative_to(folder).parts[0].removesuffix(".py")
        if service not in _UNGUARDED | {"base", "__init__"}:
            imported = {name.split(".")[0] for name in imports_of(path)} & own
            found |= {service: imported} if imported else {}
    assert not found


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module


def test_outside_the_guard_other_users_of_requests_and_smtplib_notice_nothing(message):
    server = receivers.start()
    try:
        with pytest.raises(DeliveryError):
            Apprise({}, {"url": "json://127.0.0.1:9/"}).send(message)
        assert requests.get(f"{server.url}/plain", timeout=5).text == "ok"
        with _guard.guarded() as seen, pytest.raises(requests.ConnectionError, match="a loopback address"):
            requests.get(f"{server.url}/guarded", timeout=5)
        assert len(seen.errors) == 1 and [one.path for one in server.requests] == ["/plain"]
    finally:
        server.close()


def test_inside_the_guard_smtplib_connects_only_where_outbound_does():
    with _guard.guarded() as seen, pytest.raises(OSError, match="a loopback address"):
        smtplib.SMTP("127.0.0.1", 9, timeout=2)
    assert isinstance(seen.errors[0], outbound.TargetRefused)


def test_the_guard_is_put_in_once():
    with _guard.guarded():
        first = requests.Session.get_adapter
    with _guard.guarded():
        assert requests.Session.get_adapter is first
    assert importlib.import_module("requests").Session.get_adapter is first
