"""What a bundle leaves out: user text, and everything in an error that looks like a secret.

Ids that an app chose are replaced by a keyed hash, so that the same id is the same everywhere in one bundle and nobody
can find out by trying which it was. Digests of bytes are keyed too: the digest of a short text gives it away.
"""

from __future__ import annotations

import hmac
import re
from typing import Any

from django.conf import settings

from dashboard.lib.redacted import without_credentials

GONE = "***"
_QUERY = re.compile(r"(\b[a-z][a-z0-9+.-]{1,20}://[^\s?#\"'<>]*)[?#][^\s\"'<>]*", re.IGNORECASE)
_SAID = re.compile(r"\b(bearer|basic|digest)\s+[^\s\"',;]+", re.IGNORECASE)
_NAMED = re.compile(
    r"([\"']?[\w-]*(?:token|secret|passw|pwd|api[_-]?key|authorization|credential|cookie|signature)[\w-]*[\"']?"
    r"\s*[:=]\s*)(\"[^\"]*\"|'[^']*'|[^\s,;&}]+(?:\s+\*\*\*)?)",
    re.IGNORECASE,
)
_SHAPED = re.compile(r"\b(?:sk|pk|rk|gh[opsu]|xox[abprs]|vercel|AKIA|ASIA|eyJ|npm|glpat)[_-]?[\w.-]{12,}")
_LONG = re.compile(r"(?<![\w+=-])[\w+=-]{28,}(?![\w+=-])")
_OURS = re.compile(r"(?:[a-z]{3,5}_)?[0-7][0-9A-HJKMNP-TV-Z]{25}(?:_(?:user|system)(?:_[\w-]+)?)?")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_HOME = re.compile(r"(/(?:home|Users)/|[A-Za-z]:\\Users\\)[^/\\\s\"']+")


class Redactor:
    """Replaces what is not for others. The same for every bundle of one stream from one Tailrace."""

    def __init__(self, stream: str) -> None:
        secret = str(settings.SECRET_KEY).encode()
        self._key = hmac.digest(secret, f"tailrace bundle {stream}".encode("utf-8", "replace"), "sha256")

    def name(self, prefix: str, text: str) -> str:
        """The same word for the same text: `part-1f3a90bc`."""
        return f"{prefix}-{self._hash(text.encode('utf-8', 'surrogatepass')).hex()[:8]}"

    def digest(self, digest: bytes) -> bytes:
        """As long as before, equal where they were equal, also in the first 8 bytes alone."""
        return b"".join(self._hash(digest[at : at + 8])[: len(digest[at : at + 8])] for at in (0, 8))

    def _hash(self, data: bytes) -> bytes:
        return hmac.digest(self._key, data, "sha256")


def safe_text(text: str) -> str:
    """Without user names and passwords, queries of URLs, and what looks like a token or a key."""
    text = _QUERY.sub(rf"\1?{GONE}", without_credentials(text))
    text = _SAID.sub(rf"\1 {GONE}", text)
    text = _NAMED.sub(rf"\1{GONE}", text)
    text = _SHAPED.sub(GONE, text)
    text = _LONG.sub(lambda match: match[0] if _is_ours(match[0]) else GONE, text)
    return _HOME.sub(rf"\1{GONE}", _MAIL.sub(GONE, text))


def _is_ours(word: str) -> bool:
    """An id of the SDK, or a word of code: random text has digits."""
    return _OURS.fullmatch(word) is not None or not any(char.isdigit() for char in word)


def safe_values(value: Any) -> Any:
    """The same for every text in JSON."""
    if isinstance(value, str):
        return safe_text(value)
    if isinstance(value, dict):
        return {safe_text(str(key)): safe_values(one) for key, one in value.items()}
    return [safe_values(one) for one in value] if isinstance(value, list) else value
