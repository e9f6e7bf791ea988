from __future__ import annotations

import hashlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.proxy.fields import Fields, Whole


def packed(chunks: list[bytes]) -> bytes:
    return b"".join(struct.pack(">I", len(chunk)) + chunk for chunk in chunks)


@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(1, 50))
def test_fields_are_the_same_wherever_the_body_is_cut(chunks, step):
    body, fields = packed(chunks), Fields()
    for at in range(0, len(body), step):
        fields.feed(body[at : at + step])
    assert [one.size for one in fields.done] == [len(chunk) for chunk in chunks]
    assert [one.hash for one in fields.done] == [hashlib.sha256(chunk).hexdigest()[:16] for chunk in chunks]


@pytest.mark.parametrize("cut", [1, 3, 6])
def test_a_field_that_is_cut_off_does_not_count(cut):
    fields = Fields()
    fields.feed(packed([b"abc"])[:cut])
    assert fields.done == []


def test_only_the_first_bytes_of_a_field_are_kept_and_only_so_many_fields():
    fields = Fields(keep=4, most=2)
    fields.feed(packed([b"abcdefgh", b"", b"more"]))
    assert [one.head for one in fields.done] == [b"abcd", b""]


def test_a_whole_body_is_one_field_and_an_empty_one_is_none():
    whole = Whole()
    assert whole.done == []
    whole.feed(b"ab")
    whole.feed(b"c")
    assert [(one.size, one.hash) for one in whole.done] == [(3, hashlib.sha256(b"abc").hexdigest()[:16])]
