"""`python -m local.lock`: the locks anew, from pyproject.toml, local/pyproject.toml and locks/contracts.in.

Locks are uv's requirements, with hashes and without addresses: a mirror serves as well as the public registry. The
runtime's own part of its lock, without hashes, is requirements.txt, which an Astro image installs.
"""

from __future__ import annotations

import subprocess
import sys

from local.install import ROOT, uv

COMPILE = ["pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--no-emit-index-url", "--no-header"]
HASHED = [*COMPILE, "--generate-hashes"]
LOCKS = (
    [*HASHED, "pyproject.toml", "--group", "stack", "--group", "dev", "-o", "locks/runtime.lock"],
    [*HASHED, "local/pyproject.toml", "--group", "local/pyproject.toml:dev", "-o", "locks/emulators.lock"],
    [*HASHED, "locks/contracts.in", "-o", "locks/contracts.lock"],  # the tool of the contracts' standard
    [*COMPILE, "--no-annotate", "pyproject.toml", "-c", "locks/runtime.lock", "-o", "requirements.txt"],
)


def main() -> int:
    """Writes the four files; the first failure ends it."""
    for arguments in LOCKS:
        subprocess.run([uv(), *arguments], cwd=ROOT, check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
