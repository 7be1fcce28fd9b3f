"""Just enough SQL: where an INSERT ends and its data begin, which format is asked for, what may not be run here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from local.clickhouse.errors import EngineError

_TOKEN = re.compile(
    rb"""\s+|--[^\n]*|\#[!\ ][^\n]*|/\*.*?\*/|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|"(?:[^"\\]|\\.)*"|[A-Za-z_]\w*|.""",
    re.S,
)
_FORMAT = re.compile(rb"\s*(\w+)[ \t\f]*;?[ \t\f]*\r?\n?")
_SELECT = re.compile(rb"\s*(?:(?:/\*.*?\*/|--[^\n]*\n)\s*)*\(*\s*(?:SELECT|WITH)\b", re.I | re.S)
# Functions and engines that reach the machine's own files or programs: a real server keeps them in a folder of its own.
_LOCAL = rb"file|filecluster|filelog|executable|executablepool|python|sqlite|filesystem"
_SUSPECT = re.compile(rb"\b(?:infile|outfile|input|" + _LOCAL + rb")\b", re.I)
_LOCAL_NAME = re.compile(rb"[`\"]?(?:" + _LOCAL + rb")[`\"]?$", re.I)


def literal(value: object) -> str:
    """A value as a quoted SQL string."""
    return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"


def identifier(name: str) -> str:
    """A name in backticks."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def tokens(sql: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The words, strings and signs of a statement with their start and end; no spaces, no comments."""
    for match in _TOKEN.finditer(sql):
        token = match.group()
        if not token[:1].isspace() and token[:2] not in (b"--", b"/*", b"# ", b"#!"):
            yield token, match.start(), match.end()


@dataclass(frozen=True)
class Insert:
    """An INSERT with rows: its table, its columns ("(a, b)" or ""), its settings ("SETTINGS ..." or "")."""

    into: str
    columns: str
    settings: str
    format: str
    head: bytes
    data: bytes

    @property
    def sample(self) -> str:
        """A SELECT without rows that has this INSERT's columns."""
        return f"SELECT {self.columns[1:-1] or '*'} FROM {self.into} LIMIT 0"

    def from_file(self, path: str) -> str:
        """The statement that inserts what the file at `path` holds."""
        return (
            f"INSERT INTO {self.into} {self.columns} FROM INFILE {literal(path)} COMPRESSION 'none' "
            f"{self.settings} FORMAT {self.format}"
        )


def split_insert(sql: bytes) -> Insert | None:
    """Takes `INSERT INTO t (..) [SETTINGS ..] FORMAT X <rows>` or `... VALUES <rows>` apart.

    None for anything else, an INSERT ... SELECT among it, which the engine runs as it is.
    """
    depth, start, columns, settings_at = 0, 0, b"", None
    words: list[bytes] = []
    for token, begin, end in tokens(sql):
        word = token.upper()
        if not words and word != b"INSERT":
            return None
        if token == b"(":
            start = begin if depth == 0 else start
            depth += 1
        elif token == b")":
            depth -= 1
            columns = columns or (sql[start:end] if depth == 0 else b"")
        elif depth:
            continue
        elif word in (b"SELECT", b"WITH", b"INFILE", b"FUNCTION", b"WATCH"):
            return None
        elif word in (b"VALUES", b"FORMAT"):
            found = _FORMAT.match(sql, end) if word == b"FORMAT" else None
            if word == b"FORMAT" and not found:
                return None
            data_at = found.end() if found else end
            return Insert(
                into=b"".join(w for w in words if w.upper() not in (b"INSERT", b"INTO", b"TABLE")).decode(),
                columns=columns.decode(),
                settings=sql[settings_at:begin].decode() if settings_at is not None else "",
                format=found[1].decode() if found else "Values",
                head=sql[:data_at],
                data=sql[data_at:],
            )
        elif word == b"SETTINGS":
            settings_at = begin
        elif settings_at is None:
            words.append(token)
    return None


def is_select(sql: bytes) -> bool:
    """Whether the statement is a SELECT, so that it can be streamed and wrapped in another."""
    return bool(_SELECT.match(sql))


def trailing_format(sql: bytes) -> tuple[str, bytes] | None:
    """The name in a trailing `FORMAT X [SETTINGS ..]`, and the statement before it; None where there is no such clause.

    A column called format may look like one (`ORDER BY format DESC`): compare the name with the formats there are.
    """
    if b"format" not in sql.lower():
        return None
    depth, keyword_at, expecting = 0, 0, False
    found: tuple[str, bytes] | None = None
    for token, begin, _ in tokens(sql):
        if token in (b"(", b")"):
            depth += 1 if token == b"(" else -1
            found, expecting = None, False
        elif depth == 0 and expecting:
            found, expecting = (token.decode("utf-8", "replace"), sql[:keyword_at]), False
        elif depth == 0 and token.upper() == b"FORMAT":
            keyword_at, expecting = begin, True
        elif found and token.upper() == b"SETTINGS":
            break
        elif token != b";":
            found = None
    return found


def check(sql: bytes, readonly: bool) -> None:
    """Refuses what a server must not do for a client: touch the machine's own files; for a reader, end others' queries.

    Raises EngineError.
    """
    first = next(tokens(sql), (b"", 0, 0))[0].upper()
    if readonly and first in (b"KILL", b"SYSTEM", b"BACKUP", b"RESTORE"):
        raise EngineError(164, "READONLY", "Cannot execute query in readonly mode.")
    if not _SUSPECT.search(sql):
        return
    before, previous = b"", b""
    for token, _, _ in tokens(sql):
        word = token.upper()
        if word == b"OUTFILE" and previous == b"INTO":
            raise EngineError(358, "INTO_OUTFILE_NOT_ALLOWED", "INTO OUTFILE is not allowed: the client writes files.")
        if word == b"INFILE" and previous == b"FROM":
            raise EngineError(78, "UNKNOWN_TYPE_OF_QUERY", "FROM INFILE came to the server: the client reads files.")
        if token == b"(" and before != b"." and _LOCAL_NAME.match(previous):
            function = previous.decode().strip('`"').lower()
            raise EngineError(481, "PATH_ACCESS_DENIED", f"{function}() is closed: this server reads no local files.")
        if token == b"(" and before != b"." and previous == b"INPUT":
            # The engine would take the statement, and no row.
            raise EngineError(
                48, "NOT_IMPLEMENTED", "INSERT ... SELECT ... FROM input() is not served here: insert rows."
            )
        before, previous = previous, word
