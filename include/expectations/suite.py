"""A domain's suite, from include/expectations/<domain>.yml: what must hold of staging before marts are published.

One vocabulary for both warehouses: Great Expectations' own types, and SQL that both take.
"""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter
from typing import Any, Literal

import msgspec
import yaml

FOLDER = Path(__file__).parent
#: `rows` of an expectation is this type: a query of the rows that must not exist.
ROWS = "unexpected_rows_expectation"

# Great Expectations puts a subquery with an alias of its own in {batch}'s place, unless it sees a join.
_ALIAS = re.compile(r"\{batch\}\s+(?!where|group|order|having|limit|union)[a-z]", re.IGNORECASE)
_JOIN = re.compile(r"\bjoin\b", re.IGNORECASE)

Severity = Literal["critical", "warning", "info"]


class SuiteError(ValueError):
    """A suite that cannot be used; the text names file and place."""


class Expectation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One expectation: `type` and `kwargs` of Great Expectations, or `rows`, SQL over {batch}.

    `severity`: critical holds the marts, warning alerts, info is noted. `why` is quoted to whoever is told.
    """

    name: str
    severity: Severity
    why: str
    type: str = ROWS
    kwargs: dict[str, Any] = {}
    rows: str | None = None

    @property
    def query(self) -> str | None:
        """`rows` as one may put it in another query."""
        return None if self.rows is None else self.rows.rstrip("; \n")

    @property
    def arguments(self) -> dict[str, Any]:
        """What Great Expectations takes."""
        return {"unexpected_rows_query": self.rows} if self.rows is not None else self.kwargs


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The expectations of one staging relation.

    `key`: the column by which a person finds a sampled row; `personal` columns are masked in samples.
    """

    expectations: tuple[Expectation, ...]
    key: str | None = None
    personal: tuple[str, ...] = ()


class Suite(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One domain's tables: relation in staging -> expectations."""

    domain: str
    tables: dict[str, Table]


def load(domain: str, folder: Path = FOLDER) -> Suite:
    """The suite of a domain; raises SuiteError."""
    path = folder / f"{domain}.yml"
    try:
        suite = msgspec.convert(yaml.safe_load(path.read_text()), Suite)
    except FileNotFoundError:
        raise SuiteError(f"{path} is missing: a domain without a suite has no gate, so no marts") from None
    except yaml.YAMLError as error:
        raise SuiteError(f"{path.name}: not YAML: {' '.join(str(error).split())}") from None
    except msgspec.ValidationError as error:
        raise SuiteError(f"{path.name}: {error}") from None
    if mistakes := _mistakes(suite, domain):
        raise SuiteError("\n".join(f"{path.name}: {mistake}" for mistake in mistakes))
    return suite


def _mistakes(suite: Suite, domain: str) -> list[str]:
    mistakes = [] if suite.domain == domain else [f"domain: {suite.domain!r} is not {domain!r}, as the file is named"]
    seen: set[str] = set()
    for table, described in suite.tables.items():
        for one in described.expectations:
            place = f"tables.{table}.{one.name}"
            if one.name in seen:
                mistakes.append(f"{place}: named twice")
            seen.add(one.name)
            if (one.rows is None) == (one.type == ROWS):
                mistakes.append(f"{place}: needs either rows or type and kwargs")
            if one.rows is not None and "{batch}" not in one.rows:
                mistakes.append(f"{place}: rows does not read {{batch}}, so it would look at another table")
            if one.rows is not None and set(_named(one.rows)) - {"batch"}:
                mistakes.append(f"{place}: rows has a brace that is not {{batch}}; write {{{{ for one that is meant")
            if one.rows is not None and _ALIAS.search(one.rows) and not _JOIN.search(one.rows):
                mistakes.append(f"{place}: rows gives {{batch}} an alias, which only a query with a join may")
            if not one.why.strip():
                mistakes.append(f"{place}: why is empty, and whoever is told would ask it")
    return mistakes


def _named(rows: str) -> list[str]:
    """What stands in the braces of a text; one that has no end counts as a name that nobody knows."""
    try:
        return [name for _, name, _, _ in Formatter().parse(rows) if name is not None]
    except ValueError:
        return [""]
