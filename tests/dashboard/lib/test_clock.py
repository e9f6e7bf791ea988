from __future__ import annotations

import pytest

from dashboard.lib.clock import clamp_ns, parse_iso_ns, to_datetime


def test_it_reads_the_times_the_sdks_write():
    assert parse_iso_ns("1970-01-01T00:00:01.250Z") == 1_250_000_000
    assert parse_iso_ns("1970-01-01T01:00:00.000001+01:00") == 1_000
    assert parse_iso_ns("2026-11-21T22:32:03.337Z") == 1_795_300_323_337_000_000


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-13-01T00:00:00Z", "2026-11-21", None, 5, "2026-11-21T25:00:00Z"]
)
def test_it_takes_nothing_else_for_a_time(text):
    assert parse_iso_ns(text) is None


def test_it_keeps_times_far_off_within_64_bits():
    assert clamp_ns(10**30) == 2**63 - 1
    assert parse_iso_ns("9999-12-31T23:59:59Z") == 2**63 - 1
    assert to_datetime(2**63 - 1).year == 2262
    assert to_datetime(None) is None
