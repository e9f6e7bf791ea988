from __future__ import annotations

import pytest

from dashboard.proxy.upstream import BadAddress, is_loopback, read_listen, read_upstream


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("https://vercel-workflow.com", ("vercel-workflow.com", 443, True, "", "vercel-workflow.com")),
        (
            "https://api.vercel.com/v1/workflow/",
            ("api.vercel.com", 443, True, "/v1/workflow", "api.vercel.com"),
        ),
        ("http://127.0.0.1:9/x", ("127.0.0.1", 9, False, "/x", "127.0.0.1:9")),
        ("http://[::1]:9", ("::1", 9, False, "", "[::1]:9")),
    ],
)
def test_it_reads_the_backends_url(url, parts):
    found = read_upstream(url)
    assert (found.host, found.port, found.tls, found.path, found.authority) == parts


@pytest.mark.parametrize(
    "url",
    [
        "vercel.com",
        "ftp://a",
        "https://",
        "https://u:secret-1@a",
        "https://a?token=secret-1",
        "http://a:secret-1",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_repeating_it(url):
    with pytest.raises(BadAddress) as caught:
        read_upstream(url)
    assert "u:secret" not in str(caught.value) and "token=" not in str(caught.value)


def test_it_reads_where_to_listen():
    assert read_listen("8010") == ("127.0.0.1", 8010)
    assert read_listen("[::1]:1") == ("::1", 1)
    for wrong in ("localhost", "127.0.0.1:http", "127.0.0.1:70000"):
        with pytest.raises(BadAddress):
            read_listen(wrong)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        *((host, True) for host in ("127.0.0.1", "127.8.0.1", "::1", "localhost")),
        *((host, False) for host in ("0.0.0.0", "::", "10.0.0.1", "example.com")),
    ],
)
def test_only_loopback_is_loopback(host, local):
    assert is_loopback(host) is local
