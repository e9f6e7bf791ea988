from __future__ import annotations

import socket

import pytest

from dashboard.datadir import DataDirError
from dashboard.start import Options, _free_port, _own_address, is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.8.8.8", "::1", "[::1]"])
def test_loopback_needs_no_sign_in(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", "localhost.example.org", ""])
def test_every_other_address_does(host):
    assert not is_loopback(host)


def test_a_port_in_use_is_one_clear_sentence():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(DataDirError, match=r"cannot listen on 127\.0\.0\.1.*another --port"):
            _free_port(Options(port=taken.getsockname()[1]))


def test_port_zero_takes_a_free_one():
    assert _free_port(Options(port=0)) > 1023


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("::1", "http://[::1]:8000"),
        ("0.0.0.0", ""),
        ("db.internal", ""),
    ],
)
def test_links_in_messages_begin_with_its_own_address_on_loopback_only(host, address):
    assert _own_address(host, 8000) == address
