"""
Tests for L{aerostack.databases.postgres.wake}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.error import ConnectionLost
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from aerostack.databases.outage import Outage
from aerostack.databases.postgres import wake
from aerostack.databases.postgres.triggers import CHANNEL
from aerostack.databases.postgres.wake import PostgresWaker
from aerostack.interfaces.tracking import IWaker
from tests.ports import freePort
from tests.postgres import ADMIN, ROLE, freshDatabase


class WakerTests(TestCase):
    """
    Tests for L{PostgresWaker}, on a real server.
    """

    def setUp(self) -> None:
        self.database = freshDatabase(self)
        self.patch(wake, "FIRST", 0.01)
        self.woken = 0
        self.waiting: Deferred[None] | None = None
        self.waker = self.make()

    def make(self, **options: Any) -> PostgresWaker:
        server = self.database.server
        known = {
            "host": str(server.directory),
            "port": server.port,
            "dbname": self.database.name,
            "user": ROLE,
            "application_name": "the waker",
        }
        clock: Any = reactor
        waker = PostgresWaker(reactor, {**known, **options}, Outage(clock.seconds))
        self.addCleanup(waker.stop)
        return waker

    def wake(self) -> None:
        self.woken += 1
        waiting, self.waiting = self.waiting, None
        if waiting is not None:
            waiting.callback(None)

    def wakes(self) -> Deferred[None]:
        """
        Wait for a wake-up.
        """
        self.waiting = Deferred()
        return self.waiting

    def notify(self) -> None:
        self.database.execute(f'NOTIFY "{CHANNEL}"')

    def start(self) -> Deferred[None]:
        woken = self.wakes()
        self.waker.start(self.wake)
        return woken

    def terminate(self) -> None:
        self.database.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE application_name = 'the waker'",
            user=ADMIN,
        )

    def connections(self) -> int:
        ((count,),) = self.database.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'the waker'", user=ADMIN
        )
        return int(count)

    def test_interface(self) -> None:
        """
        The waker is an L{IWaker}.
        """
        verifyObject(IWaker, self.waker)

    @inlineCallbacks
    def test_wakes(self) -> Any:
        """
        It wakes when it begins to listen, and at each later notification of the daemon's channel,
        not of others.
        """
        yield self.start()
        self.assertTrue(self.waker.isListening)
        self.assertEqual(self.woken, 1)
        for count in (2, 3):
            woken = self.wakes()
            self.database.execute("NOTIFY other")
            self.notify()
            yield woken
            self.assertEqual(self.woken, count)

    @inlineCallbacks
    def test_stop(self) -> Any:
        """
        After the stop it does not wake and has no connection, and it can be started again.
        """
        yield self.start()
        yield self.waker.stop()
        self.assertFalse(self.waker.isListening)
        while self.connections():
            yield deferLater(reactor, 0.01)
        self.notify()
        self.assertEqual(self.woken, 1)
        yield self.start()
        self.assertEqual(self.woken, 2)

    @inlineCallbacks
    def test_stopWhileConnecting(self) -> Any:
        """
        The same holds during connecting; a start at that time takes the connection over.
        """
        self.waker.start(self.wake)
        yield self.waker.stop()
        self.assertEqual((self.woken, self.waker.isListening), (0, False))
        self.waker.start(self.wake)
        stopped = self.waker.stop()
        yield self.start()
        yield stopped
        self.assertEqual((self.woken, self.waker.isListening), (1, True))
        # The server ends the session of a closed connection a little later.
        while self.connections() > 1:
            yield deferLater(reactor, 0.01)
        self.assertEqual(self.connections(), 1)

    @inlineCallbacks
    def test_lost(self) -> Any:
        """
        The waker reconnects when it loses its connection, and wakes the tracker for what it missed.
        """
        yield self.start()
        for count in (2, 3):
            woken = self.wakes()
            self.terminate()
            yield woken
            self.assertEqual((self.woken, self.waker.isListening), (count, True))
        woken = self.wakes()
        self.notify()
        yield woken

    @inlineCallbacks
    def test_reactorLost(self) -> Any:
        """
        It also does when the reactor finds that the socket is gone.
        """
        yield self.start()
        woken = self.wakes()
        self.waker.connectionLost(Failure(ConnectionLost()))
        yield woken
        self.assertTrue(self.waker.isListening)

    @inlineCallbacks
    def test_notThere(self) -> Any:
        """
        While the server cannot be reached it tries again and again, and stops when asked.
        """
        port = freePort(self)
        attempts = []
        self.waker = self.make(host="127.0.0.1", port=port)
        enough: Deferred[None] = Deferred()
        retry = self.waker._retry

        def count(error: BaseException | None) -> None:
            attempts.append(error)
            retry(error)
            if len(attempts) == 3:
                enough.callback(None)

        self.patch(self.waker, "_retry", count)
        self.waker.start(self.wake)
        yield enough
        yield self.waker.stop()
        self.assertEqual((self.woken, self.waker.isListening), (0, False))
        self.assertIn("refused", str(attempts[0]))

    @inlineCallbacks
    def test_refused(self) -> Any:
        """
        A server that refuses the login causes attempts and nothing else.
        """
        self.waker = self.make(user="nobody")
        self.waker.start(self.wake)
        yield self.waker.stop()
        self.assertEqual((self.woken, self.waker.isListening), (0, False))
