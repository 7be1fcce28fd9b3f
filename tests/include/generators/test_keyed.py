import numpy as np

from include.generators.keyed import draw, fractions, key


def test_a_draw_is_what_its_key_and_number_say_alone_and_among_others():
    keys = draw(key("a", 1), np.arange(1000))
    together = draw(keys, 7)
    assert together[123] == draw(keys[123:124], 7)[0]
    assert (draw(keys[:3], np.array([5, 6, 7]))[2:] == draw(keys[2:3], 7)).all()
    assert len(set(together.tolist())) == 1000
    assert key("a", 1) != key("a", 2)
    assert draw(np.array([0], np.uint64), 0)[0] == 0xE220A8397B1DCDAF  # as SplitMix64 begins from 0


def test_draws_are_spread_evenly_over_keys_and_over_numbers():
    for drawn in (draw(draw(key("x"), np.arange(100_000)), 3), draw(key("x"), np.arange(100_000))):
        shares = fractions(drawn)
        assert shares.min() >= 0
        assert shares.max() < 1
        counts = np.histogram(shares, 50, (0, 1))[0]
        assert ((counts - 2000) ** 2 / 2000).sum() < 110  # chi-squared of 49 degrees of freedom; once in a million
        assert abs(np.corrcoef(shares[:-1], shares[1:])[0, 1]) < 0.02
    uneven = np.histogram(fractions(draw(key("x"), np.arange(100_000))) ** 1.1, 50, (0, 1))[0]
    assert ((uneven - 2000) ** 2 / 2000).sum() > 110
