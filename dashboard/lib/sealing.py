"""Small secrets at rest: sealed with AES-256-GCM under a key from the environment, TAILRACE_KEY_SECRET.

The sealed form is `version (1) · name of the sealing key (4) · nonce (12) · ciphertext and tag`. The name tells a
secret that was changed from bytes that were. A seal is bound to its purpose: copied to another row it does not open.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

VARIABLE = "TAILRACE_KEY_SECRET"
_VERSION = b"\x01"
_NAME, _NONCE, _TAG = 4, 12, 16
_HEAD = len(_VERSION) + _NAME + _NONCE


class SealError(Exception):
    """A secret cannot be sealed or opened; the message says what a person can do about it."""


def is_ready() -> bool:
    return bool(settings.KEY_SECRET)


def seal(secret: bytes, purpose: str) -> bytes:
    """Raises SealError where TAILRACE_KEY_SECRET is not set."""
    nonce = os.urandom(_NONCE)
    body = AESGCM(_derived(b"key", 32)).encrypt(nonce, secret, purpose.encode())
    return _VERSION + _derived(b"name", _NAME) + nonce + body


def open_sealed(sealed: bytes, purpose: str) -> bytes:
    """The secret again. Raises SealError: no TAILRACE_KEY_SECRET, another one, or changed bytes."""
    key, name = _derived(b"key", 32), _derived(b"name", _NAME)
    if len(sealed) < _HEAD + _TAG or sealed[:1] != _VERSION:
        raise SealError("what is stored is no sealed key")
    if sealed[1 : 1 + _NAME] != name:
        raise SealError(f"the key was sealed with another {VARIABLE}")
    try:
        return AESGCM(key).decrypt(sealed[1 + _NAME : _HEAD], sealed[_HEAD:], purpose.encode())
    except InvalidTag:
        raise SealError("the sealed key was changed, or belongs to something else") from None


def _derived(use: bytes, length: int) -> bytes:
    if not settings.KEY_SECRET:
        raise SealError(f"{VARIABLE} is not set")
    return HKDF(SHA256(), length, salt=None, info=b"tailrace/sealing/v1/" + use).derive(
        settings.KEY_SECRET.encode("utf-8", "surrogateescape")
    )
