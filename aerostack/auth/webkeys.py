"""
JSON Web Keys (RFC 7517): which of them an algorithm can use.

No message here ever shows a key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

KTY = {"HS": "oct", "RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
"""The type of the keys of each family of algorithms."""

_CURVES = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}
_RSA_BITS = 2048
_RSA_MOST_BITS = 16_384

MOST = 100
"""How many keys of a fetched set count."""


def checkSecretLength(algorithm: str, length: int) -> None:
    """
    Refuse a shared secret that is too short for an algorithm.

    @param length: Its bytes.
    @raise ValueError: It is too short.
    """
    least = int(algorithm[2:]) // 8
    if length < least:
        raise ValueError(f"has {length} bytes; {algorithm} wants at least {least} (RFC 7518, 3.2)")


def checkPublicKey(algorithm: str, key: object) -> None:
    """
    Refuse a public key that does not fit an algorithm, or is too weak.

    @raise ValueError: The message says why.
    """
    family = algorithm[:2]
    if family in ("RS", "PS"):
        if not isinstance(key, rsa.RSAPublicKey):
            raise ValueError(f"is no RSA key, which {algorithm} wants")
        if key.key_size < _RSA_BITS:
            raise ValueError(f"has {key.key_size} bits; {algorithm} wants at least {_RSA_BITS}")
        if key.key_size > _RSA_MOST_BITS:
            # A client that sends tokens would hold up all others.
            raise ValueError(f"has {key.key_size} bits; at most {_RSA_MOST_BITS} are taken")
    elif family == "ES":
        curve = _CURVES[algorithm]
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != curve:
            raise ValueError(f"is no key on the curve {curve}, which {algorithm} wants")
    elif not isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        raise ValueError(f"is no Ed25519 or Ed448 key, which {algorithm} wants")


def checkWebKey(algorithm: str, key: dict[str, Any]) -> None:
    """
    Refuse a JSON Web Key with which the algorithm cannot verify tokens safely.

    @raise ValueError: The message says why.
    """
    try:
        loaded = jwt.PyJWK(key, algorithm).key
    except (jwt.PyJWKError, jwt.InvalidKeyError, ValueError, TypeError):
        raise ValueError(f"cannot be used for {algorithm}") from None
    if algorithm.startswith("HS"):
        checkSecretLength(algorithm, len(loaded))
    else:
        checkPublicKey(algorithm, loaded)


def readFetched(data: bytes) -> Mapping[str, Any]:
    """
    Read a key set that a server has sent.

    @raise ValueError: It is no key set.
    """
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("it sent no JSON") from None
    keys = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise ValueError('it sent no key set, which is {"keys": [...]}')
    return {"keys": keys[:MOST]}


def usable(keySet: Mapping[str, Any], algorithm: str) -> Mapping[str, Any]:
    """
    Choose the keys of a fetched set that an algorithm can use.  A provider's set may have keys for
    other purposes, which are not at fault.  Of two keys with one C{kid} the first counts.

    @param algorithm: One with public keys: a fetched set holds no secrets.
    """
    chosen: dict[Any, dict[str, Any]] = {}
    for key in keySet["keys"]:
        kid = key.get("kid")
        if not isinstance(kid, str | None) or kid in chosen or key.get("kty") != KTY[algorithm[:2]]:
            continue
        if key.get("use") not in (None, "sig") or key.get("alg") not in (None, algorithm):
            continue
        try:
            checkWebKey(algorithm, key)
        except ValueError:
            continue
        chosen[kid] = key
    return {"keys": list(chosen.values())}
