from __future__ import annotations

import pytest

from dashboard.lib.ulid import shift_ulid, ulid_ms

ULID = "01M803WSDCT2X0WFSWZSBS26VK"


def test_it_reads_the_time_of_any_id_that_ends_in_a_ulid():
    assert ulid_ms(ULID) == ulid_ms(f"chnk_{ULID}") == ulid_ms(ULID.lower()) == 1_795_300_418_988


def test_it_reads_the_time_of_an_id_with_a_region():
    assert ulid_ms("wrun_41M80Q9JV40GG0PPNAZQHXC156") == ulid_ms("wrun_01M80Q9JV40GG0PPNAZQHXC156")


@pytest.mark.parametrize("text", ["0ZZZZZZZZZ" + ULID[10:], "7ZZZZZZZZZ" + ULID[10:]])
def test_a_time_that_is_too_late_to_be_one_is_none(text):
    assert ulid_ms(text) is None


@pytest.mark.parametrize("text", ["", "evnt_1", "8" + ULID[1:], ULID[:-1] + "U", ULID[:-1], "é" * 26])
def test_it_finds_no_time_in_what_is_no_ulid(text):
    assert ulid_ms(text) is None


def test_a_shifted_ulid_keeps_its_random_part():
    later = shift_ulid(ULID, 1500)
    assert ulid_ms(later) == ulid_ms(ULID) + 1500
    assert later[10:] == ULID[10:]
