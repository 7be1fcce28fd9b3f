"""What the benchmarks say while they go on: to standard error, for standard output is the result's."""

from __future__ import annotations

import sys
import time

_BEGUN = time.monotonic()


def say(text: str) -> None:
    """A line with the seconds since the beginning."""
    print(f"{time.monotonic() - _BEGUN:6.0f} s  {text}", file=sys.stderr, flush=True)
