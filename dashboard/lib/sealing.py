"""Small secrets at rest: sealed with AES-256-GCM under a key that does not lie in the database.

The key is that of the variable TAILRACE_KEY_SECRET; without it, and where the database is a file in the data
directory, one that is made in the data directory at its first use, readable by its owner alone. What was sealed with
the file still opens when the variable is set later; not the other way round, for nobody knows what it was.

The sealed form is `version (1) · name of the sealing key (4) · nonce (12) · ciphertext and tag`. The name tells a
secret that was changed from bytes that were. A seal is bound to its purpose: copied to another row it does not open.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

VARIABLE = "TAILRACE_KEY_SECRET"
FILE = "sealing-key"
_VERSION = b"\x01"
_NAME, _NONCE, _TAG = 4, 12, 16
_HEAD = len(_VERSION) + _NAME + _NONCE


class SealError(Exception):
    """A secret cannot be sealed or opened; the message says what a person can do about it."""


def is_ready() -> bool:
    return bool(settings.KEY_SECRET) or _may_have_file()


def where() -> str:
    """What new secrets are sealed with, in words; empty where none can be."""
    if settings.KEY_SECRET:
        return f"the variable {VARIABLE}"
    return f"the file {FILE} in the data directory" if _may_have_file() else ""


def seal(secret: bytes, purpose: str) -> bytes:
    """Raises SealError where there is no key to seal with."""
    source = settings.KEY_SECRET or _made_file()
    nonce = os.urandom(_NONCE)
    body = AESGCM(_derived(source, b"key", 32)).encrypt(nonce, secret, purpose.encode())
    return _VERSION + _derived(source, b"name", _NAME) + nonce + body


def open_sealed(sealed: bytes, purpose: str) -> bytes:
    """The secret again. Raises SealError: its key is not there, or changed bytes."""
    sources = [source for source in (settings.KEY_SECRET, _kept_file()) if source]
    if not settings.KEY_SECRET and not _may_have_file():
        raise SealError(f"{VARIABLE} is not set")
    if len(sealed) < _HEAD + _TAG or sealed[:1] != _VERSION:
        raise SealError("what is stored is no sealed key")
    named = [one for one in sources if _derived(one, b"name", _NAME) == sealed[1 : 1 + _NAME]]
    if not named:
        raise SealError(_lost())
    try:
        key = _derived(named[0], b"key", 32)
        return AESGCM(key).decrypt(sealed[1 + _NAME : _HEAD], sealed[_HEAD:], purpose.encode())
    except InvalidTag:
        raise SealError("the sealed key was changed, or belongs to something else") from None


def _lost() -> str:
    if settings.KEY_SECRET:
        return f"the key was sealed with another {VARIABLE}"
    return f"the key was sealed with a {VARIABLE}, which is not set, or with another {FILE}"


def _may_have_file() -> bool:
    """Beside a database elsewhere it would be each process's own, and gone with its container."""
    return not settings.DATABASE_URL


def _path() -> Path:
    return Path(settings.DATA) / FILE


def _kept_file() -> str:
    try:
        return _path().read_text().strip() if _may_have_file() else ""
    except OSError:
        return ""


def _made_file() -> str:
    """The key file's content; the file comes into being whole, and two processes agree on one."""
    if not _may_have_file():
        raise SealError(f"{VARIABLE} is not set")
    try:
        if not _kept_file():
            _make_file(_path())
    except OSError as error:
        raise SealError(f"{FILE} cannot be made in the data directory ({error.strerror})") from None
    return _kept_file()


def _make_file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{FILE}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(64))
    try:
        with suppress(FileExistsError):  # another process was first
            os.link(draft, path)
    finally:
        draft.unlink()


def _derived(source: str, use: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, salt=None, info=b"tailrace/sealing/v1/" + use).derive(
        source.encode("utf-8", "surrogateescape")
    )
