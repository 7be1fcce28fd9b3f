"""What a gate found, as plain data: it goes through XCom and into messages."""

from __future__ import annotations

from typing import Any

import msgspec


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An expectation that does not hold: `count` of `total` rows, with up to five of them as text."""

    expectation: str
    table: str
    severity: str
    why: str
    count: int
    total: int
    samples: tuple[str, ...] = ()


class GateResult(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a domain's suite against one warehouse."""

    domain: str
    warehouse: str
    expectations: int
    seconds: float
    failures: tuple[Failure, ...] = ()

    @property
    def passed(self) -> bool:
        """True where no critical expectation failed."""
        return not self.of("critical")

    def of(self, severity: str) -> tuple[Failure, ...]:
        """The failures of that severity."""
        return tuple(failure for failure in self.failures if failure.severity == severity)

    def to_json(self) -> dict[str, Any]:
        """As builtins, for XCom and --json."""
        return {**msgspec.to_builtins(self), "passed": self.passed}


def from_json(data: dict[str, Any]) -> GateResult:
    """What `to_json` gave."""
    return msgspec.convert({name: value for name, value in data.items() if name != "passed"}, GateResult)
