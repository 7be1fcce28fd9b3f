"""Kafka's jars by hand: `fetch` completes the cache, `resolve` prints a new lock (local/kafka/*.lock)."""

from __future__ import annotations

import argparse
import sys

from local.kafka import jars
from local.service import ServiceError


def main() -> int:
    """0 or, with one sentence on stderr, 1."""
    parser = argparse.ArgumentParser(prog="python -m local.kafka", description=__doc__)
    parser.add_argument("command", choices=["fetch", "resolve"])
    parser.add_argument("service", choices=list(jars.LOCKS), help="whose jars")
    asked = parser.parse_args()
    if asked.command == "resolve":
        head = f"# group:artifact:version sha256 bytes; made by `python -m local.kafka resolve {asked.service}`"
        print(head, *jars.resolve(asked.service), sep="\n")
        return 0
    try:
        jars.fetch(jars.locked(asked.service), jars.cache(), lambda line: print(line, flush=True))
    except ServiceError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
