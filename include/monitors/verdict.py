"""What a rule says of one subject at one moment, in the words that a person will read."""

from __future__ import annotations

import enum
from datetime import datetime

import msgspec

from include.alerts import Severity

#: Every rule; docs/runbooks/<rule>.md tells what each means. A house test ties the two.
RULES = (
    "connector_failed",
    "connector_missing",
    "connector_stalled",
    "deadline_missed",
    "generator_silent",
    "marts_held",
    "offsets_lost",
    "place_away",
    "place_refuses",
    "rows_late",
    "rows_missing",
    "rows_rejected",
    "rows_twice",
    "rows_waiting",
    "run_failed",
    "sequence_hole",
    "watch_silent",
)


class Kind(enum.StrEnum):
    """`blind`: could not look. It opens nothing and closes nothing. `lost`: nobody here can set it right, so it is told
    and over at once, and not as normal again."""

    FINE = "fine"
    FIRING = "firing"
    BLIND = "blind"
    LOST = "lost"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One rule about one subject. `subject` is short and stable (`clickhouse-ecommerce`, `orders@snowflake`, `kafka`).

    `domain` is the contract whose people are told, `asset` the name of the asset it concerns. `cause` is the
    fingerprint of what explains it: while that is open, this is not told. `normal` is what is said when it is over.
    `since` is when it began, where the rule knows better than the moment it was seen.
    """

    rule: str
    subject: str
    kind: Kind
    domain: str
    asset: str
    severity: Severity = Severity.CRITICAL
    headline: str = ""
    since: datetime | None = None
    facts: tuple[tuple[str, str], ...] = ()
    does: str = ""
    act: str = ""
    cause: str = ""
    normal: str = ""

    @property
    def fingerprint(self) -> str:
        """What makes two verdicts one incident."""
        return f"{self.rule}:{self.subject}"

    @property
    def firing(self) -> bool:
        """Something is wrong."""
        return self.kind is Kind.FIRING
