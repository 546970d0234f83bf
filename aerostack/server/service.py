"""
The daemon as a process, as C{twistd aerostack-rt} runs it.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.application.internet import TimerService
from twisted.application.service import MultiService
from twisted.internet.defer import inlineCallbacks
from twisted.logger import ILogObserver, Logger
from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError

from aerostack.client.address import urlsOf
from aerostack.config.loader import load
from aerostack.config.problems import ConfigError, Problem
from aerostack.config.secrets import credentialsOf
from aerostack.process.background import reportRefusal
from aerostack.process.control import Control
from aerostack.process.garbage import GarbageCollector
from aerostack.process.logfile import LogOutput
from aerostack.process.logs import Redactor, makeObserver
from aerostack.process.polling import boundPolling
from aerostack.process.reloads import Outcome, Reloads
from aerostack.process.signals import Signals
from aerostack.process.steady import makeSteady
from aerostack.process.stopping import PROCESS
from aerostack.process.systemd import Notifier
from aerostack.server.checking import check
from aerostack.server.findings import Level
from aerostack.settings.listen import parseDescription
from aerostack.settings.settings import Config

if TYPE_CHECKING:
    from aerostack.server.daemon import Daemon
    from aerostack.server.hub import HubDaemon


class Refusal(SystemExit):
    """
    The program does not start.  Python prints the message to the standard error, and the exit
    status is 1.
    """


class Options(UsageOptions):
    """
    The options of C{twistd aerostack-rt}.
    """

    synopsis = "[options]"
    longdesc = "Runs the aerostack-rt realtime daemon."
    optParameters = [["config", "c", "etc/rt.toml", "The configuration file."]]  # noqa: RUF012
    optFlags = [  # noqa: RUF012
        ["check", None, "Check the configuration, say what is wrong, and exit."],
        ["connect", None, "With --check: connect to the servers that it names, too."],
    ]

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """
        Read the command line.

        @raise Refusal: It has a mistake, or the configuration has.
        """
        try:
            super().parseOptions(options)
        except UsageError as error:
            # Twisted prints it below the whole help.
            raise Refusal(f"aerostack-rt: {error}; see twistd aerostack-rt --help") from None

    def postOptions(self) -> None:
        """
        Read the configuration, and check it if that is asked for.

        @raise UsageError: The options do not go together.
        @raise Refusal: The configuration has mistakes, and the message names each.
        @raise SystemExit: The check is over.
        """
        if self["connect"] and not self["check"]:
            raise UsageError("--connect is for --check")
        path = Path(self["config"])
        try:
            self.loaded = load(
                path, os.environ, generate=not self["check"], check=bool(self["check"])
            )
        except ConfigError as error:
            raise Refusal(f"{path} cannot be used:\n{error}") from None
        if self["check"]:
            self._check(path)

    def _check(self, path: Path) -> None:
        """
        Print what a check finds, the mistakes to the standard error, and end.
        """
        found = list(check(self.loaded, _logFile(self.parent or {})))
        if self["connect"]:
            from aerostack.server.connecting import connect

            found += connect(self.loaded)
        errors = [each.text for each in found if each.level is Level.ERROR]
        for each in found:
            if each.level is not Level.ERROR:
                print(f"{path}: {each}")
        if errors:
            raise Refusal("\n".join((f"{path} cannot be used:", *errors)))
        print(f"{path} is in order.")
        sys.exit(0)


_STATUS = 1000
"""How many characters of its status the daemon sends to systemd; a configuration may have many
mistakes."""


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
        reloads = Reloads(self.reload)
        Signals(reactor, reloads.ask, PROCESS, self._closeLog).setServiceParent(self)
        Control(reactor, self.daemon.config.path, reloads.ask).setServiceParent(self)
        GarbageCollector(reactor, self.daemon.searches).setServiceParent(self)
        self._reactor = reactor
        self._redactor = Redactor(credentialsOf(options.loaded))

    def _makeDaemon(self, config: Config, reactor: Any) -> Daemon | HubDaemon:
        # Imported late, because they take most of the time of a check, of --help and of a refusal.
        from aerostack.server.daemon import Daemon
        from aerostack.server.hub import HubDaemon, processes

        if processes(config) == 1:
            return Daemon(config, reactor, failed=self._fail)
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

    def privilegedStartService(self) -> None:
        try:
            super().privilegedStartService()
        except SystemExit as refusal:
            reportRefusal(self._options.parent or {}, str(refusal))
            raise

    def startService(self) -> None:
        super().startService()
        self._reactor.callWhenRunning(self._ready)

    def _ready(self) -> None:
        self._warn(self.daemon.config)
        if self.daemon.wait.fault is not None:
            # systemd would end a daemon that is not ready in time, and the database would not come
            # sooner by that.
            self._notifier.ready(self._status())
        self.daemon.whenReady().addCallback(lambda _: self._announce())

    def _announce(self) -> None:
        self._notifier.ready(self._status())
        self.log.info("{hint}", hint=hint(self.daemon.config, self._path, _command()))

    def _status(self, outcome: Outcome | None = None) -> str:
        """
        What C{systemctl status} shows.

        @param outcome: The end of a reload.
        """
        listen = ", ".join(self.daemon.config.server.listen)
        status = self.daemon.wait.fault or f"Serving on {listen}."
        if outcome is None or not outcome.faults:
            return status
        return f"{status} The last reload failed: {'; '.join(outcome.faults)}"[:_STATUS]

    def _warn(self, config: Config) -> None:
        for warning in config.warnings:
            self.log.warn("{path}: {warning}", path=str(self._path), warning=warning)

    def _located(self, problem: Problem) -> str:
        """Name the file in which a mistake is."""
        path = str(self.daemon.config.path)
        return str(problem) if problem.key == path else f"{path}: {problem}"

    @inlineCallbacks
    def reload(self) -> Any:
        """
        Read the configuration again, and open a new log file if the old one was moved.

        @return: A L{Deferred} that fires with the L{Outcome}, when the new configuration holds or
            was refused.
        """
        # A program that rotates logs sends the same signal.
        self._output.follow()
        self._notifier.reloading()
        outcome = Outcome(("see the log.",))
        try:
            # twistd may have changed the working directory meanwhile.
            config = load(self.daemon.config.path, os.environ, generate=True)
            self._redactor.add(credentialsOf(config))
            self._warn(config)
            outcome = yield self.daemon.reload(config)
            self.log.info("{path} is taken up", path=str(self._path))
        except ConfigError as error:
            self.daemon.node.about.reloaded(False)
            self.log.error("not taken up, the old stays: {error}", error=error)
            outcome = Outcome(tuple(self._located(problem) for problem in error.problems))
        finally:
            self._notifier.ready(self._status(outcome))
        return outcome


def _logOutput(twistd: Mapping[str, Any]) -> LogOutput:
    """
    The output that C{twistd}'s options ask for: a file, or the terminal with C{--nodaemon}.

    @raise Refusal: The file cannot be opened.
    """
    path = _logFile(twistd)
    try:
        return LogOutput(sys.stdout.fileno() if path is None else path)
    except OSError as error:
        raise Refusal(f"cannot log to {path}: {error.strerror}") from None


def _logFile(twistd: Mapping[str, Any]) -> Path | None:
    """
    The file that the daemon logs to; L{None} for the terminal.
    """
    path = twistd.get("logfile")
    if path == "-" or (path is None and twistd.get("nodaemon")):
        return None
    return Path(path or "aerostack-rt.log").absolute()


def _command() -> str:
    """The path by which an operator calls our command line, which may be in a virtual
    environment.

    C{make run} has the virtual environment of its folder on its own path, but the operator's shell
    does not.
    """
    beside = Path(sys.executable).with_name("aerostack-rt")
    if beside.is_relative_to(Path.cwd()):
        return str(beside.relative_to(Path.cwd()))
    return "aerostack-rt" if shutil.which("aerostack-rt") else str(beside)


def hint(config: Config, path: Path, command: str = "aerostack-rt") -> str:
    """
    Say what an operator can do with a daemon that has just started.

    @param command: The name or path of the command line.
    """
    # Every client may watch this topic at once; a table may not be there yet.
    tail = f"{command} tail chat/general"
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
    descriptions = map(parseDescription, config.server.listen)
    local = any(
        each.local and each.kind not in ("unix", "systemd") and not each.proxied
        for each in descriptions
    )
    return console == "everywhere" or (console == "loopback" and local)


def makeService(options: Options) -> Program:
    """
    Make the service that C{twistd} runs.
    """
    from twisted.internet import reactor

    makeSteady(reactor)
    boundPolling(reactor)
    return Program(options, reactor)
