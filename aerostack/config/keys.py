"""
Checks that the keys in a configuration are strong and well-formed.

No message here ever shows a credential.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from aerostack.auth.webkeys import KTY, checkPublicKey, checkSecretLength, checkWebKey
from aerostack.config.secrets import readSecret

_LEAST = 16
_MOST = 256
# Credentials travel in Sec-WebSocket-Protocol, whose entries are tokens: RFC 9110, 5.6.2.
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]")


def checkAPIKey(value: str) -> None:
    """
    Refuse a key that is easy to guess or cannot travel.

    @raise ValueError: The message says what is wrong with it.
    """
    if not _LEAST <= len(value) <= _MOST:
        raise ValueError(f"has {len(value)} characters; allowed are {_LEAST} to {_MOST}")
    for place, character in enumerate(value, 1):
        if not _TOKEN.fullmatch(character):
            raise ValueError(
                f"has a character at place {place} that cannot travel in a header;"
                " allowed are A-Z a-z 0-9 and !#$%&'*+-.^_`|~"
            )


def checkTokenKey(algorithm: str, value: str) -> None:
    """
    Refuse a key with which the algorithm cannot verify tokens safely.

    @raise ValueError: The message says what is wrong with it.
    """
    if algorithm.startswith("HS"):
        # A public key as a shared secret would let everyone sign.
        if "-----BEGIN" in value or re.match(r"ssh-|ecdsa-|sk-ssh-|sk-ecdsa-", value):
            raise ValueError(
                f"is a PEM or SSH key; {algorithm} wants a random secret that only you know"
            )
        checkSecretLength(algorithm, len(value.encode()))
        return
    if "PRIVATE KEY-----" in value:
        raise ValueError("is a private key; give the daemon the public one only")
    try:
        key = load_pem_public_key(value.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(
            f"is no PEM public key; {algorithm} wants one ('-----BEGIN PUBLIC KEY-----'),"
            " best from a file"
        ) from None
    checkPublicKey(algorithm, key)


def readKeySet(path: Path, algorithm: str) -> Mapping[str, Any]:
    """
    Read a JSON Web Key Set.

    @raise ValueError: The file holds no key set, or no key for the algorithm.
    """
    symmetric = algorithm.startswith("HS")
    try:
        keySet = json.loads(readSecret(path, symmetric))
    except RecursionError:
        raise ValueError(f"is nested too deeply: {path}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"is no JSON (line {error.lineno}): {path}") from None
    keys = keySet.get("keys") if isinstance(keySet, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise ValueError(f'is no key set, which is {{"keys": [...]}}: {path}')
    kty = KTY[algorithm[:2]]
    named: dict[Any, int] = {}
    for place, key in enumerate(keys, 1):
        if (key.get("kty") == "oct") is not symmetric:
            raise ValueError(
                f"has a key {place} of type {key.get('kty')!r}, which must not stand beside"
                f" {algorithm}: {path}"
            )
        if "d" in key:
            raise ValueError(f"has a private key at place {place}; leave only public ones: {path}")
        if key.get("kty") == kty:
            try:
                checkWebKey(algorithm, key)
            except ValueError as error:
                raise ValueError(f"has a key {place} that {error}: {path}") from None
            if key.get("use") in (None, "sig"):
                first = named.setdefault(key.get("kid"), place)
                if first != place:
                    raise ValueError(
                        f"has keys {first} and {place} of the same kid, or of none; a token names"
                        f" its key by kid, so give each its own: {path}"
                    )
    if not any(key.get("kty") == kty for key in keys):
        raise ValueError(f"has no key of type {kty}, which {algorithm} wants: {path}")
    return keySet
