"""Requests to the server: paced, bounded, without redirects; errors say whom they concern.

The token is in one header and nowhere else: no error, no log line and no address holds it.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from runs.worlds._vercel_cbor import Garbled, decode
from runs.worlds._vercel_pacing import Pacer
from runs.worlds._vercel_place import Target
from runs.worlds.base import WorldError

ANSWER_MAX = 32 * 2**20  # bytes
TRIES = 3
PAUSE_S = 0.2  # before the first of the further tries
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_WORDS = 200  # characters of what the server says that an error quotes
_CHALLENGED_S = "60"
_PACKED_AS = frozenset(
    {"", "identity", "gzip"}
)  # one layer that unpacks to a known multiple, and none in another
_KEPT, _KEPT_BYTES = 64, 256 * 1024  # answers that are kept for when the server says that they still hold


class Gone(Exception):
    """The server has no such thing, or no longer: 404 or 410."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status

    @property
    def is_expired(self) -> bool:
        return self.status == 410


class Broken(Exception):
    """This one thing cannot be read now. `status` is 0 where there was no whole answer."""

    def __init__(self, reason: str, status: int = 0) -> None:
        super().__init__(reason)
        self.status = status


class TooLarge(Exception):
    """More than is read at once: to be asked for in smaller pieces."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    kind: str  # Content-Type
    body: bytes
    headers: Mapping[str, str]
    token: str = field(default="", repr=False)  # what it was asked with, which no error may repeat

    def value(self) -> Any:
        """Raises Broken."""
        try:
            return decode(self.body, self.kind)
        except Garbled as error:
            raise self.garbled(error) from None

    def garbled(self, error: Garbled) -> Broken:
        """What the server says of itself may hold what it was asked with."""
        return Broken(without(self.token, str(error)))


class Client:
    """One connection pool. `clock_off_s`: how far our clock is ahead of the server's, at the most; None: not known."""

    def __init__(self, target: Target, token: str, pacer: Pacer) -> None:
        self.target, self.pacer = target, pacer
        self._token = token
        self._http: httpx.Client | None = None
        self._opening = threading.Lock()
        self._kept: dict[tuple[str, ...], Answer] = {}
        self.clock_off_s: float | None = None

    @property
    def host(self) -> str:
        return urlsplit(self.target.base).netloc

    def get(self, path: str, params: Mapping[str, str] | None = None, accept: str = "") -> Answer:
        """Raises WorldError (nothing can be read now), Gone, Broken, TooLarge."""
        for left in reversed(range(TRIES)):
            self._check_token()
            self.pacer.take()
            try:
                answer = self._once(path, params or {}, accept)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
                if left == 0:
                    raise self._unreachable(error) from None
            except (httpx.TransportError, httpx.DecodingError) as error:
                if left == 0:
                    raise Broken(f"the answer was cut off ({type(error).__name__})") from None
            else:
                if answer.status < 500 or left == 0:
                    return self._checked(answer)
            time.sleep(PAUSE_S * 2 ** (TRIES - 1 - left) * random.uniform(0.5, 1.0))
        raise AssertionError("the last try returns or raises")

    def value(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        return self.get(path, params).value()

    @contextmanager
    def live(self, path: str, params: Mapping[str, str], silence_s: float) -> Iterator[httpx.Response]:
        """An answer that goes on as long as the stream does. Raises httpx.HTTPError."""
        timeout = httpx.Timeout(silence_s, connect=10.0)
        with self._pool().stream("GET", self.target.base + path, params=params, timeout=timeout) as answer:
            yield answer

    def close(self) -> None:
        with self._opening:
            http, self._http = self._http, None
        if http is not None:
            http.close()

    def _pool(self) -> httpx.Client:
        with self._opening:
            if self._http is None:
                self._http = httpx.Client(
                    headers=self._headers(), timeout=_TIMEOUT, follow_redirects=False, trust_env=False
                )
            return self._http

    def _headers(self) -> dict[str, str]:
        headers = {
            "User-Agent": f"tailrace/{_version()}",
            "Accept": "application/cbor",
            "Accept-Encoding": "gzip",
            "x-vercel-project-id": self.target.project,
            "x-vercel-team-id": self.target.team,
            "x-vercel-environment": self.target.environment,
        }
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        return headers

    def _check_token(self) -> None:
        if not self._token:
            raise WorldError(
                "a Vercel project is read with a token: store one with this world, or set TAILRACE_VERCEL_TOKEN",
                permanent=True,
            )
        if not self._token.isascii() or not self._token.isprintable() or " " in self._token:
            raise WorldError("the token has characters that no token has", permanent=True)
        if self.pacer.is_refused(self._token):
            raise self._refused("401 or 403")

    def _once(self, path: str, params: Mapping[str, str], accept: str) -> Answer:
        """Reads no more than is allowed, whatever the server says about the size."""
        key = (path, accept, *(f"{name}={value}" for name, value in sorted(params.items())))
        headers = {"Accept": accept} if accept else {}
        headers |= {"If-None-Match": self._kept[key].headers["etag"]} if key in self._kept else {}
        url = self.target.base + path
        with self._pool().stream("GET", url, params=params, headers=headers) as response:
            self._note_clock(response)
            if response.headers.get("content-encoding", "").strip().lower() not in _PACKED_AS:
                raise httpx.DecodingError("packed in a way that was not asked for")
            body = bytearray()
            for piece in response.iter_bytes():
                body += piece
                if len(body) > ANSWER_MAX:
                    raise TooLarge(f"an answer of more than {ANSWER_MAX >> 20} MB")
            named = {name.lower(): value for name, value in response.headers.items()}
            answer = Answer(
                response.status_code, named.get("content-type", ""), bytes(body), named, self._token
            )
        return self._kept[key] if answer.status == 304 and key in self._kept else self._keep(key, answer)

    def _keep(self, key: tuple[str, ...], answer: Answer) -> Answer:
        """Where the server offers to say "not modified" the next time."""
        self._kept.pop(key, None)
        if answer.status == 200 and answer.headers.get("etag") and len(answer.body) <= _KEPT_BYTES:
            while len(self._kept) >= _KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = answer
        return answer

    def _note_clock(self, response: httpx.Response) -> None:
        """`Date` is cut to whole seconds, so the least difference of many answers comes closest."""
        try:
            theirs = parsedate_to_datetime(response.headers.get("date", "")).timestamp()
        except (ValueError, TypeError, OverflowError):
            return
        off = time.time() - theirs
        self.clock_off_s = off if self.clock_off_s is None else min(self.clock_off_s, off)

    def _checked(self, answer: Answer) -> Answer:
        """The answer, if it is one. What concerns the whole project is a WorldError."""
        status = answer.status
        if 200 <= status < 300:
            self.pacer.answered()
            return answer
        if answer.headers.get("x-vercel-mitigated") == "challenge":
            raise self.pacer.throttled(_CHALLENGED_S, f"the firewall of {self.host} asks for a browser")
        if status == 429:
            asked = answer.headers.get("retry-after", "")
            raise self.pacer.throttled(asked, f"{self.host} asked for fewer requests (429)")
        if status in (401, 403):
            self.pacer.refused(self._token)
            raise self._refused(str(status))
        if 300 <= status < 400:
            raise WorldError(f"{self.host} answered with a redirect ({status}), which is not followed")
        said = self._said(answer)
        if status in (404, 410):
            raise Gone(status, said)
        raise Broken(f"{self.host} answered with {status}" + (f": {said}" if said else ""), status)

    def _refused(self, status: str) -> WorldError:
        return WorldError(
            f"the token was refused by {self.host} ({status}): store one that may read project"
            f" {self.target.project} of team {self.target.team}",
            permanent=True,
        )

    def _unreachable(self, error: Exception) -> WorldError:
        reason = "it did not answer in time" if isinstance(error, httpx.TimeoutException) else str(error)
        return self.pacer.failed(f"{self.host} cannot be reached: {without(self._token, reason)[:_WORDS]}")

    def _said(self, answer: Answer) -> str:
        try:
            value = decode(answer.body[: 64 * 1024], answer.kind)
        except Garbled:
            return ""
        message = value.get("message") if isinstance(value, dict) else None
        text = " ".join(message.split()) if isinstance(message, str) else ""
        return "".join(char for char in without(self._token, text)[:_WORDS] if char.isprintable())


def without(token: str, text: str) -> str:
    return text.replace(token, "…") if token else text


def path_of(*parts: str) -> str:
    """`/v2/runs/<id>` of its parts: an id is data, whatever characters are in it."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def _version() -> str:
    try:
        return version("tailrace")
    except PackageNotFoundError:
        return "dev"
