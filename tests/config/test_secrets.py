"""
Tests for L{aerostack.config.secrets}.
"""

from __future__ import annotations

import base64
import json
import os
import stat
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.config.loader import load
from aerostack.config.secrets import (
    Pending,
    checkAPIKey,
    checkTokenKey,
    credentialsOf,
    readKeySet,
    resolve,
    within,
)
from aerostack.settings.kinds import Secret

API_KEY = Secret("an API key", prefix="sk_")
PUBLIC = Secret("an API key", prefix="pk_", private=False)
OTHER = Secret("a shared secret")

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


class FilesCase(SynchronousTestCase):
    """
    A test that has a directory.
    """

    def setUp(self) -> None:
        self.base = Path(self.mktemp()).absolute()
        self.base.mkdir()

    def write(self, name: str, content: str | bytes, mode: int = 0o600) -> Path:
        """
        @return: The path of a new file.
        """
        path = self.base / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        return path

    def refusal(self, call: Any, *args: Any) -> str:
        """
        @return: The message with which a call refuses its arguments.
        """
        return str(self.assertRaises(ValueError, call, *args))


class ResolveTests(FilesCase):
    """
    Tests for L{resolve}.
    """

    def find(self, source: Any, kind: Secret = API_KEY, **environ: str) -> str | Pending:
        """
        @return: What a source is resolved to.
        """
        return resolve(source, kind, self.base, environ)

    def refused(self, source: Any, kind: Secret = API_KEY, **environ: str) -> str:
        """
        @return: The message with which a source is refused.
        """
        return self.refusal(resolve, source, kind, self.base, environ)

    def test_string(self) -> None:
        """A string is the credential itself."""
        self.assertEqual(self.find("sk_written_out"), "sk_written_out")

    def test_file(self) -> None:
        """A file's content is the credential, without the white space around it."""
        path = self.write("key", "\n sk_in_a_file\n")
        self.assertEqual(self.find({"file": "key"}), "sk_in_a_file")
        self.assertEqual(self.find({"file": str(path)}), "sk_in_a_file")

    def test_environment(self) -> None:
        """An environment variable's value is the credential."""
        self.assertEqual(self.find({"env": "KEY"}, KEY="sk_in_environ"), "sk_in_environ")

    def test_credential(self) -> None:
        """A credential's name is looked up where systemd put it."""
        self.write("name", "sk_of_systemd\n", 0o400)
        found = self.find({"credential": "name"}, CREDENTIALS_DIRECTORY=str(self.base))
        self.assertEqual(found, "sk_of_systemd")

    def test_missing(self) -> None:
        """A credential that is not where it should be is told, with what to do."""
        self.assertIn(str(self.base / "nope"), self.refused({"file": "nope"}))
        self.assertIn("KEY, which is not set", self.refused({"env": "KEY"}))
        self.assertIn("not set", self.refused({"env": "KEY"}, KEY=""))
        self.assertIn("LoadCredential=name:", self.refused({"credential": "name"}))
        directory = {"CREDENTIALS_DIRECTORY": str(self.base)}
        self.assertIn("cannot be read", self.refused({"credential": "name"}, **directory))

    def test_malformed(self) -> None:
        """A source that is not exactly one place is told."""
        directory = {"CREDENTIALS_DIRECTORY": str(self.base)}
        self.assertIn("did you mean 'file'", self.refused({"fil": "x"}))
        self.assertIn("exactly one of file, env, credential", self.refused({}))
        self.assertIn("exactly one", self.refused({"file": "a", "env": "b"}))
        self.assertIn("no string, or empty", self.refused({"file": 7}))
        self.assertIn("no string, or empty", self.refused({"env": ""}))
        self.assertIn("neither true nor false", self.refused({"file": "a", "generate": "yes"}))
        self.assertIn("is empty", self.refused(""))
        for path in ("../key", "..", "/etc/passwd"):
            self.assertIn("is a path", self.refused({"credential": path}, **directory))

    def test_content(self) -> None:
        """A file that holds no credential is told."""
        self.write("blank", " \n")
        self.write("binary", b"\xff\xfe\x00")
        self.write("large", b"x" * 1_048_577)
        self.assertIn("empty", self.refused({"file": "blank"}))
        self.assertIn("no UTF-8", self.refused({"file": "binary"}))
        self.assertIn("more than", self.refused({"file": "large"}))
        self.assertIn("directory", self.refused({"file": "."}))

    def test_privacy(self) -> None:
        """A secret that everyone can read or write is refused; the group may read it."""
        for mode in (0o644, 0o604, 0o602):
            path = self.write("key", "sk_in_a_file", mode)
            self.assertIn(f"chmod o-rw {path}", self.refused({"file": "key"}))
            self.assertEqual(self.find({"file": "key"}, PUBLIC), "sk_in_a_file")
        self.write("key", "sk_in_a_file", 0o640)
        self.assertEqual(self.find({"file": "key"}), "sk_in_a_file")

    def test_toGenerate(self) -> None:
        """A key that may be generated and is not there is pending, and nothing is made."""
        pending = self.find({"file": "keys/a", "generate": True})
        self.assertEqual(pending, Pending(self.base / "keys" / "a", "sk_"))
        self.assertEqual(list(self.base.iterdir()), [])

    def test_generatedBefore(self) -> None:
        """A key that was generated is read from then on."""
        self.write("a", "sk_of_yesterday")
        self.assertEqual(self.find({"file": "a", "generate": True}), "sk_of_yesterday")

    def test_dangling(self) -> None:
        """A link to nowhere is a mistake, and not replaced by a new key."""
        (self.base / "a").symlink_to(self.base / "gone")
        self.assertIn("cannot be read", self.refused({"file": "a", "generate": True}))

    def test_notToGenerate(self) -> None:
        """Only API keys in files are generated."""
        self.assertIn("cannot be generated", self.refused({"file": "a", "generate": True}, OTHER))
        self.assertIn("cannot be generated", self.refused({"env": "A", "generate": True}, A="b"))


