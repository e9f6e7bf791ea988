"""Payloads that come twice in a row, and what makes a duplicate of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.models import Stream
from streams.repeats import BATCH, PAIRS, Looked, count_repeats, doubt_of_repeats, look, looked_of
from tests.factories import CLOSE_MARKER, make_chunks, make_stream, make_world
from tests.streams.written import CLOSE, chunk, exact, joined, report, store


def seen(text: str, cuts: tuple[int, ...] = ()) -> Looked:
    """Each letter is a payload; `cuts` are the heads at which it was looked at before."""
    told = Looked()
    chunks = [(at, letter.encode()) for at, letter in enumerate(text, start=1)]
    for head in (*cuts, len(text)):
        count_repeats(told, [one for one in chunks if told.to - 2 * BATCH < one[0] <= head])
        told.to = head
    return told


@pytest.mark.parametrize(
    ("text", "near", "batches", "pairs"),
    [
        ("", 0, 0, []), ("abcdef", 0, 0, []), ("aab", 1, 0, [[2, 1]]), ("aaa", 2, 0, [[2, 1], [3, 2]]),
        ("abab", 2, 0, [[4, 2], [3, 1]]), ("abcabc", 3, 3, [[6, 3], [5, 2], [4, 1]]), ("abcxabc", 0, 0, []),
        ("xabcabcy", 3, 3, [[7, 4], [6, 3], [5, 2]]), ("aabaab", 5, 3, None), ("abcab", 0, 0, []),
    ],
)  # fmt: skip
def test_it_finds_neighbours_and_batches_that_repeat(text, near, batches, pairs):
    found = seen(text)
    assert (found.near, found.batches) == (near, batches)
    assert pairs is None or sorted(found.pairs) == sorted(pairs)


@given(st.text("abc", max_size=60), st.lists(st.integers(0, 60), max_size=4))
def test_looking_in_pieces_finds_what_one_look_finds(text, cuts):
    heads = tuple(sorted(cut for cut in cuts if cut < len(text)))
    assert seen(text, heads) == seen(text)


def test_it_keeps_so_many_pairs_and_counts_the_rest():
    found = seen("a" * (PAIRS + 50))
    assert (found.near, len(found.pairs)) == (PAIRS + 49, PAIRS)


def test_a_batch_longer_than_can_be_recognised_is_no_repeat():
    letters = "".join(chr(0x4E00 + at) for at in range(BATCH + 1))
    assert seen(letters * 2).near == 0
    assert seen(letters[:-1] * 2).batches == BATCH


@pytest.mark.django_db
def test_it_looks_at_what_is_new_and_not_at_end_markers():
    stream = make_stream(make_world())
    make_chunks(stream, [b"a", b"b", CLOSE_MARKER, CLOSE_MARKER])
    look(stream)
    assert (looked_of(stream).to, looked_of(stream).near) == (4, 0)
    make_chunks(stream, [b"c", b"c"])
    look(stream)
    assert looked_of(stream).pairs == [[6, 5]]


@pytest.mark.django_db
def test_it_says_where_equal_payloads_cannot_be_told():
    stream = make_stream(make_world())
    make_chunks(stream, [b"\x00\x00\x00\x10encr" + bytes(28)])
    look(stream)
    assert looked_of(stream).sealed
    plain = make_stream(stream.world, "plain")
    make_chunks(plain, [{"type": "text"}])
    look(plain)
    assert not looked_of(plain).sealed


def doubt_after(*records, chunks):
    world = make_world()
    store(world, *chunks)
    if records:
        report(world, *records)
        joined()
    stream = Stream.objects.get()
    look(stream)
    return doubt_of_repeats(stream)


TWICE = (chunk(1, b"a", 1), chunk(2, b"b", 11), chunk(3, b"b", 12), chunk(4, CLOSE, 20))


@pytest.mark.django_db
def test_a_probe_tells_one_write_stored_twice_from_two_equal_writes():
    once = (exact(1, b"a", 0), exact(2, b"b", 10), exact(3, CLOSE, 19))
    assert doubt_after(*once, chunks=TWICE) == "twice"


@pytest.mark.django_db
def test_two_equal_writes_are_no_duplicate():
    both = (exact(1, b"a", 0), exact(2, b"b", 10), exact(3, b"b", 11), exact(4, CLOSE, 19))
    assert doubt_after(*both, chunks=TWICE) == "one write each"


@pytest.mark.django_db
def test_without_reports_only_a_batch_is_suspected():
    assert doubt_after(chunks=TWICE) == "unknown"


@pytest.mark.django_db
def test_a_repeated_batch_is_suspected_without_reports():
    chunks = [chunk(at, letter.encode(), at) for at, letter in enumerate("abcabc", start=1)]
    assert doubt_after(chunks=chunks) == "perhaps twice"


@pytest.mark.django_db
def test_a_writer_that_nobody_reports_leaves_it_suspected():
    assert doubt_after(exact(2, b"b", 10), chunks=TWICE) == "perhaps twice"
