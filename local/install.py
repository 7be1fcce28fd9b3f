"""`python3 -m local.install`: both environments from their locks, with nothing but a Python of 3.11 to 3.13.

The locks hold versions and sha256 and no address, so packages come from wherever the user's pip or uv is told to look.
Plain standard library. What is there already is left alone: a second call takes no time.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = "uv==0.13.9"
BOOT = ROOT / ".uv"
#: Environment -> its lock.
ENVIRONMENTS = {
    ROOT / ".venv": ROOT / "locks" / "runtime.lock",
    ROOT / "local" / ".venv": ROOT / "locks" / "emulators.lock",
}
#: What each gets when it is made; a change of the scheme makes it anew.
SCHEME = "1"
SYNC = ("pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode")

SCRIPT = """\
#!{python}
import sys

from commands.main import main

sys.exit(main())
"""


class InstallError(Exception):
    """The environments cannot be made; the text says what to do."""


def main() -> int:
    """Makes what is missing; 1 and one sentence where that fails."""
    try:
        install()
    except InstallError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    return 0


def install() -> None:
    """Both environments as their locks say; raises InstallError."""
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        raise InstallError(
            f"this is Python {sys.version.split()[0]}, and Airflow with dbt needs 3.11 to 3.13: "
            "install one of them and run `make setup PYTHON=python3.12`"
        )
    for venv, lock in ENVIRONMENTS.items():
        make(venv, lock)


def make(venv: Path, lock: Path) -> None:
    """One environment as its lock says, where it is not that already; raises InstallError."""
    if _stamp(venv) == _wanted(lock):
        return
    _room()
    tool = uv()
    begun = time.monotonic()
    print(f"setup: {venv.relative_to(ROOT)} from {lock.relative_to(ROOT)} ...", flush=True)
    python = venv / "bin" / "python"
    if not _usable(python):
        _run([tool, "venv", "--quiet", "--clear", "--python", sys.executable, str(venv)])
    _run([tool, *SYNC, "--python", str(python), str(lock)])
    _bind(venv)
    (venv / ".floodgate").write_text(_wanted(lock))
    print(f"setup: {venv.relative_to(ROOT)} is ready ({time.monotonic() - begun:.0f} s)", flush=True)


def _wanted(lock: Path) -> str:
    return (
        f"{SCHEME} {sys.version_info[0]}.{sys.version_info[1]} {ROOT} {hashlib.sha256(lock.read_bytes()).hexdigest()}"
    )


def _stamp(venv: Path) -> str:
    try:
        return (venv / ".floodgate").read_text()
    except OSError:
        return ""


def _usable(python: Path) -> bool:
    """Whether an environment of this very Python version stands there."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    try:
        found = subprocess.run(
            [str(python), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return False
    return found.stdout.strip() == version


def _room() -> None:
    free = shutil.disk_usage(ROOT).free
    if free < 3 << 30:
        raise InstallError(
            f"{free / (1 << 30):.1f} GB are free at {ROOT}, and the environments take 3: make room first"
        )


def uv() -> str:
    """uv from PATH, or of our own by pip."""
    if found := shutil.which("uv"):
        return found
    own = BOOT / "bin" / "uv"
    if not own.exists():
        print("setup: uv ...", flush=True)
        _run(
            [sys.executable, "-m", "venv", "--clear", str(BOOT)], "its venv module does not work: install python3-venv"
        )
        _run([str(BOOT / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", UV])
    return str(own)


def _run(command: list[str], hint: str = "") -> None:
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **_index()}, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise InstallError(
            f"`{' '.join(command)}` failed{': ' + hint if hint else ''}\n{said[-2000:]}\n"
            "Check the network, or name your mirror in pip's or uv's own configuration, then run `make setup` again."
        )


def _index() -> dict[str, str]:
    """uv does not read pip's configuration; a company's mirror and certificate often stand only there."""
    pip = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    told = dict(line.split("=", 1) for line in pip.splitlines() if "=" in line)
    settings = {name.rpartition(".")[2].replace("_", "-"): value.strip("'\"") for name, value in told.items()}
    names = {
        "index-url": "UV_DEFAULT_INDEX",
        "extra-index-url": "UV_INDEX",
        "find-links": "UV_FIND_LINKS",
        "cert": "SSL_CERT_FILE",
    }
    return {
        variable: settings[name]
        for name, variable in names.items()
        if settings.get(name) and variable not in os.environ
    }


def _bind(venv: Path) -> None:
    """The checkout on the environment's path, and in the runtime's the command."""
    site = next((venv / "lib").glob("python3*/site-packages"))
    (site / "floodgate.pth").write_text(f"{ROOT}\n")
    if venv == ROOT / ".venv":
        script = venv / "bin" / "floodgate"
        script.write_text(SCRIPT.format(python=venv / "bin" / "python"))
        script.chmod(0o755)


if __name__ == "__main__":
    sys.exit(main())
