import uuid
from datetime import UTC, datetime

import numpy as np
import pytest

from include.generators.draws import Draws, iso

GOLDEN = {"integers": [848, 489, 788, 887], "uuids": [b"86a2f140-04f4-41b6-b0d5-2fa5802bad76"]}


def test_a_path_decides_its_draws():
    assert Draws(1, "a").uuids(3) == Draws(1, "a").uuids(3)
    assert Draws(1, "a").uuids(3) != Draws(1, "b").uuids(3)
    # Drawing goes on: a longer draw begins as a shorter one.
    assert Draws(1, "a").uuids(5)[:3] == Draws(1, "a").uuids(3)


def test_draws_are_those_of_every_version():
    """Written down once: an upgrade of numpy that changes them would give old windows other ids."""
    draws = Draws(20240101, "ecommerce")
    assert draws.integers(4, 1, 1000).tolist() == GOLDEN["integers"]
    assert draws.uuids(1) == GOLDEN["uuids"]


def test_uuids_are_uuids_and_no_two_alike():
    ids = Draws("ids").uuids(20_000)
    assert len(set(ids)) == 20_000
    for one in ids[:500]:
        parsed = uuid.UUID(one.decode())
        assert (str(parsed).encode(), parsed.version, parsed.variant) == (one, 4, uuid.RFC_4122)
    assert Draws("ids").uuids(0) == []


def test_integers_have_both_ends_and_nothing_beyond():
    numbers = Draws("integers").integers(10_000, -3, 3)
    counts = dict(zip(*(column.tolist() for column in np.unique(numbers, return_counts=True)), strict=True))
    assert set(counts) == {-3, -2, -1, 0, 1, 2, 3}
    assert min(counts.values()) > 1200


def test_picks_follow_their_weights():
    picks = Draws("picks").picks(10_000, (8, 2, 0))
    assert set(picks.tolist()) == {0, 1}
    assert 0.77 < (picks == 0).mean() < 0.83


@pytest.mark.parametrize("ms", [0, 1, 999, 86_399_999, 86_400_000, 1_709_251_199_999, 1_714_564_812_949])
def test_iso_is_what_python_writes(ms):
    written = datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)
    assert iso(np.array([ms, 1_700_000_000_000]))[0].decode() == written.isoformat(timespec="milliseconds").replace(
        "+00:00", "Z"
    )


def test_iso_of_nothing():
    assert iso(np.array([], np.int64)) == []
