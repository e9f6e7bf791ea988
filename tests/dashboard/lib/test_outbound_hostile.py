"""Targets that somebody could type into the settings of a webhook, each with what it is refused for."""

from __future__ import annotations

import socket

import pytest

from dashboard.lib import _outbound_address, outbound
from tests.dashboard.alerts.channels import receivers

# What names resolve to here. Literal addresses resolve to themselves, as with getaddrinfo.
NAMES = {
    "localhost": ["127.0.0.1", "::1"],
    "localhost.localdomain": ["127.0.0.1"],
    "sub.localhost": ["127.0.0.1"],
    "loop.example.com": ["127.0.0.1"],
    "127.0.0.1.nip.io": ["127.0.0.1"],
    "six.example.com": ["::1"],
    "both.example.com": ["93.184.215.14", "10.0.0.5"],
    "redis": ["172.18.0.2"],
    "metadata.google.internal": ["169.254.169.254"],
    "mapped.example.com": ["::ffff:10.0.0.1"],
    "zone.example.com": ["fe80::1%eth0"],
    "odd.example.com": ["no address"],
    "empty.example.com": [],
}

BY_WRITING = [
    ("file:///etc/passwd", "only http and https"),
    ("gopher://127.0.0.1:6379/_INFO", "only http and https"),
    ("ftp://example.com/", "only http and https"),
    ("dict://127.0.0.1:11211/stats", "only http and https"),
    ("unix:///var/run/docker.sock", "only http and https"),
    ("http+unix://%2Fvar%2Frun%2Fdocker.sock/info", "only http and https"),
    ("javascript:alert(1)", "only http and https"),
    ("data:text/plain,hello", "only http and https"),
    ("//example.com/hook", "only http and https"),
    ("example.com/hook", "only http and https"),
    ("", "only http and https"),
    ("http://", "names no host"),
    ("http:///hook", "names no host"),
    ("http://:80/", "names no host"),
    ("http://./", "no host name"),
    ("http://example.com@127.0.0.1/", "a user or a password"),
    ("http://user:password@example.com/", "a user or a password"),
    ("http://127.0.0.1:80@example.com/", "a user or a password"),
    ("http://example.com\\@127.0.0.1/", "a backslash"),
    ("http://example.com\\.127.0.0.1/", "a backslash"),
    ("http://127.0.0.1\t.example.com/", "a control character"),
    ("http://example.com/\r\nX-Smuggled: 1", "a control character"),
    ("http://example.com /", "a space"),
    ("http://exa\x00mple.com/", "a control character"),
    ("http://example.com:0/", "0 is no port"),
    ("http://example.com:65536/", "not well formed"),
    ("http://example.com:-1/", "not well formed"),
    ("http://example.com:http/", "not well formed"),
    ("http://①②⑦.⓪.⓪.①/", "letters beyond ASCII"),
    ("http://127。0。0。1/", "letters beyond ASCII"),
    ("http://ⓛocalhost/", "letters beyond ASCII"),
    ("http://еxample.com/", "letters beyond ASCII"),
    ("http://2130706433/", "an odd form of an address"),
    ("http://0x7f000001/", "an odd form of an address"),
    ("http://0x7f.0.0.1/", "an odd form of an address"),
    ("http://017700000001/", "an odd form of an address"),
    ("http://0177.0.0.1/", "an odd form of an address"),
    ("http://127.1/", "an odd form of an address"),
    ("http://127.0.1/", "an odd form of an address"),
    ("http://0/", "an odd form of an address"),
    ("http://127.0.0.256/", "an odd form of an address"),
    ("http://127.0.0.01/", "an odd form of an address"),
    ("http://127.0.0.1%2f.example.com/", "no host name"),
    ("http://127%2e0%2e0%2e1/", "no host name"),
    ("http://example..com/", "no host name"),
    ("http://[::1/", "not well formed"),
    ("http://[fe80::1%25eth0]/", "with a zone|not well formed"),
    ("http://[v1.fe]/", "not well formed"),
    ("http://" + "a" * 64 + ".example.com/", "no host name"),
    ("http://example.com/" + "a" * 5000, "too long"),
]

