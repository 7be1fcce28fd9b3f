"""A manifest is made without a connection, and known to be stale when any file of its project changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.operators import manifest, profiles
from include.operators.manifest import ManifestError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    (tmp_path / "dbt_project.yml").write_text("name: tiny\nprofile: clickhouse\nmodel-paths: [models]\n")
    (tmp_path / "models" / "one.sql").write_text("select 1 as one")
    return tmp_path


def test_made_once_and_again_when_yaml_alone_changes(folder: Path) -> None:
    assert manifest.make("clickhouse", folder)
    assert list(manifest.read(folder)["nodes"]) == ["model.tiny.one"]
    assert not manifest.make("clickhouse", folder)
    (folder / "models" / "one.yml").write_text("models: [{name: one, columns: [{name: one, data_tests: [unique]}]}]")
    with pytest.raises(ManifestError, match="older than the project"):
        manifest.read(folder)
    assert manifest.make("clickhouse", folder)
    assert len(manifest.read(folder)["nodes"]) == 2


def test_a_project_that_cannot_be_parsed_is_told_and_stays_stale(folder: Path) -> None:
    (folder / "models" / "two.sql").write_text("select * from {{ ref('nowhere') }}")
    with pytest.raises(ManifestError, match="nowhere"):
        manifest.make("clickhouse", folder)
    with pytest.raises(ManifestError, match="missing or older"):
        manifest.read(folder)


def test_no_secret_is_written_into_a_profile(tmp_path: Path) -> None:
    from msgspec.structs import replace

    for warehouse, placeholder in profiles.PLACEHOLDERS.items():
        variables = profiles.write(tmp_path, warehouse, replace(placeholder, password="s3cret"))
        assert "s3cret" not in (tmp_path / "profiles.yml").read_text()
        assert variables == {"FLOODGATE_DBT_PASSWORD": "s3cret"}


def test_a_key_goes_before_a_password(tmp_path: Path) -> None:
    from msgspec.structs import replace

    placeholder = profiles.PLACEHOLDERS["snowflake"]
    pem = "-----BEGIN PRIVATE KEY-----\nkey\n-----END PRIVATE KEY-----\n"
    keyed = replace(placeholder, password="", extra={**placeholder.extra, "private_key_content": pem})
    assert profiles.write(tmp_path, "snowflake", keyed) == {"FLOODGATE_DBT_PRIVATE_KEY": pem}
    text = (tmp_path / "profiles.yml").read_text()
    assert "BEGIN" not in text
    assert "private_key:" in text
