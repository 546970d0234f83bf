"""
Keys, tokens and projects for the tests of who may come in.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import get_default_algorithms
from twisted.trial.unittest import SynchronousTestCase

from aerostack.auth.authenticator import Authenticator, Credentials
from aerostack.core.access.permissions import Identity
from aerostack.errors import RealtimeError
from aerostack.settings.projects import JWTConfig, ProjectConfig

NOW = 1_000_000_000.0
SECRET = "a shared secret of at least thirty-two bytes"
PUBLIC_KEY = "pk_shop_0123456789"
SECRET_KEY = "sk_shop_0123456789"
BLOG_KEY = "pk_blog_0123456789"

RSA = rsa.generate_private_key(65537, 2048)
OTHER_RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()


def pem(key: Any) -> str:
    public = key.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def webKey(algorithm: str, key: Any, **members: str) -> dict[str, Any]:
    found = get_default_algorithms()[algorithm].to_jwk(key.public_key(), as_dict=True)
    return {**found, **members}


def sign(key: Any = SECRET, algorithm: str = "HS256", kid: str | None = None, **claims: Any) -> str:
    """
    Make a token of C{ann}'s; a claim that is given as C{...} is left out.
    """
    claims = {"sub": "ann", **claims}
    claims = {name: value for name, value in claims.items() if value is not ...}
    return forge({"alg": algorithm, "typ": "JWT", **({"kid": kid} if kid else {})}, claims, key)


def forge(header: dict[str, Any], claims: Any, key: Any) -> str:
    """
    Sign by hand, because a well-kept library would refuse to make what an attacker does.
    """
    parts = [json.dumps(part).encode() for part in (header, claims)]
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    algorithm = get_default_algorithms().get(header.get("alg", ""))
    if key is None:
        signature = b""
    elif isinstance(key, (str, bytes)):
        secret = key.encode() if isinstance(key, str) else key
        signature = hmac.new(secret, signed, hashlib.sha256).digest()
    else:
        signature = algorithm.sign(signed, key)
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def makeProject(projectId: str = "shop", **settings: Any) -> ProjectConfig:
    return ProjectConfig(
        **{"id": projectId, "publicKey": PUBLIC_KEY, "secretKey": SECRET_KEY, **settings}
    )


def makeAuthenticator(*projects: ProjectConfig) -> Authenticator:
    return Authenticator({project.id: project for project in projects})


class AuthTestCase(SynchronousTestCase):
    """
    What tests of an authenticator have in common.
    """

    def make(self, algorithm: str = "HS256", key: str | None = SECRET, **settings: Any) -> None:
        self.auth = makeAuthenticator(makeProject(jwt=JWTConfig(algorithm, key, **settings)))

    def identify(self, **credentials: str | None) -> Identity:
        return self.auth.identify(Credentials(**credentials), NOW)

    def token(self, token: str) -> Identity:
        return self.identify(projectId="shop", token=token)

    def refused(self, code: str, **credentials: str | None) -> str:
        error = self.assertRaises(RealtimeError, self.identify, **credentials)
        self.assertEqual(error.code, code, error.message)
        for secret in (credentials.get("key"), credentials.get("token")):
            if secret and len(secret) > 8:
                self.assertNotIn(secret, error.message)
        return error.message

    def tokenRefused(self, token: str, code: str = "invalid_token") -> str:
        return self.refused(code, projectId="shop", token=token)
