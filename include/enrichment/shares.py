"""What each burst of the source has in the enriched topic: receipts, so that the ledger counts it as any burst.

A burst's stretch of a partition is enriched whole, in one transaction, and its receipt bears the burst's own name. So a
burst that was produced twice, and enriched twice, has one receipt, that of the later copy. Records without a receipt,
which nobody promised, have none here either, but for those of a redrive (again.py).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from include.kafka.burst import Stretch
from include.kafka.errors import KafkaError
from include.kafka.receipts import Receipt


class Block(msgspec.Struct, frozen=True, eq=False):
    """Bursts whose offsets in the source's partition mingle, as one stretch: first and last offset."""

    first: int
    last: int
    receipts: tuple[Receipt, ...]


class Blocks:
    """Stretches in order, none of which touches another."""

    def __init__(self, blocks: Iterable[Block] = ()) -> None:
        self._blocks = list(blocks)
        self._firsts = [block.first for block in self._blocks]

    def of(self, offset: int) -> Block | None:
        """The stretch that an offset lies in."""
        place = bisect_right(self._firsts, offset) - 1
        return self._blocks[place] if place >= 0 and offset <= self._blocks[place].last else None


def blocks(receipts: Iterable[Receipt], start: int, end: int) -> tuple[Blocks, int]:
    """The stretches that can be enriched of what readers may see, from `start` to before `end`; and where to stop.

    A burst beside one that is still under way is seen in part: nothing of it is enriched before it can be whole.
    `receipts` are all that were ever written for the partition: an earlier copy of a burst is a stretch, too.
    """
    found: list[Block] = []
    for receipt in sorted(receipts, key=lambda one: one.first_offset):
        if receipt.last_offset < start:
            continue
        last = found[-1] if found else None
        if last and receipt.first_offset <= last.last:
            found[-1] = Block(last.first, max(last.last, receipt.last_offset), (*last.receipts, receipt))
        else:
            found.append(Block(receipt.first_offset, receipt.last_offset, (receipt,)))
    cut = next((block.first for block in found if block.last >= end), end)
    return Blocks(block for block in found if block.last < end), min(cut, end)


def receipts(block: Block, made: Stretch, topic: str) -> list[Receipt]:
    """The receipts of a stretch that was enriched as `made`; raises KafkaError where the broker told no offsets.

    Each burst has as many events as in the source, but for those that were malformed; which burst those are of, nobody
    knows where several mingle, and the ledger compares these as one.
    """
    if made.last is None:  # all of it was malformed
        return []
    first, last = made.first_offset, made.last.offset()
    if first is None or last is None or not 0 <= first <= last:
        raise KafkaError(f"the broker told no offsets for {topic}: enrich again, nothing of this counts")
    missing = max(0, sum(one.events for one in block.receipts) - made.events)
    produced_at = _moment(made.last.timestamp()[1])
    found = []
    for one in _in_order(block.receipts):
        fewer = min(missing, one.events)
        missing -= fewer
        place = {"event_id": f"{one.burst}/{topic}/{made.partition}", "topic": topic, "partition": made.partition}
        found.append(
            msgspec.structs.replace(
                one,
                **place,
                events=one.events - fewer,
                first_offset=first,
                last_offset=last,
                produced_at=produced_at,
            )
        )
    return found


def _in_order(receipts: Sequence[Receipt]) -> list[Receipt]:
    """The latest last: where a burst mingles with an earlier copy of itself, that one counts."""
    return sorted(receipts, key=lambda one: one.produced_at)


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)
