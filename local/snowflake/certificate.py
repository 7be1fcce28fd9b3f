"""Keys of the local Snowflake: an authority, a certificate for localhost, the key pair that clients sign in with.

The authority's own key is thrown away once it has signed: nobody can make another certificate that the bundle trusts.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
from pathlib import Path
from typing import TYPE_CHECKING

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from local.place import Place

VALID = datetime.timedelta(days=730)
RENEW_BEFORE = datetime.timedelta(days=30)


def prepare(place: Place) -> None:
    """Make what is missing or runs out within 30 days; safe to repeat. Raises OSError where it cannot write."""
    tls = place.data("snowflake") / "tls"
    tls.mkdir(mode=0o700, exist_ok=True)
    _sign_in_key(place.snowflake_key)
    files = (tls / "server.pem", tls / "server_key.pem", place.ca)
    if not all(file.exists() for file in files) or _expires(tls / "server.pem") - _now() < RENEW_BEFORE:
        _certificates(*files)
    # looked at each time: certifi's list changes with the environment
    bundle = Path(certifi.where()).read_bytes() + b"\n" + place.ca.read_bytes()
    if not place.ca_bundle.exists() or place.ca_bundle.read_bytes() != bundle:
        _write(place.ca_bundle, bundle, 0o644)


def _sign_in_key(path: Path) -> None:
    public = path.with_suffix(".pub")
    if path.exists():
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        _write(path, _pem(key), 0o600)
    half = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    if not public.exists() or public.read_bytes() != half:
        _write(public, half, 0o644)


def _certificates(server: Path, server_key: Path, authority: Path) -> None:
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    # a name of its own for each authority: one of the same name and another key confuses OpenSSL's search
    ca_name = _name(f"Floodgate local authority {x509.random_serial_number():x}"[:60])
    ca = (
        _unsigned(ca_name, ca_name, ca_key, is_ca=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    loopback = [ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")]
    names = [x509.DNSName("localhost"), *(x509.IPAddress(address) for address in loopback)]
    certificate = (
        _unsigned(_name("localhost"), ca_name, key, is_ca=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    _write(server_key, _pem(key), 0o600)
    _write(authority, ca.public_bytes(pem), 0o644)
    # last: prepare() takes this file's date for all three
    _write(server, certificate.public_bytes(pem) + ca.public_bytes(pem), 0o644)


def _unsigned(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, *, is_ca: bool
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - datetime.timedelta(days=1))  # clocks of virtual machines go astray
        .not_valid_after(_now() + VALID)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=0 if is_ca else None), critical=True)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _expires(path: Path) -> datetime.datetime:
    return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Whole or not at all, and never readable by others in between."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    temporary.replace(path)
