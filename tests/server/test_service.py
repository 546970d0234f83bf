"""
Tests for L{aerostack.server.service}, as far as they take no process.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.application.service import IServiceMaker
from twisted.internet.testing import MemoryReactorClock
from twisted.plugin import getPlugins
from twisted.trial.unittest import SynchronousTestCase

from aerostack.config.loader import load
from aerostack.databases.backend import Unready
from aerostack.server import service
from aerostack.server.daemon import Daemon
from aerostack.server.listening import StartError
from aerostack.server.service import Options, Program, Refusal, hint
from aerostack.server.waiting import PAUSE
from aerostack.settings.settings import Config


class ConfigurationTests(SynchronousTestCase):
    """
    Has a configuration in a folder of its own.
    """

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.path = self.directory / "rt.toml"
        self.write()

    def write(self, *listen: str, more: str = "") -> Config:
        """
        Write the configuration.
        """
        self.path.write_text(
            f"""
            server.listen = {json.dumps(listen or ["tcp:8787:interface=127.0.0.1"])}
            database.url = "sqlite:///rt.db"
            projects.p.public_key = {{ file = "p.public", generate = true }}
            {more}
            """
        )
        return load(self.path, {})

    def options(self, *arguments: str) -> Options:
        """
        Parse a command line.
        """
        options = Options()
        options.parseOptions([*arguments, "--config", str(self.path)])
        return options


class OptionsTests(ConfigurationTests):
    """
    Tests for L{Options}.
    """

    def test_loads(self) -> None:
        """
        The configuration is read, and its keys are made.
        """
        options = self.options()
        key = options.loaded.projects["p"].publicKey
        self.assertEqual(f"{key}", (self.directory / "p.public").read_text().strip())

    def test_default(self) -> None:
        """
        Without an option the configuration of a checkout is read.
        """
        self.assertEqual(Options()["config"], "etc/rt.toml")

    def test_mistakes(self) -> None:
        """
        All mistakes are in one message, each with its key.
        """
        self.path.write_text("[server]\nlisten = []\n[tracker]\npoll = 1\n")
        error = str(self.assertRaises(Refusal, self.options))
        for text in (str(self.path), "server.listen:", "database.url:", "tracker.poll:"):
            self.assertIn(text, error)

    def test_check(self) -> None:
        """
        A check ends the program without making anything.
        """
        output = io.StringIO()
        self.patch(sys, "stdout", output)
        end = self.assertRaises(SystemExit, self.options, "--check")
        self.assertFalse(end.code)
        self.assertEqual(output.getvalue(), f"{self.path} is in order.\n")
        self.assertEqual([path.name for path in self.directory.iterdir()], ["rt.toml"])

    def test_connect(self) -> None:
        """
        A check connects only if it is asked to, and makes nothing then either.
        """
        output = io.StringIO()
        self.patch(sys, "stdout", output)
        self.assertFalse(self.assertRaises(SystemExit, self.options, "--check", "--connect").code)
        found, last = output.getvalue().splitlines()
        self.assertIn("is not there yet", found)
        self.assertEqual(last, f"{self.path} is in order.")
        self.assertEqual([path.name for path in self.directory.iterdir()], ["rt.toml"])
        error = self.assertRaises(Refusal, self.options, "--connect")
        self.assertIn("--check", str(error))

    def test_light(self) -> None:
        """
        The options and a check do not load the parts of the daemon.
        """
        code = f"""
import sys
from aerostack.server.service import Options
try:
    Options().parseOptions(["--check", "--config", {str(self.path)!r}])
finally:
    heavy = {{f"aerostack.server.{{name}}" for name in ("daemon", "hub", "connecting")}}
    print(heavy & set(sys.modules) or "light")
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        self.assertEqual(done.stdout, f"{self.path} is in order.\nlight\n", done.stderr)

    def test_unknownOption(self) -> None:
        """
        An option that does not exist is named in one line, without the help.
        """
        error = self.assertRaises(Refusal, self.options, "--chekc")
        self.assertEqual(
            str(error),
            "aerostack-rt: option --chekc not recognized; see twistd aerostack-rt --help",
        )

    def test_logFile(self) -> None:
        """
        A log file that cannot be opened is named, by a check as well.
        """
        log = self.directory / "no" / "rt.log"
        parent = {"logfile": str(log)}
        error = self.assertRaises(Refusal, service._logOutput, parent)
        self.assertIn(str(log), str(error))
        self.assertIsNone(service._logFile({"nodaemon": True}))
        self.assertIsNone(service._logFile({"logfile": "-"}))
        self.assertEqual(service._logFile({}), Path("aerostack-rt.log").absolute())
        self.patch(sys, "stdout", io.StringIO())
        options = Options()
        options.parent = parent
        arguments = ["--check", "--config", str(self.path)]
        error = self.assertRaises(Refusal, options.parseOptions, arguments)
        self.assertIn(f"--logfile: the directory {log.parent} is missing", str(error))

    def test_warned(self) -> None:
        """
        A check prints what should be changed in a configuration that is in order.
        """
        self.write(more="streams.count = 7")
        output = io.StringIO()
        self.patch(sys, "stdout", output)
        self.assertFalse(self.assertRaises(SystemExit, self.options, "--check").code)
        warned, last = output.getvalue().splitlines()
        self.assertIn(f"{self.path}: warning: [streams] is the former name of [replay]", warned)
        self.assertEqual(last, f"{self.path} is in order.")


