"""A Java program as a service: its arguments, its log format, and an archive of its classes that halves the start.

All paths in these files are relative to place.data(service), the working folder, so that no path needs escaping.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from local.kafka import jars, java
from local.kafka.java import Java
from local.place import Place
from local.service import Service, ServiceError

HEAP_MB = 256
COLLECTOR = "-XX:+UseSerialGC"
ARCHIVE_DAYS = 30

LOGGING = Path(__file__).with_name("log4j2.properties")
RECORDING = "classes.recording"


def service(
    place: Place,
    name: str,
    main: tuple[str, ...],
    *,
    prepare: Callable[[Java], None],
    ready: Callable[[], str | None],
    ports: tuple[int, ...],
    needs: tuple[str, ...] = (),
) -> Service:
    """The service that runs the class `main`, with its arguments; a missing Java is told when it is prepared."""
    try:
        found, problem = java.find(place), None
    except ServiceError as error:
        found, problem = Java(Path("java"), ""), error
    folder = place.data(name)

    def prepared() -> None:
        if problem:
            raise problem
        try:
            prepare(found)
        except OSError as error:
            raise ServiceError(
                f"The folder {folder} cannot be prepared ({error.strerror}): "
                "free space on its disk and make it writable."
            ) from error

    return Service(
        name=name,
        argv=(str(found.path), f"@{folder / 'java.args'}", *main),
        cwd=folder,
        ports=ports,
        needs=needs,
        prepare=prepared,
        ready=ready,
        # The first clean stop also writes the class archive.
        stop_within_s=45.0,
        start_within_s=90.0,
    )


def prepare(place: Place, service: str, java: Java, class_path: str) -> None:
    """Writes what Java is started with to the service's folder, and empties its folder for temporary files."""
    folder = place.data(service)
    shutil.copyfile(LOGGING, folder / LOGGING.name)
    # Native libraries are unpacked here; a killed process leaves them behind.
    shutil.rmtree(folder / "tmp", ignore_errors=True)
    (folder / "tmp").mkdir()
    words = _arguments(java, class_path, archive(place, service, java, class_path))
    (folder / "java.args").write_text("".join(f'"{_quoted(word)}"\n' for word in words))


def write_properties(path: Path, settings: dict[str, str | int]) -> None:
    """A .properties file of settings that need no escaping."""
    path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))


def note(place: Place, service: str, words: str) -> None:
    """Adds to the service's log."""
    with place.log(service).open("a") as log:
        log.write(words.rstrip("\n") + "\n")


def archive(place: Place, service: str, java: Java, class_path: str) -> Path:
    """Where the archive of loaded classes is, or will be after the first clean stop: it halves the time to start.

    A run without one writes RECORDING as it ends; the next start moves that to the cache, where all checkouts find it.
    """
    files = [Path(name).stat() for name in class_path.split(os.pathsep)]
    # Java refuses an archive when a jar's time is another, so the time is part of the name.
    same = (str(java.path), java.version, COLLECTOR, class_path, [(one.st_size, one.st_mtime_ns) for one in files])
    kept = jars.cache().with_name("classes") / (hashlib.sha256(repr(same).encode()).hexdigest()[:16] + ".archive")
    recording = place.data(service) / RECORDING
    try:
        if kept.exists():
            os.utime(kept)  # still in use
        elif _whole(recording):
            _save(recording, kept)
    except OSError as problem:  # a service without one starts too
        note(place, service, f"The archive of classes is not at {kept}, starts stay slow: {problem.strerror}.")
    recording.unlink(missing_ok=True)
    return kept


def _arguments(java: Java, class_path: str, kept: Path) -> list[str]:
    words = ["-Xms64m", f"-Xmx{HEAP_MB}m", COLLECTOR, "-XX:-UsePerfData"]
    # The supervisor starts it again; a process that limps on without heap answers nobody.
    words += ["-XX:+ExitOnOutOfMemoryError", "-XX:ErrorFile=java_error.log"]
    words += [f"-Dlog4j2.configurationFile={LOGGING.name}", "-Djava.io.tmpdir=tmp", "-Djava.awt.headless=true"]
    if java.major >= 24:  # else a page of warnings about what its libraries do
        words += ["--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow"]
    one_step = java.major >= 25
    if kept.exists():
        words.append(f"-XX:{'AOTCache' if one_step else 'SharedArchiveFile'}={kept}")
    else:
        words.append(f"-XX:{'AOTCacheOutput' if one_step else 'ArchiveClassesAtExit'}={RECORDING}")
    return [*words, "-Xlog:disable", "-Xlog:all=error:stderr", "-cp", class_path]


def _save(recording: Path, kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    # Another checkout may look for it at this moment: it is there whole, or not at all.
    new = kept.with_suffix(f".{os.getpid()}")
    try:
        shutil.copyfile(recording, new)
        new.replace(kept)
    finally:
        new.unlink(missing_ok=True)
    for old in kept.parent.iterdir():
        if time.time() - old.stat().st_mtime > ARCHIVE_DAYS * 86400:
            old.unlink(missing_ok=True)


def _whole(recording: Path) -> bool:
    # Java writes the head last: zeros there mean that it was killed while writing.
    try:
        with recording.open("rb") as file:
            return any(file.read(4))
    except FileNotFoundError:
        return False


def _quoted(word: str) -> str:
    return word.replace("\\", "\\\\").replace('"', '\\"')
