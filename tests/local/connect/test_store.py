"""Connectors are remembered whole, and only their owner can read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.connect.store import Entry, Store


def test_remembers_and_forgets(tmp_path: Path) -> None:
    store = Store(tmp_path / "new")
    odd = Entry("a/b c", {"password": "x"}, "PAUSED", 3, ["t"])
    store.save(odd)
    store.save(Entry("b", {}))
    assert Store(tmp_path / "new").load() == [odd, Entry("b", {})]
    store.delete("b")
    store.delete("b")
    assert Store(tmp_path / "new").load() == [odd]
    (file,) = (tmp_path / "new").iterdir()
    assert file.stat().st_mode & 0o077 == 0


def test_an_unfinished_write_is_ignored_and_a_damaged_file_is_named(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save(Entry("a", {}))
    (tmp_path / "a.new").write_text('{"name":')
    assert [entry.name for entry in store.load()] == ["a"]
    (tmp_path / "z.json").write_text("{")
    with pytest.raises(ValueError, match=r"z\.json is not a connector's state"):
        store.load()
