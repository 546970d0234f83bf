"""
Lua scripts that the server keeps, and their order on one connection.

The server may forget its scripts at any time, and answers EVALSHA with C{NOSCRIPT} then.  A call
that is sent again must not come behind a later one.  Two things see to that.  First, each daemon's
scripts have digests of their own, so that no other daemon can load them between two calls.  Second,
the calls that come meanwhile wait until those that failed have been sent again, so that there is a
moment when no call is at the server.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail, gatherResults
from twisted.python.failure import Failure

from aerostack.engine.valkey.errors import Backlogged, ReplyError, firstError
from aerostack.engine.valkey.resp import COMMAND_BYTES, WAITING_BYTES, Argument, RespConnection


class Scripts:
    """
    The scripts of a daemon, by their names.
    """

    def __init__(self, sources: Mapping[str, str], run: str) -> None:
        """
        @param sources: The text of each script.
        @param run: A string that no other daemon has, and that is another one after each start.
        """
        self._sources = {name: f"{source}\n-- {run}\n".encode() for name, source in sources.items()}
        self._digests = {
            name: hashlib.sha1(source, usedforsecurity=False).hexdigest().encode()
            for name, source in self._sources.items()
        }

    @property
    def sources(self) -> Iterable[bytes]:
        """The text of each script, as the server gets it."""
        return self._sources.values()

    def digest(self, name: str) -> bytes:
        """
        Give the name that the server has for a script.
        """
        return self._digests[name]


class _Run:
    """
    One call of a script.
    """

    __slots__ = ("command", "deferred", "isRepeated", "size")

    def __init__(self, command: tuple[Argument, ...]) -> None:
        self.command = command
        self.deferred: Deferred[Any] = Deferred()
        self.isRepeated = False
        self.size = COMMAND_BYTES + sum(len(part) for part in command if not isinstance(part, int))


class ScriptRunner:
    """
    Runs scripts on one connection, in the order of the calls.
    """

    def __init__(
        self, connection: RespConnection, scripts: Scripts, bound: int = WAITING_BYTES
    ) -> None:
        """
        @param bound: How many bytes of calls may wait until the scripts are loaded again.
        """
        self._connection = connection
        self._scripts = scripts
        self._bound = bound
        # Calls that are at the server.
        self._sent = 0
        # Calls that failed, and calls behind them that were not sent yet.
        self._failed: deque[_Run] = deque()
        self._held: deque[_Run] = deque()
        self._heldBytes = 0
        self._loadFailure: Failure | None = None

    def load(self) -> Deferred[None]:
        """
        Load all scripts.

        @return: Fires when the server has them, and fails as a command does.
        """
        loading = [
            self._connection.command(b"SCRIPT", b"LOAD", source) for source in self._scripts.sources
        ]
        loaded: Deferred[None] = gatherResults(loading, consumeErrors=True).addCallbacks(
            lambda results: None, firstError
        )
        return loaded

    def run(self, name: str, keys: Sequence[bytes], arguments: Sequence[Argument]) -> Deferred[Any]:
        """
        Run a script.

        @return: Fires with what the script returns, and fails as a command does.
        """
        digest = self._scripts.digest(name)
        call = _Run((b"EVALSHA", digest, len(keys), *keys, *arguments))
        if not self._failed:
            self._send(call)
        elif self._heldBytes + call.size > self._bound:
            return fail(Backlogged("Too much waits until the scripts are loaded again."))
        else:
            self._held.append(call)
            self._heldBytes += call.size
        return call.deferred

    def _send(self, call: _Run) -> None:
        self._sent += 1
        sending = self._connection.command(*call.command)
        sending.addCallbacks(
            self._answered, self._refused, callbackArgs=(call,), errbackArgs=(call,)
        )

    def _answered(self, reply: Any, call: _Run) -> None:
        self._sent -= 1
        call.deferred.callback(reply)
        self._repeat()

    def _refused(self, failure: Failure, call: _Run) -> None:
        self._sent -= 1
        error = failure.value
        if isinstance(error, ReplyError) and error.code == "NOSCRIPT" and not call.isRepeated:
            call.isRepeated = True
            self._failed.append(call)
        elif isinstance(error, ReplyError) and error.code == "NOSCRIPT":
            call.deferred.errback(self._loadFailure or failure)
        else:
            call.deferred.errback(failure)
        self._repeat()

    def _notLoaded(self, failure: Failure) -> None:
        # The calls behind it fail with this.
        self._loadFailure = failure

    def _repeat(self) -> None:
        """
        When the server has answered every call that it had, load the scripts and send those that
        failed, then those that came meanwhile.
        """
        if self._sent or not self._failed:
            return
        waiting = [*self._failed, *self._held]
        self._failed.clear()
        self._held.clear()
        self._heldBytes = 0
        self._loadFailure = None
        self.load().addErrback(self._notLoaded)
        for call in waiting:
            self._send(call)
