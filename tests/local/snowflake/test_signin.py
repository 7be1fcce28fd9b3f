from __future__ import annotations

import time
from pathlib import Path

import pytest
import snowflake.connector
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from snowflake.connector.errors import DatabaseError

from tests.local.snowflake.service_process import Running


def refusal(running: Running, **options: object) -> tuple[int, str]:
    began = time.monotonic()
    with pytest.raises(DatabaseError) as caught:
        running.connect(**options)
    assert time.monotonic() - began < 2, "a refusal must not be retried"
    return caught.value.errno, str(caught.value)


def test_key_pair(running: Running) -> None:
    with running.connect() as connection:
        assert connection.cursor().execute("select current_user()").fetchone() == ("FLOODGATE",)


def test_password(running: Running) -> None:
    with running.connect(password=running.place.secrets["snowflake"]) as connection:
        assert connection.cursor().execute("select 1").fetchone() == (1,)


def test_wrong_password(running: Running) -> None:
    errno, text = refusal(running, password="guessed")
    assert errno == 390100
    assert "Incorrect username or password was specified" in text


def test_no_password(running: Running) -> None:
    with pytest.raises(snowflake.connector.errors.Error):
        running.connect(password="")


def test_unknown_user_with_the_right_password_or_key(running: Running) -> None:
    assert refusal(running, user="ELSE", password=running.place.secrets["snowflake"])[0] == 390100
    assert refusal(running, user="ELSE")[0] == 390144


def test_unknown_key(running: Running, tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem, form, bare = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (tmp_path / "other.pem").write_bytes(key.private_bytes(pem, form, bare))
    errno, text = refusal(running, private_key_file=str(tmp_path / "other.pem"))
    assert errno == 390144
    assert "JWT token is invalid" in text
