"""
Verifies JSON Web Tokens (RFC 7519) and reads their claims.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from hashlib import blake2b
from typing import Any, TypeGuard

import jwt
from jwt.algorithms import Algorithm, get_default_algorithms

from aerostack.auth.keysets import KeySets, noKeys
from aerostack.auth.webkeys import usable
from aerostack.core.topics.topics import checkUser
from aerostack.errors import RealtimeError
from aerostack.settings.projects import JWTConfig

PROJECT_CLAIM = "projectId"
"""The claim in which a token names its project."""

SHOWN = 200
"""How many characters of a client's credentials a refusal shows."""

_MATERIAL = ("kty", "crv", "x", "y", "n", "e", "k")
"""The parameters of public keys and of secrets (RFC 7518, 6)."""

_LATEST = 2**53
"""The latest time that a token may name, seconds since the epoch.  It excludes infinity."""


def fingerprint(credential: str) -> str:
    """A hash that the daemon remembers instead of a credential."""
    return blake2b(credential.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def claimedProject(token: str | None) -> str | None:
    """
    Read the project that a token names, to choose the key that verifies it.  The daemon uses no
    other claim of a token before it has verified the token.
    """
    if token is None:
        return None
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, RecursionError, UnicodeEncodeError):
        return None
    claimed = claims.get(PROJECT_CLAIM)
    return claimed if isinstance(claimed, str) else None


class TokenVerifier:
    """
    Checks the tokens of one project.
    """

    def __init__(self, config: JWTConfig, keySets: KeySets | None = None) -> None:
        """
        @param keySets: Has the set at C{config.jwksUrl}; L{None} if there is none.
        """
        self._config = config
        self._keySets = keySets
        # By kid: the key and its fingerprint.
        self._keys: dict[str | None, tuple[Any, str]] = {}
        algorithm = get_default_algorithms()[config.algorithm]
        if config.jwksUrl is not None:
            found = None if keySets is None else keySets.of(config.jwksUrl)
            if found is not None:
                self._addAll(algorithm, usable(found, config.algorithm))
        elif config.jwks is not None:
            self._addAll(algorithm, config.jwks)
        else:
            self._add(None, algorithm.prepare_key(config.key), str(config.key))
        self.signers = frozenset(signer for _, signer in self._keys.values())

    def _addAll(self, algorithm: Algorithm, jwks: Mapping[str, Any]) -> None:
        if not jwks["keys"]:
            return
        for key in jwt.PyJWKSet.from_dict(dict(jwks)).keys:
            if key.public_key_use not in (None, "sig"):
                continue
            # A key set may hold keys of other kinds.  No token can use those.
            with suppress(TypeError, jwt.InvalidKeyError):
                self._add(key.key_id, algorithm.prepare_key(key.key), _material(key))

    def _add(self, kid: str | None, key: Any, text: str) -> None:
        # A token for one audience or issuer must not hold for another.
        terms = (self._config.algorithm, self._config.audience, self._config.issuer)
        self._keys[kid] = key, fingerprint(f"{terms!r} {text}")

    def verify(self, token: str, now: float) -> tuple[dict[str, Any], str]:
        """
        Check a token's signature and times.

        Only the configured algorithm is accepted; the token's header does not choose it.  So
        C{none} is refused, and an RSA key cannot be used as an HMAC secret (RFC 8725, 2.1 and
        3.1).

        @return: The claims, of which C{sub} names a user, and the key's fingerprint.
        @raise RealtimeError: C{invalid_token}, C{token_expired}, C{keys_unavailable} or
            L{KeysAwaited}.
        """
        config = self._config
        try:
            key, signer = self._keyFor(token)
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[config.algorithm],
                audience=config.audience,
                issuer=config.issuer,
                options={
                    "require": ["sub"],
                    "verify_aud": config.audience is not None,
                    # The times are checked below against C{now}.
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.PyJWTError as error:
            # The error may quote the token's header, which the client wrote.
            said = str(error)[:SHOWN]
            raise RealtimeError("invalid_token", f"The token is refused: {said}.") from None
        except (RecursionError, UnicodeEncodeError):
            raise RealtimeError("invalid_token", "The token is no JWT.") from None
        for name in ("exp", "nbf"):
            if not _isTime(claims.get(name, 0)):
                raise RealtimeError("invalid_token", f"The token's {name} is not a time.")
        if not isinstance(claims["sub"], str):
            raise RealtimeError("invalid_token", "The token's sub is not a string.")
        try:
            checkUser(claims["sub"])
        except ValueError as error:
            raise RealtimeError("invalid_token", f"The token's sub {error}.") from None
        if "exp" in claims:
            claims["exp"] += config.leeway
            if claims["exp"] <= now:
                raise RealtimeError("token_expired", "The token has expired; get a new one.")
        if claims.get("nbf", now) > now + config.leeway:
            raise RealtimeError("invalid_token", "The token is not valid yet.")
        return claims, signer

    @property
    def isAwaiting(self) -> bool:
        """
        Whether the keys are still being fetched for the first time.
        """
        url = self._config.jwksUrl
        return url is not None and self._keySets is not None and self._keySets.isAwaited(url)

    def issued(self, claims: Mapping[str, Any]) -> float | None:
        """
        When a token was issued at the earliest, because the issuer's clock may be off.

        @param claims: Those of a token that L{verify} accepted.
        @return: Seconds since the epoch; L{None} if the token does not say.
        """
        issued = claims.get("iat")
        return float(issued) - self._config.leeway if _isTime(issued) else None

    def _keyFor(self, token: str) -> tuple[Any, str]:
        url = self._config.jwksUrl
        if url is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        kid = jwt.get_unverified_header(token).get("kid")
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        if kid not in self._keys:
            if kid is None and self._keys:
                raise jwt.InvalidKeyError("it has no kid, and the key set has several keys")
            if url is not None:
                raise noKeys() if self._keySets is None else self._keySets.refuse(url, kid)
            raise jwt.InvalidKeyError("its kid names no key of the key set")
        return self._keys[kid]


def _material(key: jwt.PyJWK) -> str:
    """What makes a key another one.  A provider may write the rest of it in any way."""
    return repr([(name, key._jwk_data.get(name)) for name in _MATERIAL])


def tokenId(claims: Mapping[str, Any]) -> str | None:
    """
    The id of a token, by which it can be revoked.

    @return: L{None} if the token has no such id.
    """
    found = claims.get("jti")
    if not isinstance(found, str):
        return None
    try:
        checkUser(found)
    except ValueError:
        return None
    return found


def _isTime(value: object) -> TypeGuard[float]:
    """Whether a claim is a time (RFC 7519, 2: NumericDate)."""
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and -_LATEST <= value <= _LATEST
    )
