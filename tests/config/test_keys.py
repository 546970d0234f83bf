"""
Tests for L{aerostack.config.keys}.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from aerostack.config.keys import checkAPIKey, checkTokenKey, readKeySet
from tests.config.files import FilesCase
from tests.config.keys import ED25519, OTHER_RSA, P256, P521, RSA, SMALL_RSA, pem, shared, webKey


class APIKeyTests(FilesCase):
    """
    Tests for L{checkAPIKey}.
    """

    def test_length(self) -> None:
        """A key has 16 to 256 characters."""
        for length in (16, 256):
            checkAPIKey("k" * length)
        for length in (1, 15, 257):
            self.assertIn(f"has {length} char", self.refusal(checkAPIKey, "k" * length))

    def test_characters(self) -> None:
        """A key is made of the characters that a header's token may have."""
        checkAPIKey("!#$%&'*+-.^_`|~09azAZ")
        for bad in ' ,;:"/\\()<>@[]{}=?\t\x7fé\n':
            self.assertIn("at place 17", self.refusal(checkAPIKey, f"{'k' * 16}{bad}k"))

    @given(st.text(max_size=40))
    def test_notShown(self, tail: str) -> None:
        """A refusal does not show the key."""
        key = "quite-secret-key" + tail + "\n"
        self.assertNotIn("quite-secret", self.refusal(checkAPIKey, key))


class TokenKeyTests(FilesCase):
    """
    Tests for L{checkTokenKey}.
    """

    def test_sharedSecret(self) -> None:
        """A shared secret is at least as long as the hash, in bytes."""
        for algorithm, least in (("HS256", 32), ("HS384", 48), ("HS512", 64)):
            checkTokenKey(algorithm, "s" * least)
            checkTokenKey(algorithm, "é" * (least // 2))
            message = self.refusal(checkTokenKey, algorithm, "s" * (least - 1))
            self.assertIn(f"at least {least}", message)

    def test_confusion(self) -> None:
        """A public key is never taken for a shared secret."""
        ssh = RSA.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        for key in (pem(RSA), pem(P256), ssh, "  \n" + pem(RSA)):
            self.assertIn("PEM or SSH key", self.refusal(checkTokenKey, "HS256", key))

    def test_publicKeys(self) -> None:
        """Each algorithm takes a public key of its own type, and no other."""
        for algorithm, good, bad in (
            ("RS256", RSA, P256),
            ("PS512", RSA, ED25519),
            ("RS384", RSA, SMALL_RSA),
            ("ES256", P256, P521),
            ("ES512", P521, P256),
            ("ES384", ec.generate_private_key(ec.SECP384R1()), RSA),
            ("EdDSA", ED25519, RSA),
        ):
            checkTokenKey(algorithm, pem(good))
            self.assertIn(algorithm, self.refusal(checkTokenKey, algorithm, pem(bad)))

    def test_noPublicKey(self) -> None:
        """A key that is not a PEM public key is refused.  For a private key the message says so."""
        private = RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        self.assertIn("private key", self.refusal(checkTokenKey, "RS256", private))
        self.assertIn("no PEM", self.refusal(checkTokenKey, "RS256", "s" * 64))
        broken = pem(RSA).replace("MII", "XXX")
        self.assertIn("no PEM", self.refusal(checkTokenKey, "RS256", broken))


class KeySetTests(FilesCase):
    """
    Tests for L{readKeySet}.
    """

    def keySet(self, *keys: Any, mode: int = 0o600) -> Path:
        """
        @return: The path of a new key set.
        """
        return self.write("jwks.json", json.dumps({"keys": keys}), mode)

    def test_good(self) -> None:
        """A set with a key for the algorithm is read as it is."""
        keys = [webKey(RSA, "RS256"), webKey(P256, "ES256")]
        for algorithm in ("RS256", "PS384", "ES256"):
            self.assertEqual(readKeySet(self.keySet(*keys, mode=0o644), algorithm), {"keys": keys})
        self.assertEqual(len(readKeySet(self.keySet(webKey(ED25519, "EdDSA")), "EdDSA")), 1)
        self.assertEqual(readKeySet(self.keySet(shared(32)), "HS256"), {"keys": [shared(32)]})

    def test_sameKid(self) -> None:
        """
        Two keys that no token can tell apart are refused.  A key to encrypt with does not count.
        """
        for name in ({"kid": "a"}, {}):
            first, second = ({**webKey(key, "RS256"), **name} for key in (RSA, OTHER_RSA))
            message = self.refusal(readKeySet, self.keySet(first, second), "RS256")
            self.assertIn("has keys 1 and 2 of the same kid", message)
            readKeySet(self.keySet(first, {**second, "use": "enc"}, mode=0o644), "RS256")

    def test_none(self) -> None:
        """A set without a key for the algorithm is refused."""
        path = self.keySet(webKey(RSA, "RS256"))
        self.assertIn("no key of type OKP", self.refusal(readKeySet, path, "EdDSA"))
        self.assertIn("no key of type RSA", self.refusal(readKeySet, self.keySet(), "RS256"))

    def test_mixed(self) -> None:
        """One set cannot have both shared secrets and public keys."""
        path = self.keySet(webKey(RSA, "RS256"), shared(64))
        self.assertIn("key 2 of type 'oct'", self.refusal(readKeySet, path, "RS256"))
        self.assertIn("key 1 of type 'RSA'", self.refusal(readKeySet, path, "HS256"))

    def test_weak(self) -> None:
        """A key that is too short or not of the algorithm's curve is refused."""
        for algorithm, key in (
            ("HS256", shared(31)),
            ("RS256", webKey(SMALL_RSA, "RS256")),
            ("ES256", webKey(P521, "ES512")),
            ("RS256", {"kty": "RSA"}),
            ("RS256", {"kty": "RSA", "n": 1, "e": 2}),
            ("EdDSA", {"kty": "OKP", "crv": "X25519", "x": "AAAA"}),
        ):
            path = self.keySet(key)
            self.assertIn("has a key 1 that", self.refusal(readKeySet, path, algorithm))

    def test_private(self) -> None:
        """
        A set with a private key is refused, and so is a set of secrets that every user can read.
        """
        private = jwt.get_algorithm_by_name("RS256").to_jwk(RSA, as_dict=True)
        message = self.refusal(readKeySet, self.keySet(private), "RS256")
        self.assertIn("private key at place 1", message)
        path = self.keySet(shared(32), mode=0o644)
        self.assertIn("chmod", self.refusal(readKeySet, path, "HS256"))

    def test_malformed(self) -> None:
        """A file that is not a key set is refused, and the message has its path."""
        for content, why in (
            ("{", "no JSON (line 1)"),
            ("[" * 100_000, "nested"),
            ("[]", "no key set"),
            ('{"keys": {}}', "no key set"),
            ('{"keys": [1]}', "no key set"),
        ):
            path = self.write("jwks.json", content)
            message = self.refusal(readKeySet, path, "RS256")
            self.assertIn(why, message)
            self.assertIn(str(path), message)
        self.assertIn("cannot be read", self.refusal(readKeySet, self.base / "no", "RS256"))
