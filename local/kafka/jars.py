"""The jars of what Java runs here: committed locks of what Maven resolved, and a cache that every checkout shares.

Fetching and resolving need the emulators' environment (jgo). A cache that is complete is checked by its sha256 sums
with the standard library alone, and nobody is asked anything.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.place import Place
from local.service import ServiceError

# One lock a service; what both need lies in the cache once.
LOCKS = {
    "kafka": Path(__file__).with_name("jars.lock"),
    "connect_runtime": Path(__file__).with_name("connect.lock"),
}

# The mark "!" keeps log4j's own table of versions from overruling Kafka's: with it the set is the one Maven resolves.
LOGGING = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4!"
ROOTS = {
    "kafka": ("org.apache.kafka:kafka_2.13:4.3.1", LOGGING),
    "connect_runtime": (
        "org.apache.kafka:connect-runtime:4.3.1",
        "org.apache.kafka:connect-json:4.3.1",
        "org.apache.kafka:connect-file:4.3.1",
        LOGGING,
    ),
}

TRIES = 3
THREADS = 8


@dataclass(frozen=True, order=True)
class Jar:
    """One line of the lock."""

    group: str
    artifact: str
    version: str
    sha256: str
    size: int

    def __str__(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"

    @property
    def path(self) -> Path:
        """Where it lies in the cache, and in any Maven repository."""
        return Path(*self.group.split("."), self.artifact, self.version, f"{self.artifact}-{self.version}.jar")


def locked(service: str = "kafka") -> tuple[Jar, ...]:
    """The jars of a service's lock, sorted; lines are `group:artifact:version sha256 bytes`."""
    jars = []
    for line in LOCKS[service].read_text().splitlines():
        if line and not line.startswith("#"):
            coordinate, sha256, size = line.split()
            group, artifact, version = coordinate.split(":")
            jars.append(Jar(group, artifact, version, sha256, int(size)))
    return tuple(sorted(jars))


def cache() -> Path:
    """The folder of jars that all checkouts of this user share: $XDG_CACHE_HOME/floodgate/jars."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "floodgate" / "jars"


def missing(jars: Sequence[Jar], folder: Path) -> list[Jar]:
    """Those that are not in `folder`, or are there with other bytes than the lock says."""
    return [jar for jar in jars if not _is(jar, folder / jar.path)]


def class_path(jars: Sequence[Jar], folder: Path) -> str:
    """All jars in one fixed order, each by name: a class archive holds for this very text only."""
    return os.pathsep.join(str(folder / jar.path) for jar in jars)


def ensure(place: Place, service: str) -> tuple[Jar, ...]:
    """Makes the cache complete for a service, whose log gets the progress; gives its jars. Raises ServiceError."""
    jars, folder = locked(service), cache()
    if missing(jars, folder):
        if not place.emulators_python.exists():
            raise ServiceError(f"The local services' Python {place.emulators_python} is missing: run `make setup`.")
        command = [str(place.emulators_python), "-m", "local.kafka", "fetch", service]
        with place.log(service).open("a") as log:
            done = subprocess.run(
                command, cwd=place.root, stdout=log, stderr=subprocess.PIPE, text=True, env=_environment(place)
            )
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
            raise ServiceError(last.removeprefix("error: "))
    return jars


def fetch(jars: Sequence[Jar], folder: Path, report: Callable[[str], None]) -> None:
    """Fetches the missing ones into `folder`, each checked before it is put there; raises ServiceError.

    jgo knows where jars come from: its default, or the mirror that the user's own jgo configuration names.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(folder), tempfile.TemporaryDirectory(dir=folder, prefix=".incoming-") as incoming:
            # Another checkout may have fetched them while this one waited.
            wanted = missing(jars, folder)
            _room_for(wanted, folder)
            _fetch_all(wanted, folder, Path(incoming), report)
    except OSError as problem:
        if problem.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ServiceError(_full(folder, jars)) from problem
        if isinstance(problem, PermissionError) or problem.errno == errno.EROFS:
            raise ServiceError(
                f"Kafka's jars cannot be written to {folder} ({problem.strerror}): "
                "make it writable, or set XDG_CACHE_HOME to a folder that is."
            ) from problem
        raise


