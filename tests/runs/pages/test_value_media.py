"""Pictures, `data:` URLs, bytes and long texts in a tree: shown, bounded, and never active."""

from __future__ import annotations

import base64
import struct

import pytest

from runs.pages._media import IMAGE_MAX, image_in, text_in
from runs.pages._tree import tree_html
from runs.payloads import TypedBytes

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
GIF = b"GIF89a" + bytes(20)
EVIL = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>'


def url(kind, data):
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


@pytest.mark.parametrize(
    "data", [PNG, GIF, b"\xff\xd8\xff" + bytes(9), b"RIFF\x00\x00\x00\x00WEBP" + bytes(9)]
)
def test_it_draws_the_four_formats_by_their_bytes(data):
    html = tree_html({"url": url("image/png", data), "bytes": TypedBytes("Uint8Array", data)})
    assert html.count('<img class="pic"') == 1 + (len(data) > 16)
    assert image_in(data) in html


@pytest.mark.parametrize(
    "kind", ["image/svg+xml", "image/png", "text/html", "image/jpeg", 'image/png"onerror="x']
)
def test_it_never_draws_what_is_no_such_picture(kind):
    html = tree_html({"url": url(kind, EVIL), "mimeType": kind, "data": base64.b64encode(EVIL).decode()})
    assert "<img" not in html and "<svg" not in html and "<script" not in html
    assert "<img" not in tree_html(TypedBytes("Uint8Array", EVIL))


def test_it_draws_the_picture_of_an_older_file_part():
    part = {"type": "file", "mimeType": "image/png", "data": base64.b64encode(PNG).decode()}
    assert tree_html(part).count("<img") == 1
    assert "<img" not in tree_html(part | {"data": "no base64"})
    assert "<img" not in tree_html(part | {"mimeType": 5})


def test_it_draws_no_more_than_two_megabytes():
    large = PNG + bytes(IMAGE_MAX)
    assert "<img" not in tree_html([url("image/png", large), TypedBytes("Uint8Array", large)])
    many = [TypedBytes("Uint8Array", PNG + bytes(900_000)) for _ in range(5)]
    assert tree_html(many).count("<img") == 2


def test_it_shows_the_text_of_data_urls_as_text():
    html = tree_html(url("text/html", b"<script>alert(1)</script>"))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert text_in("data:text/plain,a%20b") == "a b"
    assert text_in("data:application/json;charset=utf-8;base64,eyJhIjoxfQ==") == '{"a":1}'
    assert text_in("data:image/svg+xml;base64," + base64.b64encode(EVIL).decode()).startswith("<svg")
    assert text_in("data:application/octet-stream,x") is None
    assert text_in("https://example.com/") is None


def test_it_folds_long_texts_and_bounds_them_all_together():
    assert "<details" not in tree_html("short")
    html = tree_html("x" * 5000)
    assert '<details class="long">' in html and "5,000 characters" in html and "x" * 5000 in html
    assert "more characters: see JSON" in tree_html("x" * 50_000)
    assert len(tree_html(["x" * 50_000] * 500)) < 500_000
    assert '<details class="long">' in tree_html({"stack": "Error: x\n" + "    at y\n" * 9})


def test_it_shows_the_numbers_of_typed_arrays():
    html = tree_html(TypedBytes("Float64Array", struct.pack("<3d", 1.5, 2, -0.0)))
    assert "24 B: 1.5, 2, -0" in html
    assert "… 84 more" in tree_html(TypedBytes("Int8Array", bytes(100)))
    assert "3 B" in tree_html(TypedBytes("Float64Array", bytes(3)))


def test_it_dumps_bytes_with_their_text():
    html = tree_html(TypedBytes("Uint8Array", b"some <b>bytes</b> here" * 100))
    assert "00000000  73 6f 6d 65 20 3c 62 3e" in html
    assert "|some &lt;b&gt;bytes&lt;/b|" in html
    assert "1,176 more bytes" in html
