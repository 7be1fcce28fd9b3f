"""Who may sign in: user FLOODGATE, with a token signed by the known key or with the password. Nobody else."""

from __future__ import annotations

import hmac
import uuid
from dataclasses import dataclass, field
from typing import Any

import jwt

from local.snowflake import USER


class SignInError(Exception):
    """A refused sign-in, with Snowflake's own number and text."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Doorman:
    """`public_key`: PEM of the RSA key that signs the tokens of FLOODGATE; an empty `password` lets nobody in."""

    public_key: str
    password: str = field(repr=False)

    def admit(self, login: dict[str, Any]) -> None:
        """Check a login request. Raises SignInError: 390144 for a bad token, 390100 for a bad name or password."""
        user = str(login.get("LOGIN_NAME") or "").upper()
        if str(login.get("AUTHENTICATOR") or "").upper() == "SNOWFLAKE_JWT":
            self._admit_token(str(login.get("TOKEN") or ""))
            return
        given = str(login.get("PASSWORD") or "")
        known = user == USER and bool(self.password) and hmac.compare_digest(given.encode(), self.password.encode())
        if not known:
            raise SignInError("390100", "Incorrect username or password was specified.")

    def _admit_token(self, token: str) -> None:
        try:
            claims = jwt.decode(
                token, self.public_key, algorithms=["RS256"], options={"require": ["exp", "sub", "iss"]}
            )
        except jwt.PyJWTError as error:
            raise SignInError("390144", f"JWT token is invalid. [{uuid.uuid4()}]") from error
        # the account is any: ACCOUNT.USER, and the issuer goes on with the key's fingerprint
        if claims["sub"].upper().split(".")[-1] != USER or claims["iss"].upper().split(".")[1:2] != [USER]:
            raise SignInError("390144", f"JWT token is invalid. [{uuid.uuid4()}]")
