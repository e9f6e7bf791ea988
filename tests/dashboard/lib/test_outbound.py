from __future__ import annotations

import socket
import ssl
import threading
import time

import pytest
from django.core.exceptions import ImproperlyConfigured

from dashboard.lib import _outbound_address, outbound
from tests.dashboard.alerts.channels import receivers


@pytest.fixture
def receiver(settings):
    settings.OUTBOUND_ALLOW = ["127.0.0.0/8"]
    server = receivers.start()
    yield server
    server.close()


def test_it_sends_a_request_and_gives_the_answer(receiver):
    receiver.will_answer(201, b'{"ok": true}', X_Request_Id="r1")
    answer = outbound.request("POST", f"{receiver.url}/hook?a=1", headers={"X-Own": "yes"}, content=b"body")
    assert (answer.status, answer.body, answer.headers["x-request-id"]) == (201, b'{"ok": true}', "r1")
    sent = receiver.only
    assert (sent.method, sent.path, sent.body, sent.headers["x-own"]) == ("POST", "/hook?a=1", b"body", "yes")
    assert sent.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert answer.is_success and answer.text() == '{"ok": true}'


def test_it_gives_an_answer_that_says_no(receiver):
    receiver.will_answer(503, b"busy", Retry_After="7")
    answer = outbound.request("POST", receiver.url, content=b"x")
    assert (answer.status, answer.is_success, answer.retry_after_s()) == (503, False, 7.0)


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [("0", 0, 0), ("999999999999", 86_400, 86_400), ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0)],
)
def test_it_reads_how_long_to_wait(value, low, high):
    assert low <= outbound.Answer(429, {"retry-after": value}, b"").retry_after_s() <= high


@pytest.mark.parametrize("value", ["", "soon", "-3", "1.5", "Wed, 99 Xxx 2015"])
def test_it_does_not_wait_for_what_is_no_time(value):
    assert outbound.Answer(429, {"retry-after": value}, b"").retry_after_s() is None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_it_follows_no_redirect_not_even_to_a_host_that_is_allowed(receiver, status):
    receiver.will_answer(status, b"", Location=f"{receiver.url}/elsewhere")
    with pytest.raises(outbound.TargetRefused, match=f"redirect \\({status}\\), which is not followed"):
        outbound.request("POST", f"{receiver.url}/hook", content=b"x")
    assert receiver.only.path == "/hook"


def test_it_reads_no_more_of_an_answer_than_it_should(receiver):
    receiver.will_answer(200, b"a" * 3_000_000)
    answer = outbound.request("GET", receiver.url, limits=outbound.Limits(answer=1000))
    assert answer.body == b"a" * 1000


