"""
Tells systemd when the daemon is ready, reloads and stops, and that it is alive while it is
healthy.

The protocol is sd_notify(3): datagrams of C{KEY=value} lines to a Unix socket.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

# How long the reactor may wait for systemd to take a message.
_PATIENCE = 0.25


def message(**fields: str | int) -> bytes:
    """
    Build a notification.

    @param fields: Variables of sd_notify(3).  A line break in a value becomes a
        space, because it would begin another variable.
    """
    lines = (f"{name}={' '.join(str(value).splitlines())}\n" for name, value in fields.items())
    return "".join(lines).encode()


def notifyAddress(environ: Mapping[str, str]) -> str | None:
    """
    Find the address of systemd's socket.

    @return: An address for L{socket.socket.sendto}, or L{None} if systemd does not listen.
    """
    address = environ.get("NOTIFY_SOCKET")
    if not address:
        return None
    return "\0" + address[1:] if address.startswith("@") else address


def watchdogInterval(environ: Mapping[str, str], pid: int) -> float | None:
    """
    Find out how often systemd wants to hear from a process.

    @param pid: The process.
    @return: Half of the time after which systemd gives the process up, in seconds, or L{None} if
        systemd does not watch the process.
    """
    if environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    limit = environ.get("WATCHDOG_USEC", "")
    if not limit.isdecimal() or int(limit) == 0:
        return None
    return int(limit) / 2_000_000


class Notifier(Service):
    """
    Keeps systemd informed.  Without systemd every method does nothing.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        healthy: Callable[[], str | None],
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """
        @param clock: The clock of the watchdog.
        @param healthy: Returns L{None} while the daemon does its work, else one
            sentence that says what is wrong.  While there is such a sentence the
            watchdog gets no word, and systemd restarts the daemon in the end.
        """
        self._address = notifyAddress(environ)
        self._interval = watchdogInterval(environ, os.getpid())
        self._healthy = healthy
        self._status = ""
        self._problem: str | None = None
        self._faulty = False
        self._watchdog = LoopingCall(self._watch)
        self._watchdog.clock = clock

    def startService(self) -> None:
        """
        Begin to answer the watchdog, if there is one.
        """
        super().startService()
        if self._address is not None and self._interval is not None:
            self._watchdog.start(self._interval).addErrback(
                lambda reason: self._log.failure(
                    "the health check failed; the watchdog gets no more word", reason
                )
            )

    def stopService(self) -> None:
        """
        Tell that the daemon stops, and leave the watchdog alone: systemd does not
        watch a service that stops.
        """
        super().stopService()
        if self._watchdog.running:
            self._watchdog.stop()
        self._send(message(STOPPING=1, STATUS="Stopping."))

    def ready(self, status: str) -> None:
        """
        Tell that the daemon serves, after a start or a reload.

        @param status: One line for C{systemctl status}.
        """
        self._status = status
        self._send(message(READY=1, STATUS=status))

    def reloading(self) -> None:
        """
        Tell that the configuration is being read again.  L{ready} must follow.
        """
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send(message(RELOADING=1, MONOTONIC_USEC=now, STATUS="Reloading."))

    def _watch(self) -> None:
        problem = self._healthy()
        if problem != self._problem:
            self._problem = problem
            if problem is None:
                self._log.info("healthy again")
            else:
                self._log.error("unhealthy: {problem}", problem=problem)
            self._send(message(STATUS=self._status if problem is None else problem))
        if problem is None:
            self._send(message(WATCHDOG=1))

    def _send(self, datagram: bytes) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(_PATIENCE)
                sender.sendto(datagram, self._address)
        except OSError as error:
            if not self._faulty:
                self._log.error(
                    "systemd cannot be notified through NOTIFY_SOCKET: {error}", error=error
                )
            self._faulty = True
        else:
            self._faulty = False
