"""
Tests of L{aerostack.engine.valkey.watch}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.engine.valkey.watch import Backoff, ConnectionWatch, roleFault


class WatchTests(SynchronousTestCase):
    """
    When a connection is left.
    """

    def run_(self, answers: bool, probes: bool, until: float) -> str | None:
        """
        Look four times a second at a server that answers or not, and brings probes or not.

        @return: The first fault.
        """
        watch = ConnectionWatch(0.0)
        for look in range(1, int(until * 4) + 1):
            now = look / 4
            fault = watch.fault(now)
            if fault is not None:
                return f"{now:g}: {fault}"
            due = watch.due(now)
            if answers and (due.ping or due.role):
                watch.heard(now + 0.1)
            if probes and due.probe is not None:
                watch.returned(due.probe, now + 0.1)
        return None

    def test_healthy(self) -> None:
        """
        A server that answers and brings the probes is kept.
        """
        self.assertIsNone(self.run_(True, True, 60))

    def test_silent(self) -> None:
        """
        A server that sends nothing is left after three seconds.
        """
        self.assertIn("3: The server has sent nothing", self.run_(False, False, 60) or "")

    def test_deaf(self) -> None:
        """
        A server that answers, but brings no messages, is left three seconds after the first probe.
        """
        self.assertIn("4: The server answers, but", self.run_(True, False, 60) or "")

    def test_rhythm(self) -> None:
        """
        Pings and probes are due every second, the role every two seconds.
        """
        watch = ConnectionWatch(10.0)
        due = [watch.due(10 + look / 2) for look in range(5)]
        self.assertEqual([one.ping for one in due], [False, False, True, False, True])
        self.assertEqual([one.role for one in due], [False, False, False, False, True])
        self.assertEqual([one.probe for one in due], [None, None, 1, None, 2])

    def test_stoodStill(self) -> None:
        """
        The time in which the daemon itself stood still does not count.
        """
        watch = ConnectionWatch(0.0)
        watch.due(1.0)
        self.assertIsNone(watch.fault(1.0))
        self.assertIsNone(watch.fault(100.0))
        faults = [watch.fault(100.0 + look / 4) for look in range(1, 13)]
        self.assertIsNotNone(faults[-1])

    def test_oldProbe(self) -> None:
        """
        A probe that comes twice, or was never sent, proves nothing.
        """
        watch = ConnectionWatch(0.0)
        watch.due(1.0)
        watch.returned(7, 1.1)
        watch.returned(0, 1.1)
        for look in range(4, 17):
            watch.heard(look / 4)
            fault = watch.fault(look / 4)
        self.assertIn("has not come", fault or "")

    def test_role(self) -> None:
        """
        Only a master is kept.
        """
        self.assertIsNone(roleFault([b"master", 0, []]))
        for role, shown in (
            ([b"slave", b"h", 1, b"connected", 0], "its role is slave"),
            ([b"sentinel", []], "its role is sentinel"),
            (None, "nothing known"),
        ):
            self.assertIn(shown, roleFault(role) or "")


class BackoffTests(SynchronousTestCase):
    """
    The pauses between attempts.
    """

    def test_pauses(self) -> None:
        """
        The pauses grow to a bound and are scattered.  A connection that lasted begins them anew.
        """
        backoff = Backoff()
        self.assertEqual([backoff.next(1) for _ in range(7)], [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0])
        self.assertEqual(backoff.next(0), 1.0)
        backoff.ended(0.5)
        self.assertEqual(backoff.next(1), 2.0)
        backoff.ended(5.0)
        self.assertEqual(backoff.next(1), 0.05)
