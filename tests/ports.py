"""
Ports without a listener.
"""

from __future__ import annotations

import socket

from twisted.trial.unittest import SynchronousTestCase, TestCase


def holdPort() -> socket.socket:
    """
    Hold a port of the loopback interface that has no listener.  While the socket is open, the
    system gives the port neither to another program nor to a connection that goes out.

    A program that binds it with C{SO_REUSEADDR}, as servers do, can listen there all the same.
    Until one does, connections to it are refused.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held


def freePort(test: TestCase | SynchronousTestCase) -> int:
    """
    Give a port without a listener, and hold it until a test is over; see L{holdPort}.
    """
    held = holdPort()
    test.addCleanup(held.close)
    return int(held.getsockname()[1])
