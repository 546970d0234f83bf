"""
Tests for L{aerostack.databases.sqlite.wake}.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from aerostack.databases.sqlite import wake
from aerostack.databases.sqlite.wake import BUSY, WALWaker
from aerostack.interfaces.tracking import IWaker
from tests.databases.support import connect
from tests.tracker.fakes import TrackerCase


class WakenTests(TrackerCase):
    """
    A tracker with a waker.
    """

    class Waker:
        """
        Remembers its calls.
        """

        wake: Any = None
        gone: Deferred[None] | None = None

        def start(self, wake: Any) -> None:
            assert self.wake is None
            self.wake = wake

        def stop(self) -> Deferred[None] | None:
            assert self.wake is not None
            self.wake = None
            return self.gone

    def setUp(self) -> None:
        self.waker = self.Waker()
        super().setUp()

    def makeTracker(self, **more: Any) -> Any:
        return super().makeTracker(waker=self.waker, **more)

    def test_woken(self) -> None:
        """
        A woken tracker reads the journal at once.
        """
        self.watch("a")
        self.journal.write("a")
        self.waker.wake()
        self.turn()
        self.assertEqual(self.listener.heard, [[("a", 1)]])

    def test_onlyWhileNeeded(self) -> None:
        """
        The waker runs only while a table is watched, or was until a while ago.
        """
        self.tick(10)
        self.assertIsNone(self.waker.wake)
        self.watch("a")
        self.assertIsNotNone(self.waker.wake)
        self.tracker.unwatch("a")
        self.tick(310)
        self.assertIsNone(self.waker.wake)
        self.watch("a")
        self.assertIsNotNone(self.waker.wake)
        self.successResultOf(self.tracker.stop())
        self.assertIsNone(self.waker.wake)

    def test_slowToStop(self) -> None:
        """
        The tracker stops only after its waker.
        """
        self.watch("a")
        self.waker.gone = Deferred()
        stopping = self.tracker.stop()
        self.assertNoResult(stopping)
        self.waker.gone.callback(None)
        self.successResultOf(stopping)

    def test_neverStarted(self) -> None:
        """
        A tracker whose waker never started stops too.
        """
        self.successResultOf(self.tracker.stop())
        self.assertIsNone(self.waker.wake)


class WALWakerTests(TestCase):
    """
    Tests for L{WALWaker}, with real files.
    """

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.path = self.directory / "rt.db"
        self.woken = 0
        self.waiting: Deferred[None] | None = None
        self.connection = self.open("WAL")
        self.connection.execute("CREATE TABLE t (n)")
        self.waker = self.wakerOf(self.path)

    def open(self, mode: str, path: Path | None = None) -> sqlite3.Connection:
        """
        Open a database as another program does.
        """
        connection = connect(str(path or self.path))
        self.addCleanup(connection.close)
        connection.execute(f"PRAGMA journal_mode = {mode}")
        return connection

    def wakerOf(self, path: Path) -> WALWaker:
        """
        A started waker.
        """
        waker = WALWaker(self.reactor, path)
        waker.start(self.wake)
        self.addCleanup(waker.stop)
        return waker

    def wake(self) -> None:
        """Count, and continue."""
        self.woken += 1
        if self.waiting is not None:
            waiting, self.waiting = self.waiting, None
            waiting.callback(None)

    async def wokenNext(self) -> None:
        """
        Wait until the waker wakes.
        """
        self.waiting = Deferred()
        await self.waiting

    async def rest(self) -> int:
        """
        Wait until the waker is at rest.

        @return: How often it woke since it last was.
        """
        quiet = 0
        while quiet < 3:
            await deferLater(self.reactor, 0.01)
            asking = self.waker._asking
            quiet = quiet + 1 if asking is None or asking._call is None else 0
        woken, self.woken = self.woken, 0
        return woken

    def watches(self) -> int:
        """
        How many inotify watches this process has.
        """
        count = 0
        for entry in Path("/proc/self/fdinfo").iterdir():
            # A watch may have ended since.
            with contextlib.suppress(FileNotFoundError):
                count += entry.read_text().count("inotify wd:")
        return count

    def test_interface(self) -> None:
        """
        The waker is an L{IWaker}.
        """
        verifyObject(IWaker, self.waker)

    async def test_commit(self) -> None:
        """
        A commit wakes, and at the last wake-up the commit can be read.
        """
        reader = self.open("WAL")
        await self.rest()
        for n in range(5):
            self.connection.execute("INSERT INTO t VALUES (?)", (n,))
            await self.wokenNext()
            await self.rest()
            self.assertEqual(reader.execute("SELECT max(n) FROM t").fetchone(), (n,))

    async def test_readingIsSilent(self) -> None:
        """
        Reading the database does not wake: otherwise every reader would wake itself.
        """
        reader = self.open("WAL")
        await self.rest()
        for _ in range(20):
            reader.execute("SELECT * FROM t").fetchall()
            reader.execute("PRAGMA data_version").fetchall()
            await deferLater(self.reactor, 0.005)
        self.assertEqual(await self.rest(), 0)

    async def test_otherFiles(self) -> None:
        """
        Files of other names do not wake.
        """
        await self.rest()
        for name in ("rt.db-shm", "rt.db-journal", "other.db-wal", "rt.log"):
            with (self.directory / name).open("a") as file:
                file.write("x")
        self.assertEqual(await self.rest(), 0)

    async def test_busy(self) -> None:
        """
        Hundreds of commits a second wake a few hundred times a second, and it ends in rest.
        """
        await self.rest()
        self.connection.execute("PRAGMA synchronous = OFF")
        began = self.reactor.seconds()
        for n in range(500):
            self.connection.execute("INSERT INTO t VALUES (?)", (n,))
            if n % 5 == 0:
                await deferLater(self.reactor, 0.001)
        passed = self.reactor.seconds() - began
        self.assertLess(await self.rest(), 20 + passed / BUSY)
        self.assertEqual(await self.rest(), 0)

    async def test_replaced(self) -> None:
        """
        A database that is removed and made again repeatedly has one watch all the time, and its
        writers wake.
        """
        before = self.watches()
        for _ in range(20):
            self.connection.close()
            for file in self.directory.iterdir():
                file.unlink()
            self.connection = self.open("WAL")
            self.connection.execute("CREATE TABLE t (n)")
            await self.wokenNext()
        self.assertEqual(self.watches(), before)
        self.waker.stop()
        await self.rest()
        self.assertEqual(self.watches(), before - 1)
        self.connection.execute("INSERT INTO t VALUES (1)")
        self.assertEqual(await self.rest(), 0)

    async def test_startedAgain(self) -> None:
        """
        A stopped waker can be started again, any number of times.
        """
        before = self.watches()
        for _ in range(20):
            self.waker.stop()
            self.waker.start(self.wake)
        await self.rest()
        self.assertEqual(self.watches(), before)
        self.connection.execute("INSERT INTO t VALUES (1)")
        await self.wokenNext()

    async def test_folderGone(self) -> None:
        """
        After the whole folder is removed nothing wakes any more, and no watch is left.
        """
        before = self.watches()
        self.connection.close()
        shutil.rmtree(self.directory)
        await self.rest()
        self.assertEqual(self.watches(), before - 1)
        self.waker.stop()
        self.waker.start(self.wake)
        self.assertEqual(self.watches(), before - 1)

    async def test_folderGoneMeanwhile(self) -> None:
        """
        If the folder is removed during the repeated reads after a commit, these continue to their
        end.
        """
        await self.rest()
        self.connection.execute("INSERT INTO t VALUES (1)")
        await self.wokenNext()
        self.connection.close()
        shutil.rmtree(self.directory)
        self.assertGreater(await self.rest(), 5)

    async def test_link(self) -> None:
        """
        The WAL file of a database behind a link is beside the real database.
        """
        other = self.directory / "elsewhere"
        other.mkdir()
        os.symlink(self.path, other / "link.db")
        self.waker.stop()
        self.wakerOf(other / "link.db")
        self.connection.execute("INSERT INTO t VALUES (1)")
        await self.wokenNext()

    async def test_rollbackMode(self) -> None:
        """
        With a rollback journal nothing wakes: a reader at that moment would block the writer.
        """
        self.connection.close()
        connection = self.open("DELETE")
        await self.rest()
        connection.execute("INSERT INTO t VALUES (1)")
        self.assertEqual(await self.rest(), 0)

    async def test_noWatchLeft(self) -> None:
        """
        If the system has no watch left, the waker does without.
        """
        self.waker.stop()
        await self.rest()
        before = self.watches()

        def full(*_: object, **__: object) -> None:
            raise wake.inotify.INotifyError("no space left")

        self.patch(wake.inotify.INotify, "watch", full)
        self.waker.start(self.wake)
        self.connection.execute("INSERT INTO t VALUES (1)")
        self.assertEqual(await self.rest(), 0)
        self.assertEqual(self.watches(), before)

    async def test_noInotify(self) -> None:
        """
        If the system has no inotify, the waker does without.
        """
        self.waker.stop()
        await self.rest()
        self.patch(wake, "inotify", None)
        self.waker.start(self.wake)
        self.connection.execute("INSERT INTO t VALUES (1)")
        self.assertEqual(await self.rest(), 0)
        self.waker.stop()
