"""Trades as JSON: a table of bytes is filled column by column, and no Python object stands for a trade on the way.

A number that is shorter than its place leaves zero bytes before it, which are taken out at the end.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from include.generators.coinbase_products import Product
from include.generators.coinbase_trades import Trades
from include.generators.draws import Ints, iso

#: Decimals of a size, and digits of what a ticker tells before them.
SIZE_DECIMALS = 8
_PRICE, _SIZE, _VOLUME, _NUMBER = 11, 14, 19, 17
#: Rows of the table at a time: as many as stay in a processor's cache.
ROWS = 4096

#: Number of digits -> the text of every number that has so many, as an integer of as many bytes; and their base.
_TEXT = {
    size: (np.frombuffer(b"".join(b"%0*d" % (size, number) for number in range(10**size)), f"u{size}"), 10**size)
    for size in (1, 2, 4)
}
#: What ends a row in the table, and is in none.
_END = b"\n"
_TIME = b"0000-00-00T00:00:00.000Z"


class _Field(NamedTuple):
    name: str
    digits: int
    #: Decimals; -1 for those of the product's price. None: no number.
    scale: int | None
    quoted: bool = True


_FIELDS = (
    _Field("sequence", _NUMBER, 0, quoted=False),
    _Field("trade_id", _NUMBER, 0, quoted=False),
    _Field("price", _PRICE, -1),
    _Field("last_size", _SIZE, SIZE_DECIMALS),
    _Field("open_24h", _PRICE, -1),
    _Field("volume_24h", _VOLUME, SIZE_DECIMALS),
    _Field("low_24h", _PRICE, -1),
    _Field("high_24h", _PRICE, -1),
    _Field("volume_30d", _VOLUME, SIZE_DECIMALS),
    _Field("best_bid", _PRICE, -1),
    _Field("best_bid_size", _SIZE, SIZE_DECIMALS),
    _Field("best_ask", _PRICE, -1),
    _Field("best_ask_size", _SIZE, SIZE_DECIMALS),
    _Field("side", 4, None),
    _Field("time", len(_TIME), None),
)


class _Layout(NamedTuple):
    row: NDArray[np.uint8]
    #: Field -> where its digits begin, and where its decimals do.
    places: dict[str, tuple[int, int]]


@functools.lru_cache(maxsize=64)
def _layout(product: Product) -> _Layout:
    row, places = b'{"product_id":"%b"' % product.name, {}
    for field in _FIELDS:
        row += b',"%b":' % field.name.encode() + (b'"' if field.quoted else b"")
        start, scale = len(row), product.decimals if field.scale == -1 else field.scale
        if scale is None:
            places[field.name] = start, start
            row += b"\0" * field.digits
        else:
            whole = field.digits - scale
            row += b"\0" * whole
            places[field.name] = start, start + whole + 1
            row += b"." + b"0" * scale if scale else b""
        row += b'"' if field.quoted else b""
    return _Layout(np.frombuffer(row + b"}" + _END, np.uint8), places)


def rendered(product: Product, made: Trades) -> list[bytes]:
    """The values of trades of one product."""
    layout, texts = _layout(product), []
    for first in range(0, len(made.numbers), ROWS):
        texts += _rows(product, layout, made.only(slice(first, first + ROWS)))
    return texts


def _rows(product: Product, layout: _Layout, made: Trades) -> list[bytes]:
    n = len(made.numbers)
    table = np.empty((n, len(layout.row)), np.uint8)
    table[:] = layout.row
    bids = made.prices - np.where(made.buys, made.spreads, 0)
    columns = {
        "sequence": made.numbers + product.offset,
        "trade_id": made.numbers,
        "price": made.prices,
        "last_size": made.sizes,
        "open_24h": made.opens_24h,
        "volume_24h": made.volumes_24h,
        "low_24h": made.lows_24h,
        "high_24h": made.highs_24h,
        "volume_30d": made.volumes_30d,
        "best_bid": np.maximum(bids, 1),
        "best_bid_size": made.bid_sizes,
        "best_ask": bids + made.spreads,
        "best_ask_size": made.ask_sizes,
    }
    for field in _FIELDS:
        if field.scale is not None:
            scale = product.decimals if field.scale == -1 else field.scale
            start, decimals = layout.places[field.name]
            _write(table, start, decimals, columns[field.name], field.digits - scale, scale)
    start, _ = layout.places["side"]
    table[:, start : start + 4] = np.where(
        made.buys[:, None], *(np.frombuffer(w, np.uint8) for w in (b"buy\0", b"sell"))
    )
    start, _ = layout.places["time"]
    table[:, start : start + len(_TIME)] = np.array(iso(made.times_ms)).view(np.uint8).reshape(n, -1)
    return table[table != 0].tobytes().split(_END)[:-1]


def _write(table: NDArray[np.uint8], start: int, decimals: int, values: Ints, whole: int, scale: int) -> None:
    """Writes numbers with `scale` decimals from `decimals` on, and the digits before them so that they end there."""
    if scale:
        higher = values // 10**scale
        _digits(table, decimals, values - higher * 10**scale, scale)
        values = higher
    least, most = int(values.min()), int(values.max())
    digits = len(str(most))
    if digits > whole:
        raise ValueError(f"{most:,} has more than {whole} digits, for which a ticker has room")
    first = start + whole - digits
    _digits(table, first, values, digits)
    for place in range(digits - len(str(least))):
        table[values < 10 ** (digits - 1 - place), first + place] = 0


def _digits(table: NDArray[np.uint8], start: int, values: Ints, digits: int) -> None:
    """Writes the last `digits` of each value, four at a time as one number of the processor's: ten times as fast."""
    end = start + digits
    while end > start:
        size = min(4, 1 << (end - start).bit_length() - 1)
        text, base = _TEXT[size]
        higher = values // base
        end -= size
        column: NDArray[np.generic] = np.ndarray(len(table), text.dtype, table.data, end, table.strides[:1])
        column[:] = text[values - higher * base]
        values = higher
