"""
Tests of L{aerostack.process.signals}, on a real C{twistd}.
"""

from __future__ import annotations

import signal

from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from aerostack.process.signals import Signals
from tests.net import Child

TWISTD = "from twisted.scripts.twistd import run; run()"

TAC = """
import atexit, os, signal, sys, threading, time
from twisted.application.service import Application, MultiService, Service
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from aerostack.process.reloads import Reloads
from aerostack.process.signals import Signals

class Slow(Service):
    def startService(self):
        if "early" in {words!r}:
            os.kill(os.getpid(), signal.SIGHUP)
        reactor.callWhenRunning(print, "up")
    def stopService(self):
        print("stopping")
        self.done = Deferred()
        if "thread" in {words!r}:
            threading.Thread(target=threading.Event().wait).start()
        if "blocked" in {words!r}:
            time.sleep(1000)
        if "stuck" not in {words!r}:
            reactor.callLater(0, self.stopped)
        return self.done
    def stopped(self):
        if "late" in {words!r}:
            os.kill(os.getpid(), signal.SIGHUP)
        reactor.callLater(0, lambda: (print("stopped"), self.done.callback(None)))

count = 0
def reload():
    global count
    count += 1
    print("reload", count, "begins")
    if "failing" in {words!r}:
        raise RuntimeError("this reload is meant to fail")
    if "burst" in {words!r} and count == 1:
        for _ in range(5):
            os.kill(os.getpid(), signal.SIGHUP)
        done = Deferred()
        reactor.callLater(0, reactor.callLater, 0, reactor.callFromThread, done.callback, None)
        done.addCallback(lambda _: print("reload 1 ends"))
        return done

def others():
    # Registered first, so called last: a thread that is ending gets a moment for that.
    for _ in range(100):
        if len(sys._current_frames()) > 1:
            time.sleep(0.05)
    os.write(1, b"threads %d\\n" % len(sys._current_frames()))
atexit.register(others)
application = Application("test")
lastWords = lambda: os.write(1, b"last words")
Signals(reactor, Reloads(reload).ask, {patience}, lastWords).setServiceParent(application)
Slow().setServiceParent(application)
"""


class TwistdTests(TestCase):
    """
    A daemon under C{twistd} that is sent signals.
    """

    async def start(self, *words: str, patience: float = 1000.0) -> Child:
        """
        Start a daemon and wait until it runs.
        """
        path = self.mktemp()
        with open(path, "w") as tac:
            tac.write(TAC.format(words=words, patience=patience))
        arguments = ["-c", TWISTD, "--nodaemon", "--pidfile=", "-y", path]
        child = Child.spawn(reactor, arguments)
        self.addCleanup(child.kill)
        await child.wrote("up\n")
        return child

    async def test_terminate(self) -> None:
        """SIGTERM stops the services and exits with status 0."""
        child = await self.start()
        child.signal("TERM")
        self.assertEqual((await child.ended, "stopped\n" in child.output), (0, True))

    async def test_threads(self) -> None:
        """
        No thread of the daemon is left when the interpreter ends.
        """
        child = await self.start()
        child.signal("TERM")
        self.assertEqual(await child.ended, 0)
        self.assertIn("threads 1\n", child.output)

    async def test_interrupt(self) -> None:
        """SIGINT stops the services and exits with status 0."""
        child = await self.start()
        child.signal("INT")
        self.assertEqual((await child.ended, "stopped\n" in child.output), (0, True))

    async def test_secondForces(self) -> None:
        """
        A second signal ends a stop that takes too long, with a bad status.
        """
        child = await self.start("stuck")
        child.signal("TERM")
        await child.wrote("stopping\n")
        child.signal("INT")
        self.assertEqual(await child.ended, 128 + signal.SIGINT)

    async def test_patience(self) -> None:
        """
        A stop that does not come to its end is cut, with status 0 and after the last words:
        where a service waits, where the main thread does, and where a thread never ends.
        """
        for word in ("stuck", "blocked", "thread"):
            child = await self.start(word, patience=0.5)
            child.signal("TERM")
            self.assertEqual(await child.ended, 0, word)
            self.assertIn("last words", child.output)

    async def test_reload(self) -> None:
        """Each SIGHUP reloads, and the daemon goes on."""
        child = await self.start()
        child.signal("HUP")
        await child.wrote("reload 1 begins\n")
        child.signal("HUP")
        await child.wrote("reload 2 begins\n")
        child.signal("TERM")
        self.assertEqual(await child.ended, 0)

    async def test_reloadFails(self) -> None:
        """A reload that fails is logged, and the next one is tried."""
        child = await self.start("failing")
        child.signal("HUP")
        await child.wrote("reload 1 begins\n")
        child.signal("HUP")
        await child.wrote("reload 2 begins\n")
        child.signal("TERM")
        self.assertEqual(await child.ended, 0)
        self.assertIn("this reload is meant to fail", child.output)

    async def test_reloadsDoNotOverlap(self) -> None:
        """SIGHUPs during a reload make one more reload, after it."""
        child = await self.start("burst")
        child.signal("HUP")
        await child.wrote("reload 2 begins\n")
        child.signal("TERM")
        await child.ended
        first = child.output.index("reload 1 ends")
        self.assertLess(first, child.output.index("reload 2 begins"))
        self.assertNotIn("reload 3 begins", child.output)

    async def test_reloadEarly(self) -> None:
        """A SIGHUP before the reactor runs is not lost and does not kill."""
        child = await self.start("early")
        await child.wrote("reload 1 begins\n")
        child.signal("TERM")
        self.assertEqual(await child.ended, 0)

    async def test_reloadLate(self) -> None:
        """A SIGHUP while the daemon stops neither reloads nor cuts the stop short."""
        child = await self.start("late")
        child.signal("TERM")
        self.assertEqual(await child.ended, 0)
        self.assertIn("stopped\n", child.output)
        self.assertNotIn("reload 1 begins", child.output)


class ServiceTests(TestCase):
    """
    The service inside a process that goes on after it.
    """

    async def test_restores(self) -> None:
        """
        A stopped service restores the earlier handler of every signal.
        """
        # Trial runs the reactor only once something is waited for.
        await deferLater(reactor, 0)
        numbers = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
        before = [signal.getsignal(number) for number in numbers]
        service = Signals(reactor, lambda: None, 10.0, lambda: None)
        service.startService()
        during = [signal.getsignal(number) for number in numbers]
        service.stopService()
        for old, new in zip(before, during, strict=True):
            self.assertNotEqual(old, new)
        self.assertEqual([signal.getsignal(number) for number in numbers], before)
