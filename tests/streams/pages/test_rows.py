"""Chunk rows: the contract of their attributes, their marks, and what hostile chunks turn into."""

from __future__ import annotations

import re

import pytest

from dashboard.lib.panels import Piece
from streams.order import BEHIND, CLOSE, CLOSE2, MOVED, MOVED_PROVED, OVERTAKEN
from streams.pages._rows import behind_words, divider_html, rows_html
from streams.queries import ChunkRow
from tests.factories import MS, START_NS, frame

DELTA = frame({"type": "text-delta", "id": "t1", "delta": "e"})


def row(arrival=1, data=DELTA, **fields) -> ChunkRow:
    defaults = {
        "position": arrival - 1, "is_close": False, "marks": 0, "revision": 0, "size": len(data), "stored_ns": START_NS,
        "problem": "", "framing": "", "gap_ns": 10 * MS,
    }  # fmt: skip
    return ChunkRow(arrival=arrival, data=data, **(defaults | fields))


def html(*rows: ChunkRow, **options) -> str:
    return rows_html(rows, **options)


def cells(text: str) -> list[str]:
    return [re.sub(r"<[^>]*>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", text)]


def test_it_carries_arrival_position_and_marks():
    text = html(row(7, position=6))
    assert 'id="chunk-7" class="" data-arrival="7" data-position="6" data-marks="">' in text


def test_it_shows_the_type_and_the_rest_of_a_message_chunk():
    assert cells(html(row())) == [
        "1",
        "0",
        "22:26:40.000",
        "10.0",
        f"{len(DELTA)} B",
        "text-delta",
        "t1 &quot;e&quot;",
        "",
    ]


@pytest.mark.parametrize(
    ("marks", "names", "words"),
    [
        (CLOSE, "close", "end marker"),
        (CLOSE2, "close2", "second end marker"),
        (BEHIND, "behind", "never read"),
        (MOVED, "moved", "moved"),
        (MOVED_PROVED, "moved", "moved"),
        (OVERTAKEN, "overtaken", "overtaken"),
        (BEHIND | OVERTAKEN, "overtaken behind", "overtakennever read"),
    ],
)
def test_it_names_each_mark_in_its_own_words(marks, names, words):
    closes = bool(marks & (CLOSE | CLOSE2))
    text = html(row(3, b"" if closes else DELTA, marks=marks, position=None, is_close=closes))
    assert f'data-position="" data-marks="{names}"' in text
    assert cells(text)[-1] == words


def test_it_gives_no_number_behind_the_end_marker():
    assert cells(html(row(9, marks=BEHIND, position=None)))[1] == "–"


def test_it_puts_one_divider_before_the_first_row_that_no_reader_gets():
    divider = divider_html(2, 2)
    rows = [
        row(1),
        row(2, marks=BEHIND, position=None),
        row(3, marks=CLOSE2, position=None),
        row(4, marks=BEHIND),
    ]
    text = html(*rows, divider=divider)
    assert text.count("Readers never see this") == 1
    assert text.index('id="chunk-1"') < text.index("behind-divider") < text.index('id="chunk-2"')
    assert "behind-divider" not in html(*rows)
    assert "behind-divider" not in html(row(1), row(2, marks=CLOSE), divider=divider)


@pytest.mark.parametrize(
    ("behind", "closes", "words"),
    [
        (1, 1, "1 chunk"),
        (5, 2, "5 chunks and a second end marker"),
        (0, 3, "2 more end markers"),
        (0, 1, "nothing"),
    ],
)
def test_it_counts_what_is_behind(behind, closes, words):
    assert behind_words(behind, closes) == words


def test_it_escapes_everything_that_comes_from_a_world():
    evil = '<script>alert("1")</script>'
    hostile = [
        frame({"type": evil, "id": evil, evil: evil, "delta": evil}),
        frame(evil),
        frame([evil, {evil: evil}]),
        evil.encode(),
        b"devl" + evil.encode(),
        b"\x00\x00\x00\x05devl",
    ]
    rows = [row(at, data, problem=evil[:200]) for at, data in enumerate(hostile, start=1)]
    notes = {1: [Piece(evil, evil, "error", evil, evil)]}
    text = html(*rows, row(9, evil.encode() * 10, size=9_999), notes=notes)
    assert "<script" not in text
    assert 'alert("' not in text
    assert "alert(" in text


def test_it_makes_signs_visible_that_would_hide_or_turn_text_round():
    text = html(row(data=frame({"type": "x\x00y", "delta": "a\u202eb\nc"})))
    assert "\x00" not in text
    assert "\u202e" not in text
    assert "\n" not in text
    assert cells(text)[5] == "x␀y"


def test_it_survives_lone_surrogates():
    html(row(data=frame({"type": "\ud800", "delta": "\udfff"}))).encode()


def test_it_shows_bytes_it_cannot_read_as_hex_with_the_reason():
    text = html(row(data=b"\x00\x00\x00\x06devl{["))
    assert "64 65 76 6c 7b 5b" in text
    assert '<span class="badge idle" title="' in text


def test_it_never_decodes_a_payload_of_which_it_has_only_the_head():
    text = html(row(data=b"\x00\x98\x96\x80devl[" + b"1," * 5000, size=10_000_000))
    assert cells(text)[4:6] == ["10.0 MB", "large"]
    assert "open the row" in text
    assert len(text) < 2000


def test_it_shows_what_is_wrong_with_the_stored_bytes():
    assert "an empty file" in cells(html(row(data=b"", problem="an empty file")))[-1]


def test_it_shows_a_gap_in_milliseconds_and_says_when_the_clock_went_back():
    assert cells(html(row(gap_ns=None)))[3] == "–"
    assert cells(html(row(gap_ns=0)))[3] == "0"
    assert cells(html(row(gap_ns=-3_200_000)))[3] == "−3.2"
    assert cells(html(row(gap_ns=12_345_600_000)))[3] == "12,345.6"
    assert 'class="gap x g8 big"' in html(row(gap_ns=2_000 * MS))
    assert ' big"' not in html(row(gap_ns=200 * MS))


def test_it_puts_notes_on_the_rows_they_belong_to():
    text = html(row(1), row(2), notes={2: [Piece("no text-start yet", severity="error", at=2)]})
    assert "no text-start yet" not in text[: text.index('id="chunk-2"')]
    assert "no text-start yet" in text
