"""
Keys that tokens are signed with, for the tests of a configuration.
"""

from __future__ import annotations

import base64
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
)

RSA = rsa.generate_private_key(65537, 2048)
OTHER_RSA = rsa.generate_private_key(65537, 2048)
SMALL_RSA = rsa.generate_private_key(65537, 1024)
P256 = ec.generate_private_key(ec.SECP256R1())
P521 = ec.generate_private_key(ec.SECP521R1())
ED25519 = ed25519.Ed25519PrivateKey.generate()


def pem(key: Any) -> str:
    """
    @return: The public half of a private key.
    """
    found = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return str(found.decode())


def webKey(key: Any, algorithm: str) -> dict[str, Any]:
    """
    @return: The public half of a private key, as a JSON Web Key.
    """
    found = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    assert isinstance(found, dict)
    return found


def shared(length: int) -> dict[str, str]:
    """
    @return: A shared secret of so many bytes, as a JSON Web Key.
    """
    return {"kty": "oct", "k": base64.urlsafe_b64encode(b"s" * length).decode().rstrip("=")}
