"""
The daemon as a process, as C{twistd aerostack-rt} runs it.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.application.internet import TimerService
from twisted.application.service import MultiService
from twisted.internet.defer import inlineCallbacks
from twisted.logger import ILogObserver, Logger
from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError

from aerostack.client.address import urlsOf
from aerostack.config.loader import load
from aerostack.config.problems import ConfigError
from aerostack.config.secrets import credentialsOf
from aerostack.process.garbage import GarbageCollector
from aerostack.process.logfile import LogOutput
from aerostack.process.logs import Redactor, makeObserver
from aerostack.process.polling import boundPolling
from aerostack.process.signals import Signals
from aerostack.process.steady import makeSteady
from aerostack.process.stopping import PROCESS
from aerostack.process.systemd import Notifier
from aerostack.server.connecting import Unreachable, connectOnce
from aerostack.server.daemon import Daemon
from aerostack.server.hub import HubDaemon, processes
from aerostack.settings.listen import parseDescription
from aerostack.settings.settings import Config


class Options(UsageOptions):
    """
    The options of C{twistd aerostack-rt}.
    """

    synopsis = "[options]"
    longdesc = "Runs the aerostack-rt realtime daemon."
    optParameters = [["config", "c", "etc/rt.toml", "The configuration file."]]  # noqa: RUF012
    optFlags = [  # noqa: RUF012
        ["check", None, "Check the configuration, say what is wrong, and exit."],
        ["connect", None, "With --check: connect to the database and the engine, too."],
    ]

    def postOptions(self) -> None:
        """
        Read the configuration.

        @raise UsageError: The configuration has mistakes, and the message names each; or what it
            names cannot be reached.
        """
        if self["connect"] and not self["check"]:
            raise UsageError("--connect is for --check")
        path = Path(self["config"])
        try:
            self.loaded = load(path, os.environ, generate=not self["check"])
        except ConfigError as error:
            raise UsageError(f"{path} cannot be used:\n{error}") from None
        if self["check"]:
            for warning in self.loaded.warnings:
                print(f"{path}: {warning}")
            if self["connect"]:
                self._connect(path)
            print(f"{path} is in order.")
            sys.exit(0)

    def _connect(self, path: Path) -> None:
        """Say what the configuration leads to."""
        try:
            for sentence in connectOnce(self.loaded):
                print(f"{path}: {sentence}")
        except Unreachable as error:
            raise UsageError(f"{path}: {error}") from None


class Program(MultiService):
    """
    The daemon as a process: with its signals, its log and its manager.
    """

    log = Logger()

    def __init__(self, options: Options, reactor: Any) -> None:
        super().__init__()
        self._options = options
        self._path = Path(options["config"])
        self.daemon = self._makeDaemon(options.loaded, reactor)
        self.daemon.setServiceParent(self)
        # /health reports a database that does not answer: a restart would not mend that.  A
        # restart mends a reactor that does not turn, and such a reactor does not ping the
        # watchdog.
        self._notifier = Notifier(reactor, lambda: None)
        self._notifier.setServiceParent(self)
        Signals(reactor, self.reload, PROCESS, self._closeLog).setServiceParent(self)
        GarbageCollector().setServiceParent(self)
        self._reactor = reactor
        self._redactor = Redactor(credentialsOf(options.loaded))

    def _makeDaemon(self, config: Config, reactor: Any) -> Daemon | HubDaemon:
        if processes(config) == 1:
            return Daemon(config, reactor)
        return HubDaemon(config, reactor, failed=self._fail)

    def _fail(self, reason: str) -> None:
        """End the process, because it cannot serve clients."""
        self.log.critical("the daemon ends: {reason}", reason=reason)
        # After an orderly stop, the manager must still learn of the failure.
        self._reactor.addSystemEventTrigger("after", "shutdown", self._exit)
        self._reactor.stop()

    def _exit(self) -> None:
        self._closeLog()
        os._exit(1)

    def setServiceParent(self, parent: Any) -> None:
        """
        Give the application the observer that writes our log.  C{twistd} asks the application for
        an observer, and uses its own if there is none.
        """
        super().setServiceParent(parent)
        log = self.daemon.config.log
        output = self._output = _logOutput(self._options.parent or {})
        atexit.register(output.close)
        flushing = TimerService(1.0, output.flush)
        flushing.clock = self._reactor
        flushing.setServiceParent(self)
        parent.setComponent(
            ILogObserver, makeObserver(output, log.format, log.level, self._redactor)
        )

    def _closeLog(self) -> None:
        self._output.close()

    def startService(self) -> None:
        super().startService()
        self._reactor.callWhenRunning(self._ready)

    def _ready(self) -> None:
        self._warn(self.daemon.config)
        self.daemon.whenReady().addCallback(lambda _: self._announce())

    def _announce(self) -> None:
        self._notifier.ready(f"Serving on {', '.join(self.daemon.config.server.listen)}.")
        self.log.info("{hint}", hint=hint(self.daemon.config, self._path, _command()))

    def _warn(self, config: Config) -> None:
        for warning in config.warnings:
            self.log.warn("{path}: {warning}", path=str(self._path), warning=warning)

    @inlineCallbacks
    def reload(self) -> Any:
        """
        Read the configuration again, and open a new log file if the old one was moved.

        @return: A L{Deferred} that fires when the new configuration holds, or was refused.
        """
        # A program that rotates logs sends the same signal.
        self._output.follow()
        self._notifier.reloading()
        try:
            # twistd may have changed the working directory meanwhile.
            config = load(self.daemon.config.path, os.environ, generate=True)
            self._redactor.add(credentialsOf(config))
            self._warn(config)
            yield self.daemon.reload(config)
            self.log.info("{path} is taken up", path=str(self._path))
        except ConfigError as error:
            self.log.error("not taken up, the old stays: {error}", error=error)
        finally:
            self._notifier.ready(f"Serving on {', '.join(self.daemon.config.server.listen)}.")


def _logOutput(twistd: Mapping[str, Any]) -> LogOutput:
    """
    The output that C{twistd}'s options ask for: a file, or the terminal with C{--nodaemon}.
    """
    path = twistd.get("logfile")
    if path == "-" or (path is None and twistd.get("nodaemon")):
        return LogOutput(sys.stdout.fileno())
    return LogOutput(Path(path or "aerostack-rt.log"))


def _command() -> str:
    """The path by which an operator calls our command line, which may be in a virtual
    environment."""
    if shutil.which("aerostack-rt"):
        return "aerostack-rt"
    beside = Path(sys.executable).with_name("aerostack-rt")
    return str(beside.relative_to(Path.cwd()) if beside.is_relative_to(Path.cwd()) else beside)


def hint(config: Config, path: Path, command: str = "aerostack-rt") -> str:
    """
    Say what an operator can do with a daemon that has just started.

    @param command: The name or path of the command line.
    """
    tail = f"{command} tail orders"
    urls = urlsOf(config)
    if not urls:
        return f"type: {tail} --url with the address at which systemd listens"
    tail = f"{tail} --config {path}"
    for url in urls:
        if not url.startswith("ws+unix:"):
            page = f"http{url.removeprefix('ws')}/"
            console = f" or the console at {page}console/" if _hasConsole(config) else ""
            return f"open {page}{console} in a browser, or type: {tail}"
    return f"type: {tail}"


def _hasConsole(config: Config) -> bool:
    """Whether a browser on this machine reaches the console at the first URL."""
    console = config.server.console
    local = any(parseDescription(listen).local for listen in config.server.listen)
    return console == "everywhere" or (console == "loopback" and local)


def makeService(options: Options) -> Program:
    """
    Make the service that C{twistd} runs.
    """
    from twisted.internet import reactor

    makeSteady(reactor)
    boundPolling(reactor)
    return Program(options, reactor)
