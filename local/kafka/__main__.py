"""The broker's jars by hand: `fetch` completes the cache, `resolve` prints a new lock (local/kafka/jars.lock)."""

from __future__ import annotations

import argparse
import sys

from local.kafka import jars
from local.service import ServiceError


def main() -> int:
    """0 or, with one sentence on stderr, 1."""
    parser = argparse.ArgumentParser(prog="python -m local.kafka", description=__doc__)
    parser.add_argument("command", choices=["fetch", "resolve"])
    if parser.parse_args().command == "resolve":
        print(
            "# group:artifact:version sha256 bytes; made by `python -m local.kafka resolve`", *jars.resolve(), sep="\n"
        )
        return 0
    try:
        jars.fetch(jars.locked(), jars.cache(), lambda line: print(line, flush=True))
    except ServiceError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
