"""
Tests that a test fails with the threads that it starts.
"""

from __future__ import annotations

from threading import Thread

from twisted.trial.unittest import SynchronousTestCase


class ThreadTests(SynchronousTestCase):
    """
    Threads of tests.
    """

    def test_exception(self) -> None:
        """
        An exception that ends a thread is an error of the test that runs.
        """

        def fail() -> None:
            raise ZeroDivisionError("in a thread")

        thread = Thread(target=fail)
        thread.start()
        thread.join()
        (failure,) = self.flushLoggedErrors(ZeroDivisionError)
        self.assertIn("in a thread", failure.getTraceback())
