"""
Tests for L{aerostack.config.secrets}.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from aerostack.config.keys import checkAPIKey
from aerostack.config.loader import load
from aerostack.config.secrets import (
    Pending,
    credentialsOf,
    resolve,
    within,
)
from aerostack.settings.files import MOST
from aerostack.settings.kinds import Secret
from tests.config.files import FilesCase
from tests.config.keys import shared

API_KEY = Secret("an API key", prefix="sk_")
PUBLIC = Secret("an API key", prefix="pk_", private=False)
OTHER = Secret("a shared secret")


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
        """
        A credential that is missing at its place is reported with advice.
        """
        self.assertIn(str(self.base / "nope"), self.refused({"file": "nope"}))
        self.assertIn("KEY, which is not set", self.refused({"env": "KEY"}))
        self.assertIn("not set", self.refused({"env": "KEY"}, KEY=""))
        self.assertIn("LoadCredential=name:", self.refused({"credential": "name"}))
        directory = {"CREDENTIALS_DIRECTORY": str(self.base)}
        self.assertIn("cannot be read", self.refused({"credential": "name"}, **directory))

    def test_malformed(self) -> None:
        """
        A source that does not name exactly one place is reported.
        """
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
        """
        A file without a credential is reported.
        """
        self.write("blank", " \n")
        self.write("binary", b"\xff\xfe\x00")
        self.write("large", b"x" * (MOST + 1))
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