def test_it_uses_no_proxy_of_the_environment(receiver, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    assert outbound.request("GET", receiver.url).status == 200


def test_it_looks_a_name_up_once_and_connects_to_what_was_checked(receiver, monkeypatch):
    asked = []

    def lookup(host, port):
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.9"]

    monkeypatch.setattr(_outbound_address, "lookup", lookup)
    outbound.request("GET", f"http://hook.example.com:{receiver.port}/")
    assert asked == ["hook.example.com"]
    assert receiver.only.headers["host"] == f"hook.example.com:{receiver.port}"


def test_it_takes_the_next_address_where_the_first_does_not_answer(receiver, monkeypatch):
    monkeypatch.setattr(_outbound_address, "lookup", lambda host, port: ["127.0.0.2", "127.0.0.1"])
    assert outbound.request("GET", f"http://two.example.com:{receiver.port}/").status == 200


def test_it_tries_a_few_addresses_and_no_more(settings, monkeypatch):
    settings.OUTBOUND_ALLOW = ["127.0.0.0/8"]
    tried = []

    def open_socket(address, port, timeout):
        tried.append(address)
        raise OSError(111, "Connection refused")

    monkeypatch.setattr(
        _outbound_address, "lookup", lambda host, port: [f"127.0.0.{n}" for n in range(1, 200)]
    )
    monkeypatch.setattr(_outbound_address, "open_socket", open_socket)
    with pytest.raises(outbound.OutboundError, match="Connection refused"):
        outbound.request("GET", "http://many.example.com/")
    assert tried == ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"]


def secure(settings, monkeypatch, tmp_path, *names):
    settings.OUTBOUND_ALLOW = ["127.0.0.1"]
    certificate = receivers.make_certificate(tmp_path / "pair.pem", *names)
    trusted = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(outbound, "trusted", lambda protocol="": trusted)
    monkeypatch.setattr(_outbound_address, "lookup", lambda host, port: ["127.0.0.1"])
    return receivers.start(certificate)


def test_it_checks_the_certificate_against_the_name_not_the_address(settings, monkeypatch, tmp_path):
    server = secure(settings, monkeypatch, tmp_path, "hook.example.com")
    try:
        assert outbound.request("GET", f"https://hook.example.com:{server.port}/").status == 200
        with pytest.raises(outbound.OutboundError, match="certificate verify failed"):
            outbound.request("GET", f"https://other.example.com:{server.port}/")
    finally:
        server.close()
    assert len(server.requests) == 1


def test_it_says_that_nobody_listens(settings):
    settings.OUTBOUND_ALLOW = ["127.0.0.1"]
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(
        outbound.OutboundError, match=r"no connection to 127\.0\.0\.1:\d+: Connection refused"
    ) as told:
        outbound.request("GET", f"http://127.0.0.1:{port}/")
    assert not told.value.permanent


def test_it_says_that_a_name_is_not_known(monkeypatch):
    def fail(host, port):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(_outbound_address, "lookup", fail)
    with pytest.raises(outbound.OutboundError, match=r"gone\.example\.com could not be resolved") as told:
        outbound.request("GET", "http://gone.example.com/")
    assert not told.value.permanent


def test_it_waits_for_no_name_server_for_ever(monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(_outbound_address, "lookup", lambda host, port: release.wait(30) and [])
    with pytest.raises(outbound.OutboundError, match="could not be resolved within"):
        outbound.request("GET", "http://slow.example.com/", limits=outbound.Limits(connect=0.2))
    release.set()


def drip(pieces):
    """A server that sends its answer bit by bit for ever."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listening.accept()
        connection.recv(65536)
        try:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(0.05)
        except OSError:
            pass
        connection.close()

    threading.Thread(target=serve, daemon=True).start()
    return listening


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([b"H", b"T", b"T", b"P"] + [b"x"] * 400, id="header"),
        pytest.param([b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n"] + [b"a"] * 400, id="body"),
    ],
)
def test_it_has_a_deadline_for_everything_against_an_answer_byte_by_byte(settings, pieces):
    settings.OUTBOUND_ALLOW = ["127.0.0.1"]
    listening = drip(pieces)
    with pytest.raises(outbound.OutboundError, match="did not answer in time"):
        outbound.request(
            "GET",
            f"http://127.0.0.1:{listening.getsockname()[1]}/",
            limits=outbound.Limits(read=5, total=0.4),
        )
    listening.close()


def test_it_says_that_an_answer_is_no_http(settings):
    settings.OUTBOUND_ALLOW = ["127.0.0.1"]
    listening = drip([b"SSH-2.0-OpenSSH_9.6\r\n" * 3])
    with pytest.raises(outbound.OutboundError, match=r"the connection to 127\.0\.0\.1:\d+ failed") as told:
        outbound.request("GET", f"http://127.0.0.1:{listening.getsockname()[1]}/")
    assert not told.value.permanent
    listening.close()


@pytest.mark.parametrize("value", ["a\r\nX-Smuggled: 1", "a\nb", "\x00"])
def test_it_sends_no_header_with_a_line_break(receiver, value):
    with pytest.raises(outbound.OutboundError, match="cannot be asked like this") as told:
        outbound.request("GET", receiver.url, headers={"X-Title": value})
    assert told.value.permanent and not receiver.requests


def test_it_shows_no_path_in_an_error_since_it_may_be_a_secret(settings):
    with pytest.raises(outbound.OutboundError) as told:
        outbound.request("GET", "http://127.0.0.1:1/services/SECRET?token=SECRET")
    assert "SECRET" not in str(told.value)


def test_it_allows_a_host_by_its_name(settings, monkeypatch):
    settings.OUTBOUND_ALLOW = ["Hook.internal"]
    monkeypatch.setattr(_outbound_address, "lookup", lambda host, port: ["10.1.2.3"])
    assert outbound.resolve("hook.INTERNAL.", 80, 1) == ("10.1.2.3",)
    with pytest.raises(outbound.TargetRefused):
        outbound.resolve("other.internal", 80, 1)


def test_it_allows_a_network_and_nothing_beside_it(settings, monkeypatch):
    settings.OUTBOUND_ALLOW = ["10.1.0.0/16", "fd12::/32"]
    monkeypatch.setattr(_outbound_address, "lookup", lambda host, port: [host])
    assert outbound.resolve("10.1.255.255", 80, 1) == ("10.1.255.255",)
    assert outbound.resolve("::ffff:10.1.0.1", 80, 1) == ("::ffff:a01:1",)
    assert outbound.resolve("fd12::7", 80, 1) == ("fd12::7",)
    for host in ("10.2.0.0", "fd13::7", "::ffff:10.2.0.1"):
        with pytest.raises(outbound.TargetRefused):
            outbound.resolve(host, 80, 1)


@pytest.mark.parametrize(
    "word", ["10.0.0.0/33", "10.0.0.1/8", "10.0.0", "999.1.1.1", "0x7f.1", "a b", "höst", "-"]
)
def test_it_refuses_a_setting_that_is_no_network(word):
    with pytest.raises(ImproperlyConfigured, match="TAILRACE_OUTBOUND_ALLOW"):
        _outbound_address.parse_allowed((word,))


def test_what_is_no_http_does_not_offer_it(receiver):
    outbound.request("GET", receiver.url)
    assert outbound.trusted("http") is outbound.trusted("http") is not outbound.trusted()
