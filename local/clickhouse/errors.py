"""ClickHouse errors: a number, a name and a sentence, as every client of it expects them."""

from __future__ import annotations

import re

_LEAD = re.compile(r"(?:Code: (?P<code>\d+)\. DB::Exception: )")
_VERSION = re.compile(r" \(version [\d.]+[^)]*\)\)?\.?")
# Inserts go by way of a file (Connection.insert), which is no business of the client's.
_FILE = re.compile(r"\s*: \(in file/uri [^)]*\)|: While executing File|: data for INSERT was parsed from file\.?")
_NAME = re.compile(r"\s*\(([A-Z][A-Z0-9_]+)\)\s*\.?\s*$")


class EngineError(Exception):
    """A refused or failed statement. `text` is what goes over HTTP, `message` what goes over native TCP."""

    def __init__(self, code: int, name: str, message: str) -> None:
        self.code, self.name, self.message = code, name, message
        super().__init__(self.text)

    @property
    def text(self) -> str:
        """The error in ClickHouse's wording, without the version."""
        return f"Code: {self.code}. DB::Exception: {self.message} ({self.name})"

    @classmethod
    def parse(cls, text: str) -> EngineError:
        """The error behind the engine's text, which may repeat its code and version at every level it passed."""
        lead = _LEAD.search(text)
        if not lead:
            return cls(1002, "UNKNOWN_EXCEPTION", text.strip())
        message = _VERSION.sub("", text[lead.start() :])
        while nested := _LEAD.match(message):
            message = message[nested.end() :]
        named = ""
        while (found := _NAME.search(message)) and named in ("", found[1]):
            named = found[1]
            message = message[: found.start()]
        return cls(int(lead["code"]), named or "UNKNOWN_EXCEPTION", _FILE.sub("", message).strip())


class UnsupportedError(EngineError):
    """Something this server cannot read from a stream: the stream is out of step afterwards and must be closed."""

    def __init__(self, message: str) -> None:
        super().__init__(48, "NOT_IMPLEMENTED", message)
