"""Encrypted payloads: opened with the run's key, and what they show without it."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from runs.payloads import Sealed, decode, run_key
from tests.runs.payloads.cases import KEY, case, devl

NONCE = bytes(12)


def sealed(payload: bytes, key: bytes = KEY) -> bytes:
    return b"encr" + NONCE + AESGCM(key).encrypt(NONCE, payload, None)


def test_it_derives_the_key_of_a_run() -> None:
    secret = bytes(range(32))
    expected = HKDF(SHA256(), 32, salt=bytes(32), info=b"prj_1|wrun_1").derive(secret)
    assert run_key(secret, "prj_1", "wrun_1") == expected
    assert run_key(secret, "prj_1", "wrun_2") != expected


def test_it_opens_with_the_key() -> None:
    decoded = decode(sealed(devl("secret")), key=KEY)
    assert (decoded.status, decoded.value, decoded.layers) == ("ok", "secret", ("encr", "devl"))


def test_it_opens_what_the_sdk_sealed_to_a_run() -> None:
    decoded = decode(case("5.0.0-beta.55/encp_comp").data, key=KEY)
    assert decoded.layers == ("encp", "zstd", "devl")
    assert decoded.status == "ok"


def test_it_shows_the_size_without_the_key() -> None:
    inner = devl("secret")
    decoded = decode(sealed(inner))
    assert (decoded.status, decoded.value) == ("encrypted", Sealed("encr", len(inner)))


def test_it_shows_who_sealed_a_payload_without_the_key() -> None:
    data = case("5.0.0-beta.55/encp_sealed").data
    value = decode(data).value
    assert value == Sealed("encp", len(data) - 4 - 60, base64.b64encode(data[4:36]).decode())


def test_it_says_when_the_key_is_wrong() -> None:
    decoded = decode(sealed(devl("secret"), bytes(32)), key=KEY)
    assert decoded.status == "corrupt"
    assert decoded.value == Sealed("encr", len(devl("secret")))
    assert decoded.problem is not None
    assert decoded.problem.reason == "does not open with this key: another key, or changed bytes"


def test_it_says_when_the_key_has_the_wrong_size() -> None:
    decoded = decode(sealed(devl("secret")), key=b"short")
    assert decoded.status == "encrypted"
    assert decoded.problem is not None
    assert decoded.problem.reason == "the key has 5 bytes, it must have 32"


@pytest.mark.parametrize("data", [b"encr", b"encrabc", b"encp" + bytes(59)])
def test_it_says_when_there_is_too_little(data: bytes) -> None:
    assert decode(data).status == decode(data, key=KEY).status == "corrupt"