class HintTests(ConfigurationTests):
    """
    Tests for L{hint}.
    """

    def test_hints(self) -> None:
        """
        The hint fits the addresses on which the daemon listens.
        """
        tail = "aerostack-rt tail chat/general --config rt.toml"
        (self.directory / "key.pem").touch()
        for listen, expected in (
            (
                "tcp:80:interface=127.0.0.1:local=1",
                "open http://127.0.0.1:80/ or the console at http://127.0.0.1:80/console/"
                f" in a browser, or type: {tail}",
            ),
            (
                "tcp:80:interface=10.0.0.5",
                f"open http://10.0.0.5:80/ in a browser, or type: {tail}",
            ),
            (
                "ssl:443:privateKey=key.pem:interface=127.0.0.1:local=1",
                "open https://127.0.0.1:443/ or the console at https://127.0.0.1:443/console/"
                f" in a browser, or type: {tail}",
            ),
            ("unix:/run/rt.sock", f"type: {tail}"),
        ):
            self.assertEqual(hint(self.write(listen), Path("rt.toml")), expected)
        self.assertIn(
            "aerostack-rt tail chat/general --url",
            hint(self.write("systemd:domain=INET:index=0"), Path("rt.toml")),
        )

    def test_console(self) -> None:
        """
        The hint names the console only if the browser can reach it.
        """
        for listen, console, named in (
            ("tcp:80", "everywhere", True),
            ("tcp:80", "off", False),
            ("tcp:80:interface=10.0.0.5", "everywhere", True),
            ("tcp:80:interface=10.0.0.5", "loopback", False),
            ("tcp6:80:interface=\\:\\:1", "loopback", False),
            ("tcp6:80:interface=\\:\\:1:local=1", "loopback", True),
            # No browser gets through the socket.
            (("tcp:80:interface=10.0.0.5", "unix:/run/rt.sock:local=1"), "loopback", False),
        ):
            listens = (listen,) if isinstance(listen, str) else listen
            config = self.write(*listens, more=f'server.console = "{console}"')
            said = hint(config, Path("rt.toml"))
            self.assertEqual("/console/" in said, named, (listen, console))

    def test_ownEnvironment(self) -> None:
        """
        In a folder with its virtual environment, the hint names the program by its path: the
        operator's shell may not find it by its name, even if the daemon does.
        """
        here = Path.cwd() / ".venv" / "bin"
        self.patch(sys, "executable", str(here / "python"))
        self.patch(service.shutil, "which", lambda name: str(here / name))
        self.assertEqual(service._command(), ".venv/bin/aerostack-rt")
        self.patch(sys, "executable", "/usr/bin/python3")
        self.assertEqual(service._command(), "aerostack-rt")
        self.patch(service.shutil, "which", lambda name: None)
        self.assertEqual(service._command(), "/usr/bin/aerostack-rt")

    def test_command(self) -> None:
        """
        The command line is named as it can be called where the daemon runs.
        """
        said = hint(self.write("tcp:80"), Path("rt.toml"), ".venv/bin/aerostack-rt")
        self.assertIn("type: .venv/bin/aerostack-rt tail chat/general --config rt.toml", said)


class StartTests(ConfigurationTests):
    """
    Tests for what a L{Daemon} does before anything runs.
    """

    def test_prepared(self) -> None:
        """
        Addresses are taken and the database is made, before privileges are given up.
        """
        reactor = MemoryReactorClock()
        Daemon(self.write(), reactor).privilegedStartService()
        ((port, _, _, interface),) = reactor.tcpServers
        self.assertEqual((port, interface), (8787, "127.0.0.1"))
        self.assertTrue((self.directory / "rt.db").exists())

    def test_startError(self) -> None:
        """
        A fault at the start ends the program with a sentence, and no address stays taken.
        """
        (self.directory / "rt.db").write_bytes(b"a letter" * 200)
        reactor = MemoryReactorClock()
        daemon = Daemon(self.write(), reactor)
        error = self.assertRaises(StartError, daemon.privilegedStartService)
        self.assertIsInstance(error, SystemExit)
        self.assertIn(f"{self.directory / 'rt.db'} cannot be used: file is not a", str(error))
        self.assertEqual(reactor.tcpServers, [])

    def test_noSuchSocket(self) -> None:
        """
        The message about a socket that systemd did not pass names it.
        """
        daemon = Daemon(self.write("systemd:domain=INET:index=5"), MemoryReactorClock())
        error = self.assertRaises(StartError, daemon.privilegedStartService)
        self.assertIn("cannot listen: systemd:domain=INET:index=5: systemd passed no", str(error))


