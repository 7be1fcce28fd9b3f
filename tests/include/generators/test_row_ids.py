from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from include.contracts.event import Window
from include.generators.row_ids import REPLAYED, first_row_id

START = datetime(2026, 5, 1, 12, tzinfo=UTC)


def window(seconds=120, start=START):
    return Window(start, start + timedelta(seconds=seconds))


def test_windows_in_a_row_never_share_ids():
    first = [first_row_id(window(start=START + timedelta(minutes=2 * n)), "0", 1000) for n in range(50)]
    assert first == sorted(first)
    assert all(b - a >= 1000 for a, b in pairwise(first))


def test_numbered_shards_never_share_ids():
    taken = sorted((first_row_id(window(), f"x.{n}", rows), rows) for n, rows in enumerate([4097, 4096, 7, 10**6] * 16))
    assert all(b - a >= rows for (a, rows), (b, _) in pairwise(taken))


def test_ids_are_exact_in_json_and_apart_from_those_of_files():
    late = window(start=datetime(2053, 1, 1, tzinfo=UTC))
    assert first_row_id(late, "0", 10) + 10 < REPLAYED < 1 << 53


@pytest.mark.parametrize("year", [2019, 2055])
def test_years_without_ids_are_refused(year):
    with pytest.raises(ValueError, match="2020 to 2054"):
        first_row_id(window(start=datetime(year, 1, 1, tzinfo=UTC)), "0", 10)


def test_more_rows_than_the_window_has_ids_are_refused():
    with pytest.raises(ValueError, match="make the window longer"):
        first_row_id(window(1), "x", 5_000_000)
    with pytest.raises(ValueError, match="make the window longer"):
        first_row_id(window(1), "x.64", 1000)
