"""Numbers, times and untrusted text."""

from __future__ import annotations

import pytest

from runs.pages import _format as words
from tests.factories import MS, START_NS


@pytest.mark.parametrize(
    ("ns", "text"),
    [(0, "0 ms"), (528 * MS, "528 ms"), (2_330 * MS, "2.33 s"), (504_000 * MS, "8 m 24 s"),
     (11_100_000 * MS, "3 h 5 m"), (187_200_000 * MS, "2 d 4 h"), (-5 * MS, "−5 ms"), (None, "–")],
)  # fmt: skip
def test_it_writes_durations(ns, text):
    assert words.duration(ns) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_950, "1.0 MB"), (125_000, "125 kB"), (10**16, "10000 TB")],
)  # fmt: skip
def test_it_writes_sizes(count, text):
    assert words.size(count) == text


def test_it_writes_times_in_utc_whatever_the_year():
    assert words.clock_time(START_NS + 846 * MS) == "22:26:40.846"
    assert words.moment(START_NS + 1) == "2026-11-21 22:26:40.000000001 UTC"
    assert words.clock_time(-1) == "23:59:59.999"
    assert words.clock_date(2**63 - 1) == "2262-04-11"
    assert words.clock_time(None) == words.clock_date(None) == words.moment(None) == "–"


def test_it_makes_hidden_signs_visible():
    assert words.visible("plain") == "plain"
    assert words.visible("a\x00b\nc\td\x1b[31m") == "a␀b⏎c⇥d␛[31m"
    assert words.visible("é\u202ex\u200b\ufeff") == "é⟨202E⟩x⟨200B⟩⟨FEFF⟩"
    assert words.visible("\ud800").encode() == b"?"
    assert words.lines("a\r\n\tb\x00") == "a\n\tb␀"


def test_it_shortens_names_and_ids():
    assert words.short_name("workflow//./workflows/chat//chatTurn") == "chatTurn"
    assert words.short_name("plain") == "plain"
    assert words.short_name("ends//") == "ends//"
    assert words.short_id("wrun_01M803XX9EKPGB0DR66MWJRZ8Z") == "…66MWJRZ8Z"
    assert words.short_id("short") == "short"


def test_it_counts_in_words():
    assert words.counted(1, "chunk") == "1 chunk"
    assert words.counted(1204, "chunk") == "1,204 chunks"
    assert words.counted(0, "entry", "entries") == "0 entries"
