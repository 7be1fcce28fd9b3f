"""What can go wrong with a record, a task or a request, named as the Java runtime names it.

Whoever watches connectors reads class names and traces (in a task's status, in dead letters' headers), so each fault
carries the class name that Kafka Connect 4.3.1 would show, and a trace in the same layout.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local.connect.records import Message

LONGEST_TRACE = 16_000


class ConnectFault(Exception):
    """A fault that ends a task; `java` is the class name shown in its trace."""

    java = "org.apache.kafka.connect.errors.ConnectException"

    def __init__(self, message: str, java: str | None = None) -> None:
        super().__init__(message)
        if java:
            self.java = java


class DataFault(ConnectFault):
    """A fault of one record: it is rejected, or under errors.tolerance=none it ends the task."""

    java = "org.apache.kafka.connect.errors.DataException"


class ConfigFault(ConnectFault):
    """A setting without which a sink cannot work: wrong password, missing table, bad key."""

    java = "org.apache.kafka.common.config.ConfigException"


class Retriable(ConnectFault):
    """The other side is away or overloaded: the same records are put again, for as long as it takes."""

    java = "org.apache.kafka.connect.errors.RetriableException"


class Refused(Exception):
    """A REST request that is answered with an error: HTTP `status` and the runtime's text."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True)
class Rejected:
    """One record that cannot pass: where (`stage`, `java_class` of the part that refused it) and why (`fault`)."""

    message: Message
    stage: str
    java_class: str
    fault: ConnectFault


def trace(fault: BaseException) -> str:
    """The fault and its causes as a Java stack trace, outermost first, with the frames of this program."""
    lines: list[str] = []
    current: BaseException | None = fault
    while current is not None:
        name = getattr(current, "java", f"{type(current).__module__}.{type(current).__qualname__}")
        lines.append(f"{'Caused by: ' if lines else ''}{name}: {current}")
        frames = traceback.extract_tb(current.__traceback__)
        lines += [f"\tat {frame.name}({frame.filename.rsplit('/', 1)[-1]}:{frame.lineno})" for frame in frames[::-1]]
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return ("\n".join(lines) + "\n")[:LONGEST_TRACE]