class LateTests(ConfigurationTests):
    """
    Tests for a L{Daemon} whose database is late.
    """

    def test_reloaded(self) -> None:
        """
        A configuration that is read again meanwhile holds from the beginning.
        """
        reactor = MemoryReactorClock()
        daemon = Daemon(self.write(), reactor)
        prepare = daemon.wait._prepare
        answers: list[Exception] = [Unready("late", "is late")]

        def prepareLater() -> None:
            if answers:
                raise answers.pop()
            prepare()

        daemon.wait._prepare = prepareLater
        daemon.wait._runner = lambda reactor, attempt, outcome: (attempt(), outcome(None))
        # The parts would work with the database in threads.
        done: list[Any] = []
        for part in (daemon.node, daemon.front):
            self.patch(part, "setServiceParent", done.append)
            self.patch(part, "reload", done.append)
        daemon.privilegedStartService()
        daemon.startService()
        daemon.reload(self.write(more="limits.ping_interval = 7"))
        self.assertEqual(done, [])
        reactor.advance(PAUSE)
        self.assertEqual(done, [daemon, daemon, daemon.config, daemon.config])
        self.assertEqual(daemon.config.limits.pingInterval, 7)
        self.successResultOf(daemon.whenReady())


class ReloadTests(ConfigurationTests):
    """
    Tests for L{Daemon.reload}.
    """

    def test_leaving(self) -> None:
        """
        The logs of a project that was taken out are dropped in later turns of the reactor.
        """
        daemon, reactor, _ = self.leave()
        self.assertEqual(len(daemon.front.hub.logs), 3)
        reactor.advance(0)
        self.assertEqual(list(daemon.front.hub.logs.topics()), ["chat/a/p"])

    def test_backAtOnce(self) -> None:
        """
        If a project comes back before that, its earlier logs are dropped first.
        """
        daemon, _, both = self.leave()
        daemon.reload(both)
        self.assertEqual(list(daemon.front.hub.logs.topics()), ["chat/a/p"])

    def leave(self) -> tuple[Daemon, MemoryReactorClock, Config]:
        """
        Take a project with two logs out of the configuration of a daemon that has three.

        @return: The last is the configuration of before.
        """
        both = self.write(more="projects.q.anonymous = true")
        reactor = MemoryReactorClock()
        daemon = Daemon(both, reactor)
        for topic in ("chat/a/p", "chat/a/q", "chat/b/q"):
            daemon.front.hub.sequencer.openLog(topic)
        daemon.reload(self.write())
        return daemon, reactor, both


class PluginTests(SynchronousTestCase):
    """
    Tests for what C{twistd} finds.
    """

    def test_plugin(self) -> None:
        """
        There is one plugin of ours, and it makes the program.
        """
        (found,) = [p for p in getPlugins(IServiceMaker) if p.tapname == "aerostack-rt"]
        self.assertIs(found.options, Options)
        self.assertEqual(found.makeService, service.makeService)

    def test_reactor(self) -> None:
        """
        The program's reactor goes by time that is never set, and serves not too many sockets at
        once.
        """
        from twisted.internet import reactor

        done: list[tuple[str, object]] = []
        for name in ("makeSteady", "boundPolling"):
            self.patch(service, name, lambda reactor, name=name: done.append((name, reactor)))
        path = Path(self.mktemp()).absolute()
        path.write_text(
            'server.listen = ["tcp:1"]\ndatabase.url = "sqlite:///rt.db"\n'
            "projects.p.anonymous = true\n"
        )
        options = Options()
        options.parseOptions(["--config", str(path)])
        service.makeService(options)
        self.assertEqual(done, [("makeSteady", reactor), ("boundPolling", reactor)])

    def test_program(self) -> None:
        """
        The program is made of the daemon, what speaks with systemd, the signals, and what bounds
        the searches for circles.
        """
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        path = directory / "rt.toml"
        path.write_text(
            'server.listen = ["tcp:1"]\ndatabase.url = "sqlite:///rt.db"\n'
            "projects.p.anonymous = true\n"
        )
        options = Options()
        options.parseOptions(["--config", str(path)])
        program = Program(options, MemoryReactorClock())
        names = [type(part).__name__ for part in program]
        self.assertEqual(names, ["Daemon", "Notifier", "Signals", "Control", "GarbageCollector"])
