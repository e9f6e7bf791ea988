from __future__ import annotations

import random

from streams.repeating import BATCH, Repeats
from streams.repeats import Looked, count_repeats


def lengths(text: str) -> list[int]:
    repeats = Repeats()
    return [repeats.feed(ord(letter)) for letter in text]


def test_it_says_how_long_the_batch_is_that_comes_again():
    assert lengths("xabcabcy") == [0, 0, 0, 0, 0, 0, 3, 0]
    assert lengths("aab") == [0, 1, 0]


def test_a_batch_that_does_not_come_again_whole_is_none():
    assert lengths("abcab") == [0] * 5


def test_it_forgets_what_lies_further_back_than_one_batch():
    letters = [chr(200 + at) for at in range(BATCH)]
    assert lengths("".join(letters * 2))[-1] == BATCH
    assert lengths("".join([*letters, "!"] * 2)) == [0] * (2 * BATCH + 2)


def test_it_means_the_same_as_the_count_of_stored_chunks():
    rng = random.Random(6)
    for _ in range(300):
        digests = [rng.randrange(4) for _ in range(200)]
        seen, repeats = Looked(), Repeats()
        count_repeats(seen, ((at, bytes([digest])) for at, digest in enumerate(digests, 1)))
        found = [repeats.feed(digest) for digest in digests]
        assert sum(found) == seen.near
        assert sum(one for one in found if one >= 3) == seen.batches
