"""
Tests for L{aerostack.databases.sqlite.holders}.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases.sqlite.holders import daemons

DAEMON = b"python\0/bin/twistd\0--nodaemon\0aerostack-rt\0--config\0rt.toml\0"


class HolderTests(SynchronousTestCase):
    """
    Tests for L{daemons}.
    """

    def setUp(self) -> None:
        self.base = Path(self.mktemp()).absolute()
        self.base.mkdir()
        self.path = self.base / "rt.db"
        self.path.touch()

    def process(self, number: str, command: bytes, opened: Path) -> None:
        """
        Let the system show a process.
        """
        files = self.base / "proc" / number / "fd"
        files.mkdir(parents=True)
        (files.parent / "cmdline").write_bytes(command)
        (files / "0").symlink_to("socket:[7]")
        (files / "8").symlink_to(opened)

    def find(self) -> list[int]:
        return list(daemons(self.path, self.base / "proc"))

    def test_daemon(self) -> None:
        """
        A daemon that has the file open is found, also by another name of the file.
        """
        other = self.base / "link.db"
        other.symlink_to(self.path)
        self.process("12", DAEMON, other)
        self.assertEqual(self.find(), [12])

    def test_others(self) -> None:
        """
        A daemon with another file, another program, a command and what is no process are no daemons
        of the file.
        """
        another = self.base / "another.db"
        another.touch()
        self.process("12", DAEMON, another)
        self.process("13", b"sqlite3\0rt.db\0", self.path)
        self.process("14", b"python\0/usr/bin/aerostack-rt\0detach\0", self.path)
        self.process("self", DAEMON, self.path)
        self.assertEqual(self.find(), [])

    def test_hidden(self) -> None:
        """
        Where the system shows no processes, or the file is not there, nothing is found.
        """
        self.assertEqual(self.find(), [])
        self.process("12", DAEMON, self.path)
        (self.base / "proc" / "12" / "cmdline").unlink()
        self.assertEqual(self.find(), [])
        self.path.unlink()
        self.assertEqual(self.find(), [])
