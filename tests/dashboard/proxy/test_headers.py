from __future__ import annotations

import h11
import pytest

from dashboard.proxy.headers import secrets, without


def test_every_header_that_identifies_the_app_is_a_secret():
    names = ["Authorization", "X-Vercel-Trusted-Oidc-Idp-Token", "Cookie", "Proxy-Authorization"]
    headers = [
        ("Host", "a"),
        ("X-Request-Time", "harmless-12345"),
        *((name, f"secret-of-{name}") for name in names),
    ]
    found = secrets(h11.Request(method="GET", target="/x?token=a%20query&n=1", headers=headers))
    assert set(found) == {*(f"secret-of-{name}" for name in names), "a%20query", "a query"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no such token tok_123456789", "no such token [hidden]"),
        ("authorization: Bearer other", "authorization: Bearer [hidden]"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_secrets_are_covered_in_texts(text, told):
    assert without(text, ("tok_123456789",)) == told
