"""
Tests for L{aerostack.cli.obstacles}.
"""

from __future__ import annotations

import os
import pwd
from dataclasses import replace
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from aerostack.cli import obstacles as module
from aerostack.cli.obstacles import Account, accountOf, obstacles
from tests.cli.test_init import WANTED

STRANGER = Account(uid=-1, groups=frozenset((-1,)))


class ObstaclesTests(SynchronousTestCase):
    """
    Tests for L{obstacles}.
    """

    def setUp(self) -> None:
        # The directories of tests are under those that the unit hides, perhaps.
        self.patch(module, "_HIDDEN", ("/home/ann",))
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.key, self.chain = self.directory / "key.pem", self.directory / "chain.pem"
        for path, mode in ((self.key, 0o600), (self.chain, 0o644)):
            path.touch()
            path.chmod(mode)
        self.wanted = replace(WANTED, tls=(self.key, self.chain), directory=self.directory)
        # The directories above are the machine's, and may be closed to others.
        self.patch(module, "_ENTER", 0o7777)
        status = self.directory.stat()
        self.owner = Account(status.st_uid, frozenset((status.st_gid,)))

    def find(self, account: Account) -> list[str]:
        return list(obstacles(self.wanted, account))

    def test_key(self) -> None:
        """
        A private key that another user alone may read is named, with where to read on.
        """
        (found,) = self.find(STRANGER)
        self.assertIn(f"the user rt may not read {self.key}; the page on systemd", found)
        self.assertEqual(self.find(self.owner), [])
        (found,) = self.find(Account(None))
        self.assertIn(str(self.key), found)

    def test_group(self) -> None:
        """
        A file may be open to a group.
        """
        self.key.chmod(0o640)
        self.assertEqual(self.find(Account(-1, self.owner.groups)), [])
        self.assertEqual(len(self.find(STRANGER)), 1)

    def test_folder(self) -> None:
        """
        A file is out of reach in a directory that the user may not enter, unless that is the
        directory of the configuration, which the command gives to the user.
        """
        self.patch(module, "_ENTER", 1)
        folder = self.directory / "tls"
        folder.mkdir(0o700)
        chain = self.chain.rename(folder / "chain.pem")
        self.wanted = replace(self.wanted, tls=(chain, chain))
        self.assertEqual(len(self.find(STRANGER)), 2)
        self.assertFalse(module._mayRead(STRANGER, chain, self.directory))
        self.patch(module, "_ENTER", 0o7777)
        self.assertTrue(module._mayRead(STRANGER, chain, folder))

    def test_hidden(self) -> None:
        """
        Whatever the unit hides from the daemon is named: its programs, its certificate and its
        database.
        """
        self.wanted = replace(
            WANTED,
            programs=Path("/home/ann/bin"),
            tls=(Path("/home/ann/key.pem"), Path("/tls/chain.pem")),
            database="sqlite:////home/ann/app/rt.db",
        )
        hidden = [found.split(" from the daemon")[0] for found in self.find(STRANGER)]
        self.assertEqual(
            hidden,
            [f"the unit hides /home/ann/{each}" for each in ("bin", "key.pem", "app")],
        )

    def test_account(self) -> None:
        """
        The groups of a user count, and a user that is yet to be made has none.
        """
        user = pwd.getpwuid(os.getuid())
        found = accountOf(user.pw_name)
        self.assertEqual(found.uid, user.pw_uid)
        self.assertIn(user.pw_gid, found.groups)
        self.assertEqual(accountOf("nosuchuser"), Account())

    def test_missing(self) -> None:
        """
        A file that is missing is another matter.
        """
        self.key.unlink()
        self.assertEqual(self.find(STRANGER), [])