BY_ADDRESS = [
    ("http://127.0.0.1/", "a loopback address"),
    ("http://127.0.0.1./", "a loopback address"),
    ("https://127.8.9.10:8443/", "a loopback address"),
    ("http://localhost/", "a loopback address"),
    ("http://LOCALHOST:6379/", "a loopback address"),
    ("http://localhost./", "a loopback address"),
    ("http://localhost.localdomain/", "a loopback address"),
    ("http://sub.localhost/", "a loopback address"),
    ("http://loop.example.com/", "a loopback address"),
    ("http://127.0.0.1.nip.io/", "a loopback address"),
    ("http://six.example.com/", "a loopback address"),
    ("http://[::1]/", "a loopback address"),
    ("http://[0:0:0:0:0:0:0:1]/", "a loopback address"),
    ("http://[::ffff:127.0.0.1]/", "a loopback address in IPv6 form"),
    ("http://[::ffff:7f00:1]/", "a loopback address in IPv6 form"),
    ("http://[::127.0.0.1]/", "an IPv4 address in IPv6 form"),
    ("http://[64:ff9b::7f00:1]/", "a loopback address in IPv6 form"),
    ("http://[64:ff9b::a9fe:a9fe]/", "metadata address of a cloud host in IPv6 form"),
    ("http://[64:ff9b:1::1]/", "a private address"),
    ("http://[2002:7f00:1::1]/", "a loopback address in IPv6 form"),
    ("http://[2002:c0a8:101::1]/", "a private address in IPv6 form"),
    ("http://[2001:0:7f00:1::1]/", "the address of a tunnel"),
    ("http://0.0.0.0/", "an address of this machine"),
    ("http://0.1.2.3/", "an address of this machine"),
    ("http://[::]/", "an address of this machine"),
    ("http://10.0.0.1/", "a private address"),
    ("http://172.16.5.4/", "a private address"),
    ("http://172.31.255.255/", "a private address"),
    ("http://192.168.1.1/", "a private address"),
    ("http://redis:6379/", "a private address"),
    ("http://both.example.com/", "a private address"),
    ("http://mapped.example.com/", "a private address in IPv6 form"),
    ("http://[fc00::1]/", "a private address"),
    ("http://[fd00:dead::1]/", "a private address"),
    ("http://[fec0::1]/", "a private address"),
    ("http://100.64.0.1/", "a shared address"),
    ("http://169.254.1.1/", "a link-local address"),
    ("http://[fe80::1]/", "a link-local address"),
    ("http://zone.example.com/", "a link-local address"),
    ("http://169.254.169.254/latest/meta-data/", "metadata address of a cloud host"),
    ("http://169.254.170.2/v2/credentials", "metadata address of a cloud host"),
    ("http://metadata.google.internal/", "metadata address of a cloud host"),
    ("http://[fd00:ec2::254]/", "metadata address of a cloud host"),
    ("http://100.100.100.200/", "metadata address of a cloud host"),
    ("http://168.63.129.16/", "metadata address of a cloud host"),
    ("http://192.0.0.192/", "metadata address of a cloud host"),
    ("http://192.88.99.1/", "the address of a tunnel"),
    ("http://198.18.0.1/", "not a public address"),
    ("http://192.0.2.1/", "not a public address"),
    ("http://240.0.0.1/", "not a public address"),
    ("http://[2001:db8::1]/", "not a public address"),
    ("http://255.255.255.255/", "the broadcast address"),
    ("http://224.0.0.1/", "a multicast address"),
    ("http://[ff02::1]/", "a multicast address"),
    ("http://odd.example.com/", "something that is no address"),
]

