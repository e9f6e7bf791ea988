"""Whether a payload holds a text or fits a pattern, as it is stored or as it decodes."""

from __future__ import annotations

import gzip
import json

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from runs.payloads import run_key
from streams._search_text import Payload, needle_of
from tests.factories import devalue, frame


def holds(data: bytes, text: str, **fields) -> bool:
    needle = needle_of(text)
    assert not needle.trouble
    return Payload(data, is_close=False, **fields).holds(needle)


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


DELTA = frame({"type": "text-delta", "id": "t1", "delta": 'Ein "Café" 東京 😀'})
ESCAPED = framed(b'devl[{"delta":1},"Caf\\u00e9 \\"x\\" \\ud83d\\ude00"]')
INNER = frame({"data": json.dumps({"say": 'a "word"', "place": "Café"})})
DATE = framed(b'devl[{"at":1},["Date","2026-11-22T07:00:00.000Z"]]')
BIG = framed(b'devl[{"n":1},["BigInt","10"]]')


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (DELTA, "café"),
        (DELTA, '"café"'),
        (DELTA, "東京"),
        (DELTA, "EIN"),
        (DELTA, '"type":"text-delta"'),
        (ESCAPED, "Café"),
        (ESCAPED, 'é "x"'),
        (ESCAPED, "😀"),
        (ESCAPED, "\\u00e9"),
        (INNER, 'a "word"'),
        (INNER, "café"),
        (DATE, "2026-11-22"),
        (BIG, '"v":"10"'),
        (b'data: {"text":"caf\\u00e9"}\n\n', "café"),
        (b"\xff\xfe plain", "PLAIN"),
        (frame({"a": {"b": ["deep"]}}), '"b":["deep"]'),
    ],
)
def test_a_text_is_found_as_it_is_stored_and_as_it_decodes(data, text):
    assert holds(data, text)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (DELTA, "cafe"),
        (DELTA, "tokyo"),
        (ESCAPED, "x y"),
        (INNER, "words"),
        (BIG, "11"),
        (b"", "x"),
        (DELTA, "delta type"),
    ],
)
def test_what_is_not_there_is_not_found(data, text):
    assert not holds(data, text)


@pytest.mark.parametrize(
    ("pattern", "is_there"),
    [
        ("/Caf./", True),
        ("/caf./", False),
        ("/caf./i", True),
        ("/^text-delta$/", True),
        ("/^delta$/", False),
        ("/东|東/", True),
        ("/\\d{3}/", False),
    ],
)
def test_a_pattern_is_tried_on_every_text_of_the_value(pattern, is_there):
    assert holds(DELTA, pattern) is is_there


def test_slashes_alone_make_no_pattern():
    assert holds(frame("GET /a(b/c"), "/a(b/c")
    assert not holds(frame("GET a(b/c"), "/a(b/c")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/a(b/", "missing )"),
        ("/(?=a)b/", "look-ahead"),
        ("/(a)\\1/", "reference back"),
        ("/.{1000}.*.{1000}b/", "too large"),
        ("x" * 201, "At most 200 characters"),
        ("/\ud800/", "half of a sign"),
    ],
)
def test_what_cannot_be_looked_for_says_why(text, words):
    assert words in needle_of(text).trouble


@pytest.mark.parametrize("pattern", ["/(a+)+$/", "/(a|aa)+b/", "/(.*a){20}b/", "/(x+x+)+y/"])
def test_no_pattern_tries_a_text_over_and_over(pattern):
    assert not holds(frame("a" * 16_000 + "!"), pattern)


def test_compressed_and_sealed_values_are_searched_where_they_open():
    zipped = framed(b"gzip" + gzip.compress(devalue({"delta": "Hello"})))
    assert holds(zipped, "hello") and not holds(zipped, "hallo")
    key, nonce = run_key(bytes(range(32)), "prj", "wrun_1"), bytes(12)
    sealed = framed(b"encr" + nonce + AESGCM(key).encrypt(nonce, devalue({"delta": "Hello"}), None))
    assert holds(sealed, "hello", key=key)
    shut = Payload(sealed, is_close=False)
    assert not shut.holds(needle_of("hello")) and shut.is_sealed
    assert not Payload(DELTA, is_close=False).is_sealed