class PendingTests(FilesCase):
    """
    Tests for L{Pending}.
    """

    def test_generate(self) -> None:
        """A new key is good, long, never the same and its owner's alone."""
        first = Pending(self.base / "new" / "keys" / "a", "sk_")
        previous = os.umask(0)
        self.addCleanup(os.umask, previous)
        value = first.generate()
        self.assertRegex(value, r"\Ask_[A-Za-z0-9_-]{43}\Z")
        checkAPIKey(value)
        self.assertEqual(first.path.read_text(), f"{value}\n")
        self.assertEqual(stat.S_IMODE(first.path.stat().st_mode), 0o600)
        for directory in (first.path.parent, first.path.parent.parent):
            self.assertEqual(stat.S_IMODE(directory.stat().st_mode), 0o700)
        self.assertNotEqual(Pending(self.base / "b", "sk_").generate(), value)

    def test_kept(self) -> None:
        """A file that came to be there meanwhile is left as it is."""
        path = self.write("a", "sk_by_another")
        self.assertRaises(FileExistsError, Pending(path, "sk_").generate)
        self.assertEqual(path.read_text(), "sk_by_another")

    def test_fullDisk(self) -> None:
        """A key that could not be written leaves no file behind."""

        def full(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        self.patch(os, "fsync", full)
        path = self.base / "a"
        self.assertRaises(OSError, Pending(path, "sk_").generate)
        self.assertFalse(path.exists())


class WithinTests(FilesCase):
    """
    Tests for L{within}.
    """

    def test_relative(self) -> None:
        """A relative path begins at the directory, an absolute one does not."""
        self.assertEqual(within(self.base / "etc", "../var/x"), self.base / "var" / "x")
        self.assertEqual(within(self.base, "/var/x"), Path("/var/x"))

    def test_links(self) -> None:
        """A link stays a link, and C{..} after one means what it means to the system."""
        (self.base / "archive" / "deep").mkdir(parents=True)
        (self.base / "live").symlink_to(self.base / "archive" / "deep")
        self.assertEqual(within(self.base, "live"), self.base / "live")
        self.write("archive/x", "here")
        self.assertEqual(within(self.base, "live/../x").read_text(), "here")


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
        """Anything but a PEM public key is told, a private key as what it is."""
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
        """Two keys that no token can tell apart are refused; one to encrypt with is no other."""
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
        """Shared secrets and public keys do not stand in one set."""
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
        """A set with a private key is refused, and so are secrets that everyone can read."""
        private = jwt.get_algorithm_by_name("RS256").to_jwk(RSA, as_dict=True)
        message = self.refusal(readKeySet, self.keySet(private), "RS256")
        self.assertIn("private key at place 1", message)
        path = self.keySet(shared(32), mode=0o644)
        self.assertIn("chmod", self.refusal(readKeySet, path, "HS256"))

    def test_malformed(self) -> None:
        """A file that is no key set is told, with its path."""
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


class CredentialsOfTests(FilesCase):
    """
    Tests for L{credentialsOf}.
    """

    def test_all(self) -> None:
        """
        Every key of every project is a credential, shared secrets of a key set too, and
        the database's password.
        """
        self.write("jwks.json", json.dumps({"keys": [shared(32)]}))
        path = self.write(
            "rt.toml",
            """
            server.listen = ["tcp:0"]
            database.url = "postgresql://rt:pppp@db.test/shop"
            [projects.a]
            public_key = "pk_aaaaaaaaaaaaaaaa"
            secret_key = "sk_aaaaaaaaaaaaaaaa"
            jwt = { algorithm = "HS256", key = "ssssssssssssssssssssssssssssssss" }
            [projects.b]
            jwt = { algorithm = "HS256", jwks_file = "jwks.json" }
            [projects.c]
            anonymous = true
            """,
        )
        self.assertEqual(
            credentialsOf(load(path, {})),
            {"pk_aaaaaaaaaaaaaaaa", "sk_aaaaaaaaaaaaaaaa", "s" * 32, shared(32)["k"], "pppp"},
        )
