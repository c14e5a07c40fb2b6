"""Bearer tokens of Microsoft Entra ID: who signed them, for whom, until when, and with which roles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

import jwt

from core.errors import Unauthenticated
from core.identity import Actor, Kind, Role, label

ALGORITHMS = ["RS256"]
LEEWAY = 30.0
"""Seconds by which the clocks of issuer and server may differ."""
LONGEST = 16 * 1024


class SigningKeys(Protocol):
    """Where signing keys are found; see infrastructure.jwks."""

    def known(self, kid: str) -> jwt.PyJWK | None: ...
    def key(self, kid: str) -> jwt.PyJWK: ...


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say to be one for us."""

    issuers: tuple[str, ...]
    audiences: tuple[str, ...]
    roles: Mapping[str, Role]
    """Our roles by the values that the token's `roles` may have, in lower case."""


class EntraTokens:
    """Identifies users and applications by access tokens. It keeps none: each is checked anew."""

    def __init__(self, keys: SigningKeys, expected: Expected) -> None:
        self._keys = keys
        self._expected = expected

    def reads(self, credential: str) -> bool:
        return credential.count(".") == 2

    def recall(self, credential: str) -> Actor | None:
        kid = _kid(credential)
        try:
            key = self._keys.known(kid)
        except KeyError:
            raise Unauthenticated(_unsigned(kid)) from None
        return None if key is None else self._actor(credential, key)

    def identify(self, credential: str) -> Actor:
        kid = _kid(credential)
        try:
            key = self._keys.key(kid)
        except KeyError:
            raise Unauthenticated(_unsigned(kid)) from None
        return self._actor(credential, key)

    def _actor(self, token: str, key: jwt.PyJWK) -> Actor:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=list(self._expected.audiences),
                issuer=list(self._expected.issuers),
                leeway=LEEWAY,
                options={"require": ["exp", "iat", "aud", "iss"]},
            )
        except jwt.PyJWTError as error:
            raise Unauthenticated(_reason(error)) from None
        return _caller(claims, self._role(claims.get("roles")))

    def _role(self, given: object) -> Role | None:
        """The highest of the roles that the token names."""
        names = [
            str(name).lower() for name in cast(list[Any], given if isinstance(given, list) else [])
        ]
        roles = [self._expected.roles[name] for name in names if name in self._expected.roles]
        return max(roles, key=list(Role).index, default=None)


def _kid(token: str) -> str:
    if len(token) > LONGEST:
        raise Unauthenticated("The token is too long.")
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        raise Unauthenticated("The token is not one.") from None
    if header.get("alg") not in ALGORITHMS:
        raise Unauthenticated("The token is not signed as it must be (RS256).")
    if not isinstance(kid := header.get("kid"), str):
        raise Unauthenticated("The token does not say which key signed it.")
    return kid


def _unsigned(kid: str) -> str:
    return f"The token is signed with a key that its issuer does not have ({label(kid)})."


def _reason(error: jwt.PyJWTError) -> str:
    match error:
        case jwt.ExpiredSignatureError():
            return "The token has expired."
        case jwt.ImmatureSignatureError():
            return "The token is not good yet."
        case jwt.InvalidAudienceError():
            return "The token is for somebody else (aud)."
        case jwt.InvalidIssuerError():
            return "The token is from somebody else (iss)."
        case jwt.MissingRequiredClaimError():
            return f"{error}."
        case _:
            return "The token's signature is not good."


def _caller(claims: Mapping[str, Any], role: Role | None) -> Actor:
    """A user's token says what an application may do for the user (scp), an application's its roles only.

    An ID token says neither: it tells an application who has signed in, and is no key to anything.
    """
    known, app = _text(claims, "oid", "sub"), _text(claims, "azp", "appid")
    if _text(claims, "scp") and known:
        who = _text(claims, "preferred_username", "upn", "unique_name", "name")
        return Actor(Kind.USER, known, label(who), role)
    is_app = claims.get("idtyp") == "app" or (known and known == claims.get("sub"))
    if app and is_app:
        return Actor(Kind.APP, app, label(_text(claims, "app_displayname")), role)
    raise Unauthenticated("The token is no access token for an API.")


def _text(claims: Mapping[str, Any], *names: str) -> str:
    """The first of the claims that is there."""
    return next((text for name in names if isinstance(text := claims.get(name), str) and text), "")
