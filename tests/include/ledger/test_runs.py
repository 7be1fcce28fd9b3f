import random

import pytest

from include.ledger.runs import common, joined, size, within, without


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([], []),
        ([(3, 3)], [(3, 3)]),
        ([(5, 6), (1, 2)], [(1, 2), (5, 6)]),
        ([(1, 2), (3, 4)], [(1, 4)]),  # they touch
        ([(1, 9), (2, 3), (8, 12)], [(1, 12)]),
    ],
)
def test_runs_in_any_order_are_joined(runs, expected):
    assert joined(runs) == expected


def offsets(runs):
    return {offset for first, last in runs for offset in range(first, last + 1)}


def test_it_is_the_arithmetic_of_sets():
    draws = random.Random(4)
    for _ in range(2_000):
        these, those = (
            joined((a := draws.randint(0, 30), a + draws.randint(0, 6)) for _ in range(draws.randint(0, 5)))
            for _ in "ab"
        )
        first = draws.randint(-2, 35)
        last = first + draws.randint(0, 20)
        assert offsets(common(these, those)) == offsets(these) & offsets(those)
        assert offsets(without(these, those)) == offsets(these) - offsets(those)
        assert offsets(within(these, first, last)) == offsets(these) & offsets([(first, last)])
        assert size(these) == len(offsets(these))
        for made in (common(these, those), without(these, those), within(these, first, last)):
            assert made == joined(made)  # sorted, and no two touch
