"""Runs a program that ends with the one that started it: `python tether.py SIGNAL PARENT_PID PROGRAM [ARGUMENT ...]`.

The kernel sends SIGNAL to the program when its parent dies, by whatever death. Linux only; elsewhere it just runs it,
and what a killed supervisor leaves is ended by the next `floodgate up` or `down`. Standard library, run with -S: 20 ms.
"""

import os
import sys

PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    number, parent = int(sys.argv[1]), int(sys.argv[2])
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:
            sys.exit("the supervisor ended before its service began")
    try:
        os.execv(sys.argv[3], sys.argv[3:])  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.exit(f"{sys.argv[3]} cannot be run: {error.strerror}")
