"""
Ports that nobody listens on.
"""

from __future__ import annotations

import socket

from twisted.trial.unittest import SynchronousTestCase, TestCase


def holdPort() -> socket.socket:
    """
    Hold a port of the loopback interface on which nobody listens: as long as the socket is open,
    the system gives the port neither to another program nor to a connection that goes out.

    A program that binds it with C{SO_REUSEADDR}, as servers do, can listen there all the same.
    Until one does, connections to it are refused.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held


def freePort(test: TestCase | SynchronousTestCase) -> int:
    """
    A port on which nobody listens, held until a test is over; see L{holdPort}.
    """
    held = holdPort()
    test.addCleanup(held.close)
    return int(held.getsockname()[1])
