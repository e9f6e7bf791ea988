from __future__ import annotations

import pytest

from streams.sequence import moved_by_sequence


@pytest.mark.parametrize(
    ("sequences", "expected"),
    [
        ([0, 1, 2, 3], set()),
        ([1, 0, 2, 3], {0}),
        ([3, 0, 1, 2], {0}),
        ([0, 3, 1, 2], {1}),
        ([0, None, 1, None], set()),
        ([5, None, 1, 2], {0}),
        ([0, 0, 1, 1], set()),
        ([4, 9, 3, 6, 0, 5, 1, 7, 8, 2], {1, 2, 4, 6, 9} | {3}),
        ([], set()),
        ([None], set()),
    ],
)
def test_it_calls_the_fewest_chunks_moved(sequences: list[int | None], expected: set[int]):
    found = moved_by_sequence(sequences)
    kept = [number for index, number in enumerate(sequences) if index not in found and number is not None]
    assert kept == sorted(kept)
    assert len(found) == len(expected)
    if len(expected) < 2:
        assert found == expected


def test_a_million_sequence_numbers_are_no_trouble():
    numbers: list[int | None] = list(range(1_000_000))
    numbers[10], numbers[900_000] = numbers[900_000], numbers[10]
    assert moved_by_sequence(numbers) == {10, 900_000}