PUBLIC = [
    ("https://hooks.example.com/services/T/B/x", ["93.184.215.14"]),
    ("https://hooks.example.com./", ["93.184.215.14"]),
    ("http://hooks.example.com:8080/a?b=c%20d", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"]),
    ("https://xn--bcher-kva.example/", ["93.184.215.14"]),
    ("https://8.8.8.8/", ["8.8.8.8"]),
    ("https://[2606:4700::1111]/", ["2606:4700::1111"]),
    ("https://nat64.example.com/", ["64:ff9b::808:808"]),
    ("https://172.32.0.1/", ["172.32.0.1"]),
    ("https://100.128.0.1/", ["100.128.0.1"]),
    ("https://under_score.example.com/", ["93.184.215.14"]),
    ("https://1e100.example.com/", ["93.184.215.14"]),
]


@pytest.fixture
def connected(monkeypatch):
    """Where connections went; none is really opened."""
    went = []

    def open_socket(address, port, timeout):
        went.append(address)
        raise OSError(111, "Connection refused")

    monkeypatch.setattr(_outbound_address, "open_socket", open_socket)
    return went


def resolve_like(names, monkeypatch):
    monkeypatch.setattr(_outbound_address, "lookup", lambda host, port: names.get(host.lower(), [host]))


@pytest.mark.parametrize(("url", "why"), BY_WRITING)
def test_it_refuses_what_is_written_oddly_before_anything_is_looked_up(url, why, connected, monkeypatch):
    asked = []
    monkeypatch.setattr(
        _outbound_address, "lookup", lambda host, port: asked.append(host) or ["93.184.215.14"]
    )
    with pytest.raises(outbound.TargetRefused, match=why) as told:
        outbound.request("POST", url, content=b"x")
    assert told.value.permanent and not asked and not connected
    with pytest.raises(outbound.TargetRefused, match=why):
        outbound.check_url(url)


@pytest.mark.parametrize(("url", "why"), BY_ADDRESS)
def test_it_refuses_what_leads_to_an_address_that_is_not_public(url, why, connected, monkeypatch):
    resolve_like(NAMES, monkeypatch)
    with pytest.raises(outbound.TargetRefused, match=why) as told:
        outbound.request("POST", url, content=b"x")
    assert told.value.permanent and not connected


@pytest.mark.parametrize(("url", "addresses"), PUBLIC)
def test_it_lets_a_public_target_pass(url, addresses, connected, monkeypatch):
    monkeypatch.setattr(_outbound_address, "lookup", lambda host, port: addresses)
    with pytest.raises(outbound.OutboundError, match="Connection refused") as told:
        outbound.request("POST", url, content=b"x")
    assert connected == addresses and not told.value.permanent


def test_a_name_that_changes_its_mind_gains_nothing(connected, monkeypatch):
    answers = [["93.184.215.14"], ["127.0.0.1"], ["127.0.0.1"]]
    monkeypatch.setattr(_outbound_address, "lookup", lambda host, port: answers.pop(0))
    with pytest.raises(outbound.OutboundError, match="Connection refused"):
        outbound.request("POST", "http://rebind.example.com/", content=b"x")
    assert connected == ["93.184.215.14"] and len(answers) == 2
    with pytest.raises(outbound.TargetRefused, match="a loopback address"):
        outbound.request("POST", "http://rebind.example.com/", content=b"x")
    assert connected == ["93.184.215.14"]


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:1/",
        "http://169.254.169.254/latest/",
        "//localhost/",
        "/elsewhere",
        "file:///etc/passwd",
        "",
    ],
)
def test_a_redirect_is_refused_wherever_it_leads(location, settings):
    settings.OUTBOUND_ALLOW = ["127.0.0.1"]
    server = receivers.start()
    try:
        server.will_answer(307, b"", Location=location)
        with pytest.raises(outbound.TargetRefused, match="redirect"):
            outbound.request("POST", f"{server.url}/hook", content=b"x")
        assert [one.path for one in server.requests] == ["/hook"]
    finally:
        server.close()


def test_the_table_is_refused_through_the_resolver_of_the_system_too():
    for host in ("localhost", "127.0.0.1"):
        with pytest.raises(outbound.TargetRefused, match="a loopback address"):
            outbound.connect(host, 25, 5)
    assert socket.getaddrinfo("127.0.0.1", 25)


def test_there_are_at_least_forty_hostile_targets():
    assert len({url for url, _ in BY_WRITING}) + len({url for url, _ in BY_ADDRESS}) >= 100
