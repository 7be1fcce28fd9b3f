from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from local.snowflake import certificate
from tests.local.running import a_place


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_makes_keys_only_their_owner_can_read(tmp_path: Path) -> None:
    place = a_place(tmp_path / "home")
    certificate.prepare(place)
    assert [mode(p) for p in (place.snowflake_key, place.data("snowflake") / "tls" / "server_key.pem")] == [0o600] * 2
    assert mode(place.data("snowflake") / "tls") == 0o700
    assert place.ca.read_text() in place.ca_bundle.read_text()
    assert place.ca_bundle.read_text().count("BEGIN CERTIFICATE") > 100
    key = load_pem_private_key(place.snowflake_key.read_bytes(), None)
    assert key.key_size == 2048  # type: ignore[union-attr]
    assert place.snowflake_key.with_suffix(".pub").read_text().startswith("-----BEGIN PUBLIC KEY-----")


def test_keeps_what_is_good_and_renews_what_runs_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = a_place(tmp_path / "home")
    certificate.prepare(place)
    server = place.data("snowflake") / "tls" / "server.pem"
    first, key = server.read_bytes(), place.snowflake_key.read_bytes()
    certificate.prepare(place)
    assert server.read_bytes() == first
    monkeypatch.setattr(certificate, "RENEW_BEFORE", certificate.VALID)
    certificate.prepare(place)
    assert server.read_bytes() != first, "a certificate about to run out was kept"
    assert place.snowflake_key.read_bytes() == key, "clients keep their key pair"
    assert place.ca.read_text() in place.ca_bundle.read_text()


def test_certificate_is_for_the_loopback_and_its_key_signs_nothing(tmp_path: Path) -> None:
    place = a_place(tmp_path / "home")
    certificate.prepare(place)
    made = x509.load_pem_x509_certificate((place.data("snowflake") / "tls" / "server.pem").read_bytes())
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not list(place.home.rglob("ca_key*")), "the authority's key must not stay on disk"
