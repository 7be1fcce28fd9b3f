"""How many events a burst is about: a draw within the contract's bounds, or what was asked for."""

from __future__ import annotations

from include.contracts import Contract
from include.contracts.event import Window
from include.generators.draws import Draws

#: The shard of the bursts that the schedule makes, one a window.
SCHEDULED = "0"
#: What the shards of a history's bursts begin with: their events are of long ago because somebody asked for them.
HISTORY = "history-"


def burst_size(contract: Contract, window: Window, *, seed: int, size: int | None, shard: str) -> int:
    """`size`, or a draw from the contract that depends on window, seed and shard alone; raises ValueError."""
    if size is None:
        if contract.burst is None:
            raise ValueError(f"contract {contract.domain} has no burst size: give it one, or give a size here")
        return int(Draws(seed, contract.domain, window, shard, "size").integers(1, *contract.burst.size)[0])
    if size < 0:
        raise ValueError(f"a burst of {size} events: give a size of 0 or more")
    if shard == SCHEDULED:
        # It would bear the scheduled burst's name and replace its receipt, but not its events.
        raise ValueError(f"shard {SCHEDULED!r} is the scheduled burst's: a burst with a size needs one of its own")
    return size
