"""`python -m tests.include.enrichment.ends SERVERS POINT NTH`: enriches what waits, and kills itself when it comes to a
point for the nth time. Without a point it goes on to the end."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter

from include.connections import KAFKA, Endpoint
from include.contracts import load
from include.enrichment.partition import enrich_partition

#: Small, so that a kill finds many transactions.
BATCH = 700
POINTS = ("taken over", "begun", "handed over", "sent", "noted", "committed")


def main(servers: str, point: str = "", nth: str = "1") -> None:
    """Raises what the enrichment raises."""
    endpoint = Endpoint(conn_id=KAFKA, conn_type="kafka", extra={"bootstrap.servers": servers})
    came: Counter[str] = Counter()

    def at(where: str) -> None:
        came[where] += 1
        if where == "begun" and came[where] == 1:
            print("under way", flush=True)
        if where == point and came[where] == int(nth):
            os.kill(os.getpid(), signal.SIGKILL)

    for partition in range(3):
        print(enrich_partition(endpoint, load("clickstream"), partition, batch=BATCH, at=at), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
