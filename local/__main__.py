"""`python -m local up`: the supervisor of this checkout's place, in the foreground (`floodgate up` detaches it)."""

from __future__ import annotations

import argparse
import os
import sys

from local.place import PlaceError, here
from local.service import ServiceError
from local.supervisor import Supervisor, services


def main() -> int:
    """Runs the stack until it is told to end; exit code 1 and one sentence where it cannot."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    parser.add_argument("command", choices=["up"])
    parser.add_argument("--only", action="append", default=[], metavar="SERVICE", help="this service and what it needs")
    arguments = parser.parse_args()
    os.environ |= {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}  # health is asked on loopback
    try:
        place = here()
        return Supervisor(place, services(place, arguments.only)).run()
    except (PlaceError, ServiceError) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
