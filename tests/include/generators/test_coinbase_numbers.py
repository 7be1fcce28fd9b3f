import numpy as np
import pytest

from include.generators.coinbase_numbers import bridge, exp, normals, shared
from include.generators.coinbase_products import PRODUCTS
from include.generators.coinbase_text import rendered
from include.generators.coinbase_trades import Trades
from include.generators.draws import Draws


def test_exp_is_exp():
    x = np.concatenate([np.linspace(-700, 700, 10_001), [0.0, 1.0, -1e-9]])
    assert np.abs(exp(x) / np.exp(x) - 1).max() < 1e-15 * 4
    assert exp(np.array([0.0]))[0] == 1.0


def test_normals_are_nearly_normal():
    drawn = normals(Draws("x"), 200_000)
    assert abs(drawn.mean()) < 0.01 and abs(drawn.std() - 1) < 0.01 and np.abs(drawn).max() < 3.47


def test_shares_add_up_and_nothing_gets_nothing():
    parts = shared(np.array([10, 7_000_000_000_000_001]), np.array([[1.0, 0.0, 2.0], [0.0, 0.1, 0.2]]))
    assert parts.sum(axis=1).tolist() == [10, 7_000_000_000_000_001]
    assert parts[0, 1] == 0 == parts[1, 0] and (parts >= 0).all()


def test_a_bridge_ends_where_it_must():
    steps = normals(Draws("y"), 300).reshape(3, 100)
    path = bridge(np.zeros(3), np.array([1.0, 2.0, -5.0]), steps, np.full((3, 100), 0.01))
    assert path[:, -1].tolist() == [1.0, 2.0, -5.0]
    assert np.abs(np.diff(path, axis=1)).max() < 1.0


def one(**fields):
    n = len(next(iter(fields.values())))
    whole = {name: np.full(n, 1, np.int64) for name in Trades._fields} | {"buys": np.zeros(n, bool)}
    return Trades(**(whole | {name: np.array(values, np.int64) for name, values in fields.items()}))


def test_numbers_of_different_lengths_are_written_without_zeros_before_them():
    doge = next(product for product in PRODUCTS if product.decimals == 5)
    texts = rendered(doge, one(prices=[1, 99_999, 100_000, 123_456_789], sizes=[1, 10**8, 10**14 - 1, 5 * 10**9]))
    for text, price, size in zip(
        texts,
        (b"0.00001", b"0.99999", b"1.00000", b"1234.56789"),
        (b"0.00000001", b"1.00000000", b"999999.99999999", b"50.00000000"),
        strict=True,
    ):
        assert b'"price":"%b","last_size":"%b"' % (price, size) in text


def test_what_has_no_room_is_told():
    with pytest.raises(ValueError, match="more than 6 digits"):
        rendered(PRODUCTS[0], one(sizes=[10**14]))
