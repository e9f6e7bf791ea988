"""The two encryptions of the SDK: AES-256-GCM with the run key (`encr`), or sealed to it (`encp`)."""

from __future__ import annotations

import base64
import hashlib
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from runs.payloads.handles import Sealed
from runs.payloads.model import LayerError, problem_at

TAG = 4
KEY = 32
PUBLIC = 32
OVERHEAD = 12 + 16


class RunKey(bytes):
    """The key of one run, which counts what it opened: whoever is shown a value is written down by that."""

    opened = 0

    def __repr__(self) -> str:
        return "<the key of a run>"

    __str__ = __repr__


def hkdf(secret: bytes, info: bytes) -> bytes:
    """HKDF-SHA256 (RFC 5869) with a salt of 32 zero bytes; 32 bytes out."""
    extracted = hmac.new(bytes(32), secret, hashlib.sha256).digest()
    return hmac.new(extracted, info + b"\x01", hashlib.sha256).digest()


def run_key(deployment_key: bytes, project_id: str, run_id: str) -> bytes:
    """The key of one run, from the deployment's 32-byte `VERCEL_DEPLOYMENT_KEY`."""
    return hkdf(deployment_key, f"{project_id}|{run_id}".encode())


def seal_of(data: bytes) -> Sealed:
    """What an encrypted payload shows without its key; LayerError when it is too short to be one."""
    scheme = data[:TAG].decode()
    header = TAG + (PUBLIC if scheme == "encp" else 0)
    if len(data) < header + OVERHEAD:
        reason = f"{len(data)} bytes are too short for {scheme}, which needs {header + OVERHEAD}"
        raise LayerError("corrupt", problem_at(scheme, data, len(data), reason))
    writer = base64.b64encode(data[TAG:header]).decode() if scheme == "encp" else None
    return Sealed(scheme, len(data) - header - OVERHEAD, writer)


def unseal(data: bytes, key: bytes | None) -> bytes:
    """The payload inside `data` (tag included). LayerError: no key, the wrong key, or changed bytes."""
    seal = seal_of(data)
    if key is None:
        raise LayerError(
            "encrypted", problem_at(seal.scheme, data, 0, "encrypted, and no key is known"), seal
        )
    if len(key) != KEY:
        reason = f"the key has {len(key)} bytes, it must have {KEY}"
        raise LayerError("encrypted", problem_at(seal.scheme, data, 0, reason), seal)
    try:
        opened = _open(data, key)
    except InvalidTag:
        reason = "does not open with this key: another key, or changed bytes"
    except ValueError as error:
        reason = f"does not open: {error}"
    else:
        if isinstance(key, RunKey):
            key.opened += 1
        return opened
    raise LayerError("corrupt", problem_at(seal.scheme, data, TAG, reason), seal)


def _open(data: bytes, key: bytes) -> bytes:
    body = data[TAG:]
    if data[:TAG] == b"encp":
        key = _content_key(body[:PUBLIC], key)
        body = body[PUBLIC:]
    return AESGCM(key).decrypt(body[:12], body[12:], None)


def _content_key(ephemeral: bytes, key: bytes) -> bytes:
    private = X25519PrivateKey.from_private_bytes(hkdf(key, b"workflow/encp/x25519/v1"))
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    shared = private.exchange(X25519PublicKey.from_public_bytes(ephemeral))
    return hkdf(shared, b"workflow/encp/aes256gcm/v1" + ephemeral + public)
