from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.proxy.cbor import PEEKED, peek


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("17", 23),
        ("3903e7", -1000),
        ("6161", "a"),
        ("43010203", b"\x01\x02\x03"),
        ("83010203", [1, 2, 3]),
        ("a26161016162820203", {"a": 1, "b": [2, 3]}),
        ("bf61610161629f0203ffff", {"a": 1, "b": [2, 3]}),
        ("d84043010203", b"\x01\x02\x03"),
        ("c1fb41d452d9e2000000", 1363896200.0),
        ("f93c00", 1.0),
        ("f5", True),
        ("f6", None),
    ],
)
def test_it_reads_what_the_standard_shows(data, value):
    assert peek(bytes.fromhex(data)) == value


def test_what_is_there_before_the_cut_is_read():
    # {"eventType": "x", "eventData": {"stepName": "s", "input": <1,000 bytes, of which two are there>}, ...}
    data = b"\xb9\x00\x03\x69eventType\x61x\x69eventData\xb9\x00\x02\x68stepName\x61s\x65input\x59\x03\xe8ab"
    assert peek(data) == {"eventType": "x", "eventData": {"stepName": "s"}}


def test_nesting_without_end_is_cut_off():
    value = peek(b"\x81" * 100_000)
    assert isinstance(value, list)


@given(st.binary(max_size=60))
def test_nothing_makes_it_fail(data):
    peek(data)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("a1616ad82361ff", {"j": "\ufffd"}),  # a pattern: not compiled
        ("a1616ad81d00", {"j": 0}),  # a reference: not followed
        ("a1616af7", {"j": None}),
        ("a1810102", {}),  # a list as a key
        ("a26161018101", {"a": 1}),
        ("9bffffffffffffffff01", [1]),  # a length that is a lie
        ("5bffffffffffffffff01", None),
    ],
)
def test_what_is_odd_is_plain_or_left_out(data, value):
    assert peek(bytes.fromhex(data)) == value


def test_a_huge_body_is_not_read_to_its_end():
    assert len(peek(b"\x9b\x00\x00\x00\x00\xff\xff\xff\xff" + b"\x00" * 2_000_000)) < PEEKED
