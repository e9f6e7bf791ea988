"""Frames that a transport merged or split."""

from __future__ import annotations

import time

import pytest

from runs.payloads import FrameReader
from tests.runs.payloads.cases import devl, frame

STREAM = frame(devl("one")) + frame(b"") + frame(devl("three"))
FRAMES = [devl("one"), b"", devl("three")]


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_it_puts_frames_together(size: int) -> None:
    reader = FrameReader()
    found = [one for at in range(0, len(STREAM), size) for one in reader.feed(STREAM[at : at + size])]
    assert found == FRAMES
    assert reader.rest() == b""
    assert reader.problem is None


def test_it_keeps_what_has_not_ended() -> None:
    reader = FrameReader()
    assert reader.feed(STREAM + frame(b"12345")[:6]) == FRAMES
    assert reader.rest() == frame(b"12345")[:6]
    assert reader.problem is not None
    assert reader.feed(b"345") == [b"12345"]


def test_it_says_when_bytes_are_no_frames() -> None:
    reader = FrameReader()
    assert reader.feed(b"no frames") + reader.feed(b" at all") == []
    assert reader.rest() == b"no frames at all"
    assert reader.problem is not None
    assert reader.problem.reason.endswith("no frame starts here")


def test_it_says_when_a_length_is_cut() -> None:
    reader = FrameReader()
    reader.feed(b"\x00\x00")
    assert reader.problem is not None
    assert reader.problem.reason == "2 bytes after the last frame are no complete length"


def test_it_takes_linear_time_for_a_large_frame_in_small_pieces() -> None:
    reader, started = FrameReader(), time.monotonic()
    data = frame(bytes(8_000_000))
    found = [one for at in range(0, len(data), 1000) for one in reader.feed(data[at : at + 1000])]
    assert len(found[0]) == 8_000_000
    assert time.monotonic() - started < 2
