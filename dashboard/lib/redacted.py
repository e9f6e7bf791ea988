"""Addresses as they may be shown: without what lets one in."""

from __future__ import annotations

import re

# Up to the last @ of a word: who types a password does not always escape what stands in it.
_USER_INFO = re.compile(r"(?<=://)\S*@")
_PASSWORD = re.compile(r"(?<=://)([^\s:/?#@]*):\S*@")
_SECRET = re.compile(
    r"([?&;\s]|^)([\w.-]*(?:token|key|secret|passw|pwd|auth|credential|sig)[\w.-]*)=('[^']*'|[^&;\s#]*)",
    re.IGNORECASE,
)


def without_credentials(location: str) -> str:
    """No user and password, no secrets in its query or connection string."""
    return _SECRET.sub(r"\1\2=***", _USER_INFO.sub("", location))


def without_password(location: str) -> str:
    """The same, but with the user: it tells worlds of one server apart."""
    return _SECRET.sub(r"\1\2=***", _PASSWORD.sub(r"\1@", location))