def resolve(service: str) -> list[str]:
    """The lines of a new lock for a service, by Maven's rules; asks the network, takes a quarter of a minute."""
    from jgo.maven import MavenContext

    with tempfile.TemporaryDirectory() as folder:
        context = MavenContext(repo_cache=Path(folder), remote_repos=_repositories(), timeout=60)
        tops, below = context.resolver.resolve([context.create_dependency(root) for root in ROOTS[service]])
        lines = []
        for one in tops + below:
            content = one.artifact.resolve().read_bytes()
            coordinate = f"{one.groupId}:{one.artifactId}:{one.version}"
            lines.append(f"{coordinate} {hashlib.sha256(content).hexdigest()} {len(content)}")
    return sorted(lines)


def _is(jar: Jar, path: Path) -> bool:
    try:
        if path.stat().st_size != jar.size:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == jar.sha256
    except FileNotFoundError:
        return False


def _fetch_all(wanted: Sequence[Jar], folder: Path, incoming: Path, report: Callable[[str], None]) -> None:
    total, done = sum(jar.size for jar in wanted), 0
    with ThreadPoolExecutor(THREADS) as threads:
        tasks = {threads.submit(_fetch_one, jar, folder, incoming): jar for jar in wanted}
        try:
            for count, task in enumerate(as_completed(tasks), start=1):
                task.result()
                done += tasks[task].size
                report(f"jars: {count} of {len(wanted)}, {done / 1e6:.1f} of {total / 1e6:.1f} MB")
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise


def _fetch_one(jar: Jar, folder: Path, incoming: Path) -> None:
    import requests
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext

    settings = GlobalSettings.load()
    for left in reversed(range(TRIES)):
        # The user's own Maven folder is read where it holds the jar already; what is wrong in it is refused like any.
        context = MavenContext(
            repo_cache=incoming, local_repos=[settings.repo_cache], remote_repos=_repositories(), timeout=30
        )
        try:
            found = context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
            break
        except (requests.RequestException, RuntimeError) as problem:
            shutil.rmtree(incoming / jar.path.parent, ignore_errors=True)  # jgo leaves half a file behind
            if left == 0:
                reason = str(problem).splitlines()[0][:300]
                raise ServiceError(
                    f"{jar} could not be fetched ({type(problem).__name__}: {reason}): connect to the network, or name "
                    f"a mirror under [repositories] in jgo's configuration file, then start again."
                ) from problem
    if not _is(jar, found):
        got = hashlib.sha256(found.read_bytes()).hexdigest()
        raise ServiceError(
            f"{jar} came with sha256 {got[:12]}.. and the lock says {jar.sha256[:12]}..: it was not kept; "
            f"see who changed it on the way (a mirror or proxy, or {settings.repo_cache}), then start again."
        )
    target = folder / jar.path
    target.parent.mkdir(parents=True, exist_ok=True)
    if incoming not in found.parents:
        found = Path(shutil.copy(found, incoming / target.name))
    found.replace(target)


def _repositories() -> dict[str, str]:
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext

    # The user's own first: a company's mirror is there because the default cannot be reached.
    own = GlobalSettings.load().repositories
    return own | {name: address for name, address in MavenContext().remote_repos.items() if name not in own}


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _room_for(jars: Sequence[Jar], folder: Path) -> None:
    if shutil.disk_usage(folder).free < 2 * sum(jar.size for jar in jars):
        raise ServiceError(_full(folder, jars))


def _full(folder: Path, jars: Sequence[Jar]) -> str:
    need = 2 * sum(jar.size for jar in jars) / 1e6
    return f"The disk of {folder} is full: free {need:.0f} MB there, or set XDG_CACHE_HOME to another disk."


def _environment(place: Place) -> dict[str, str]:
    env = os.environ | {"PYTHONPATH": str(place.root)}
    # jgo's HTTP library reads a variable of its own for the authorities to trust; most tools read this one.
    if "SSL_CERT_FILE" in env:
        env.setdefault("REQUESTS_CA_BUNDLE", env["SSL_CERT_FILE"])
    return env
