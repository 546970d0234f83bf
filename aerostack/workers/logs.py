"""
Carries a worker's log to the hub, which writes it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from twisted.logger import (
    ILogObserver,
    LogEvent,
    LogLevel,
    formatEvent,
    globalLogPublisher,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.admin.crowds import sparing
from aerostack.tracker.faults import levelOf, stateOf
from aerostack.workers.channel import Channel
from aerostack.workers.frames import LogLine

LONGEST = 32_768
"""How many characters of an event are carried."""

MAX_WAITING = 1_048_576
"""While the hub has left more bytes unread, events are lost."""


@implementer(ILogObserver)
class LogForwarder:
    """
    Sends events over a channel.
    """

    def __init__(
        self, channel: Channel, level: str, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        """
        @param level: The name of the least important level to send.
        @param seconds: Tells the time for intervals, in seconds.
        """
        self._channel = channel
        self._lost = 0
        self._pass = sparing(self._send, seconds, stateOf)
        self.setLevel(level)

    def setLevel(self, level: str) -> None:
        """
        Send events of this level, and of more important ones, from now on.
        """
        self._least: Any = LogLevel.lookupByName(level)

    def __call__(self, event: LogEvent) -> None:
        if levelOf(event) >= self._least:
            self._pass(event)

    def _send(self, event: LogEvent) -> None:
        level, state, failure = levelOf(event), stateOf(event), event.get("log_failure")
        if self._channel.unread > MAX_WAITING:
            self._lost += 1
            return
        text = formatEvent(event)
        if state is not None and isinstance(failure, Failure):
            # The database's state says all.  A traceback through the daemon would add nothing.
            text = f"{text}: the database {state} ({' '.join(failure.getErrorMessage().split())})"
        elif isinstance(failure, Failure):
            text = f"{text}\n{failure.getTraceback()}"
        connection = event.get("connection")
        self._channel.send(
            LogLine(
                float(event.get("log_time", 0.0)),
                level.name,
                _encodable(str(event.get("log_namespace", ""))),
                _encodable(text),
                None if connection is None else _encodable(str(connection)),
                self._lost,
            )
        )
        self._lost = 0


def _encodable(text: str) -> str:
    # The name of a file may have what UTF-8 cannot encode.
    return text[:LONGEST].encode("utf-8", "backslashreplace").decode()


def relay(worker: str, line: LogLine) -> None:
    """
    Log an event of a worker in this process.

    @param worker: The worker's name, which the text begins with.
    """
    event: dict[str, Any] = {
        "log_time": line.time,
        "log_namespace": line.namespace,
        "worker": worker,
    }
    if line.lost:
        globalLogPublisher(
            {
                **event,
                "log_level": LogLevel.warn,
                "log_format": "{worker}: {n} lines of its log were lost: the hub did not read them",
                "n": line.lost,
            }
        )
    if line.connection is not None:
        event["connection"] = line.connection
    globalLogPublisher(
        {
            **event,
            "log_level": LogLevel.lookupByName(line.level),
            "log_format": "{worker}: {log_text}",
            "log_text": line.text,
        }
    )
