"""
Learns by which SQLSTATE a PostgreSQL server refuses a connection.

The driver passes only the server's message on, and the message is in the server's language
(C{lc_messages}).  The code is in the trace of the protocol.
"""

from __future__ import annotations

import os
import re
import sys
import time
from dataclasses import dataclass
from select import POLLIN, POLLOUT, poll

from psycopg.pq import ConnStatus, PGconn, PollingStatus, Trace, abc, version

PATIENCE = 5.0
"""Seconds in which a server answers."""

REMEMBERED = 16
"""How many messages are remembered with what they mean.  The driver does not free the memory of a
trace, and a server that refuses the daemon does so every two seconds."""

CAN_LEARN = sys.platform == "linux" and version() >= 170_000
"""Whether the driver traces what a server answers before it lets the daemon in."""

_WAITS: dict[int, int] = {PollingStatus.READING: POLLIN, PollingStatus.WRITING: POLLOUT}

# An answer of a server: it asks for a password, or refuses.  Of an error, the first fields: the
# severity in the server's language, the severity in English, which poolers leave out, and the code.
_ANSWER = re.compile(
    rb'\bB\t\d+\t(?:Authentication|ErrorResponse\t S "[^"]*"(?: V "[A-Z]*")? C "([0-9A-Z]{5})")'
)


@dataclass(frozen=True)
class Refusal:
    """
    What a server means that has not let the daemon in.

    @ivar isReached: Whether a server has answered.
    @ivar state: The SQLSTATE; L{None} if the connection has failed for another reason.
    """

    isReached: bool
    state: str | None = None


class Refusals:
    """
    Asks servers why they refuse a connection, and remembers what their messages mean.
    """

    def __init__(self) -> None:
        self._known: dict[str, Refusal] = {}

    def learn(self, conninfo: str, said: str) -> Refusal | None:
        """
        Find out why a connection has failed.  This may connect to the server, and blocks, for
        L{PATIENCE} at the most.  It needs L{CAN_LEARN}.

        @param conninfo: How to connect, as libpq reads it.
        @param said: The message of the failure.
        @return: L{None} if the connection comes about by now.
        """
        key = _messageIn(said)
        if key in self._known:
            return self._known[key]
        refusal, message = _ask(conninfo)
        if refusal is not None and message and message in said:
            self._known[key] = refusal
            if len(self._known) > REMEMBERED:
                del self._known[next(iter(self._known))]
        return refusal


def _ask(conninfo: str) -> tuple[Refusal | None, str]:
    """
    Connect.

    @return: Why that has failed, and the message.
    """
    # The trace has what the daemon proves its password with, so it stays in memory.
    trace = os.memfd_create("refusal")
    connection = PGconn.connect_start(conninfo.encode())
    try:
        connection.trace(trace)
        connection.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)
        _finish(connection)
        connection.untrace()
        if connection.status == ConnStatus.OK:
            return None, ""
        message = connection.error_message.decode("utf-8", "replace")
        answers = [found[1] for found in _ANSWER.finditer(os.pread(trace, 65536, 0))]
        codes = [code.decode() for code in answers if code is not None]
        # Of several servers the last one decides: libpq goes on to the next only where it may.
        return Refusal(bool(answers), codes[-1] if codes else None), _messageIn(message)
    finally:
        connection.finish()
        os.close(trace)


def _finish(connection: abc.PGconn) -> None:
    """Let a connection come about, or fail."""
    until = time.monotonic() + PATIENCE
    state = connection.connect_poll()
    while state in _WAITS and (left := until - time.monotonic()) > 0:
        waiting = poll()
        # The next host or address has another socket.
        waiting.register(connection.socket, _WAITS[state])
        waiting.poll(left * 1000)
        state = connection.connect_poll()


def _messageIn(said: str) -> str:
    """The server's part of a message of the driver, which names the address before it."""
    return said.rpartition(" failed: ")[2].strip()
