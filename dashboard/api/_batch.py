"""The envelope of a probe's batch (docs/probe.md). What is inside its records is read later, one by one."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from django.http import HttpRequest
from django.http.request import UnreadablePostError

from dashboard.api._refused import Refused
from dashboard.lib.database import clean

VERSION = 1
MAX_BYTES = 2_000_000
MAX_RECORDS = 2_000
MAX_NUMBER = 2**63 - 1
NAME_CHARS = 200
_PROCESS = re.compile(r"[A-Za-z0-9._-]{1,100}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Batch:
    process: str
    number: int
    world: str  # the name of the world meant; empty where none is named
    records: int  # how many
    body: bytes  # as it came


def read_batch(request: HttpRequest) -> Batch:
    """Raises Refused: 415 not JSON, 413 too large, 400 not a batch of this schema."""
    if request.content_type != "application/json" or request.headers.get("Content-Encoding"):
        raise Refused(415, "Send application/json in UTF-8, not compressed.")
    return parse_batch(_read_body(request))


def parse_batch(body: bytes) -> Batch:
    """Raises Refused with a sentence that names the field."""
    batch = _object_in(body)
    process, number, sent = batch.get("process"), batch.get("number"), batch.get("sent")
    if not _is_number(batch.get("v")) or batch["v"] != VERSION:
        _refuse(f"v must be {VERSION}: no other version of the schema is known")
    if not isinstance(process, str) or not _PROCESS.fullmatch(process):
        _refuse("process must be 1 to 100 characters of A-Z a-z 0-9 . _ -")
    if type(number) is not int or not 1 <= number <= MAX_NUMBER:
        _refuse("number must be a whole number from 1 to 2^63 - 1")
    if not _is_number(sent):
        _refuse("sent must be a number of milliseconds since 1970")
    return Batch(process, number, _world_in(batch), _count_in(batch), body)


def _read_body(request: HttpRequest) -> bytes:
    too_large = Refused(413, f"A batch has at most {MAX_BYTES:,} bytes.")
    announced = request.META.get("CONTENT_LENGTH") or ""
    if announced.isdecimal() and int(announced[:20]) > MAX_BYTES:
        raise too_large
    try:
        body: bytes = request.read(MAX_BYTES + 1)  # the length may be missing, or wrong
    except UnreadablePostError:
        _refuse("the request ended before its body did")
    if len(body) > MAX_BYTES:
        raise too_large
    return body


def _object_in(body: bytes) -> dict[str, Any]:
    try:
        # Decoded here: json.loads would also take UTF-16. It reads NaN and Infinity, which are no JSON.
        batch = json.loads(body.decode(), parse_constant=_no_constant)
    except RecursionError:
        _refuse("it is nested too deeply")
    except ValueError as error:
        _refuse(f"it is not JSON in UTF-8: {str(error)[:200]}")
    if not isinstance(batch, dict):
        _refuse("it must be a JSON object")
    return batch


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _world_in(batch: dict[str, Any]) -> str:
    world = batch.get("world")
    if world is not None and not isinstance(world, str):
        _refuse("world must be a name")
    return clean((world or "").strip(), NAME_CHARS)


def _count_in(batch: dict[str, Any]) -> int:
    records = batch.get("records")
    if not isinstance(records, list):
        _refuse("records must be a list")
    if len(records) > MAX_RECORDS:
        _refuse(f"records has {len(records):,} of them, at most {MAX_RECORDS:,} are taken")
    return len(records)


def _is_number(value: object) -> bool:
    """Whether it is a finite number; JSON has no other, but 1e999 reads as infinite, and true as 1."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond every float
        return False


def _refuse(reason: str) -> NoReturn:
    raise Refused(400, f"Not a batch of this schema: {reason}.")
