"""
Tests of L{aerostack.process.systemd} and of the units that are shipped.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.internet import reactor
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    UNIXClientEndpoint,
    wrapClientTLS,
)
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase, TestCase

from aerostack.process.systemd import Notifier, message, notifyAddress, watchdogInterval
from tests.net import ROOT, Child
from tests.net.certificates import Authority, ClientTLS, Conversation

UNITS = ROOT / "systemd"


class MessageTests(SynchronousTestCase):
    """
    What is said, and to whom.
    """

    def test_fields(self) -> None:
        """Each field is a line."""
        self.assertEqual(message(READY=1, STATUS="Listening."), b"READY=1\nSTATUS=Listening.\n")

    def test_lineBreaks(self) -> None:
        """A line break in a value does not begin another field."""
        self.assertEqual(message(STATUS="a\nREADY=1\r\nb"), b"STATUS=a READY=1 b\n")

    def test_address(self) -> None:
        """An address may be a path or abstract, or none."""
        for value, expected in (
            ("/run/notify", "/run/notify"),
            ("@notify", "\0notify"),
            ("", None),
        ):
            self.assertEqual(notifyAddress({"NOTIFY_SOCKET": value}), expected)
        self.assertIsNone(notifyAddress({}))

    def test_interval(self) -> None:
        """The watchdog is answered in half of its time, if it watches this process."""
        limit = {"WATCHDOG_USEC": "30000000"}
        self.assertEqual(watchdogInterval(limit, 7), 15.0)
        self.assertEqual(watchdogInterval({**limit, "WATCHDOG_PID": "7"}, 7), 15.0)
        self.assertIsNone(watchdogInterval({**limit, "WATCHDOG_PID": "8"}, 7))
        for value in ("", "0", "-5", "soon"):
            self.assertIsNone(watchdogInterval({"WATCHDOG_USEC": value}, 7))
        self.assertIsNone(watchdogInterval({}, 7))


class NotifierTests(SynchronousTestCase):
    """
    The service, with a real socket in systemd's place.
    """

    def setUp(self) -> None:
        temporary = TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.path = f"{temporary.name}/notify"
        self.systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.addCleanup(self.systemd.close)
        self.systemd.bind(self.path)
        self.clock = Clock()
        self.problem: str | None = None

    def notifier(self, **environ: str) -> Notifier:
        """
        Make a notifier under a watchdog of 30 seconds.
        """
        defaults = {"NOTIFY_SOCKET": self.path, "WATCHDOG_USEC": "30000000"}
        return Notifier(self.clock, lambda: self.problem, {**defaults, **environ})

    def heard(self) -> list[str]:
        """
        @return: The messages that came since the last call.
        """
        messages = []
        while True:
            try:
                messages.append(self.systemd.recv(4096).decode())
            except BlockingIOError:
                return messages

    def test_life(self) -> None:
        """
        The daemon notifies systemd of a start, a reload and a stop.
        """
        notifier = self.notifier(WATCHDOG_USEC="")
        notifier.startService()
        notifier.ready("Listening.")
        notifier.reloading()
        notifier.ready("Listening again.")
        notifier.stopService()
        first, reload, second, stop = self.heard()
        self.assertEqual(first, "READY=1\nSTATUS=Listening.\n")
        self.assertRegex(reload, r"^RELOADING=1\nMONOTONIC_USEC=\d+\nSTATUS=Reloading.\n$")
        self.assertEqual(second, "READY=1\nSTATUS=Listening again.\n")
        self.assertEqual(stop, "STOPPING=1\nSTATUS=Stopping.\n")

    def test_abstract(self) -> None:
        """
        An abstract socket gets the same messages.
        """
        address = f"aerostack-rt-test-{os.getpid()}"
        self.systemd.close()
        self.systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.addCleanup(self.systemd.close)
        self.systemd.bind("\0" + address)
        self.notifier(NOTIFY_SOCKET="@" + address).ready("Listening.")
        self.assertEqual(self.heard(), ["READY=1\nSTATUS=Listening.\n"])

    def test_watchdog(self) -> None:
        """
        The watchdog gets a ping at once and then in half of its time while the daemon is healthy.
        """
        notifier = self.notifier()
        notifier.startService()
        self.assertEqual(self.heard(), ["WATCHDOG=1\n"])
        self.clock.advance(14.9)
        self.assertEqual(self.heard(), [])
        self.clock.advance(0.1)
        self.assertEqual(self.heard(), ["WATCHDOG=1\n"])
        notifier.stopService()
        self.heard()
        self.clock.advance(60)
        self.assertEqual(self.heard(), [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_unhealthy(self) -> None:
        """While the daemon is not healthy, systemd gets the reason once, and no pings."""
        notifier = self.notifier()
        notifier.ready("Listening.")
        notifier.startService()
        self.heard()
        self.problem = "The feed stands still."
        self.clock.pump([15, 15, 15])
        self.assertEqual(self.heard(), ["STATUS=The feed stands still.\n"])
        self.problem = None
        self.clock.advance(15)
        self.assertEqual(self.heard(), ["STATUS=Listening.\n", "WATCHDOG=1\n"])

    def test_brokenHealth(self) -> None:
        """
        A health check that fails is logged, and the watchdog gets no more pings.
        """
        notifier = Notifier(
            self.clock,
            lambda: 1 // 0,
            {"NOTIFY_SOCKET": self.path, "WATCHDOG_USEC": "30000000"},
        )
        notifier.startService()
        self.clock.advance(60)
        self.assertEqual(self.heard(), [])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        notifier.stopService()
        self.assertEqual(self.heard(), ["STOPPING=1\nSTATUS=Stopping.\n"])

    def test_noSystemd(self) -> None:
        """
        Without systemd no message is sent and no error occurs.
        """
        notifier = self.notifier(NOTIFY_SOCKET="")
        notifier.startService()
        notifier.ready("Listening.")
        notifier.reloading()
        notifier.stopService()
        self.assertEqual((self.heard(), self.clock.getDelayedCalls()), ([], []))

    def test_fault(self) -> None:
        """
        A socket without a reader is logged once, and is not an error.
        """
        events: list = []
        globalLogPublisher.addObserver(events.append)
        self.addCleanup(globalLogPublisher.removeObserver, events.append)
        notifier = self.notifier(NOTIFY_SOCKET=self.path + "-none")
        notifier.ready("Listening.")
        notifier.ready("Listening.")
        self.assertEqual(len(events), 1)
        self.assertIn("NOTIFY_SOCKET", events[0]["log_format"])


ACCEPT = """
import sys
from pathlib import Path
from twisted.internet import reactor
from twisted.internet.protocol import Factory
from twisted.protocols.wire import Echo
from aerostack.net.endpoints import serverEndpoint

for description in sys.argv[2:]:
    listener = serverEndpoint(reactor, description, Path(sys.argv[1]))
    listening = listener.endpoint.listen(Factory.forProtocol(Echo))
    listening.addErrback(lambda reason: print(reason))
reactor.callWhenRunning(print, "listening")
reactor.run()
"""


class ActivationTests(TestCase):
    """
    A daemon of its own that inherits its listening sockets.
    """

    async def activate(self, directory: str, *descriptions: str) -> list[TCP4ClientEndpoint]:
        """
        Start a daemon with a socket for each description.

        @return: How to connect to the sockets.
        """
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in descriptions]
        names = ":".join(f"socket{number}" for number in range(len(sockets)))
        child = Child.spawn(
            reactor,
            ["-c", ACCEPT, directory, *descriptions],
            {"LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": names},
            {3 + number: one.fileno() for number, one in enumerate(sockets)},
        )
        self.addCleanup(child.kill)
        ports = [one.getsockname()[1] for one in sockets]
        for one in sockets:
            one.close()
        await child.wrote("listening")
        return [TCP4ClientEndpoint(reactor, "127.0.0.1", port) for port in ports]

    async def assertEchoes(self, endpoint) -> None:
        """
        Connect, be echoed, and close.
        """
        client = await endpoint.connect(Factory.forProtocol(Conversation))
        self.assertEqual(await client.echo(b"hello"), b"hello")
        await client.end()

    async def test_index(self) -> None:
        """A socket that systemd passed is found by its place."""
        (endpoint,) = await self.activate("/", "systemd:domain=INET:index=0")
        await self.assertEchoes(endpoint)

    async def test_unix(self) -> None:
        """
        The file of a Unix socket that systemd passed stays as it is, its permissions as well,
        and the next daemon serves on it.
        """
        # The path of a Unix socket must be short, and trial's are not.
        temporary = TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        path = Path(temporary.name) / "rt.sock"
        kept = socket.socket(socket.AF_UNIX)
        self.addCleanup(kept.close)
        kept.bind(str(path))
        path.chmod(0o600)
        kept.listen(7)
        for _ in range(2):
            child = Child.spawn(
                reactor,
                ["-c", ACCEPT, "/", "systemd:domain=UNIX:index=0"],
                {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "rt"},
                {3: kept.fileno()},
            )
            self.addCleanup(child.kill)
            await child.wrote("listening")
            await self.assertEchoes(UNIXClientEndpoint(reactor, str(path)))
            child.signal("TERM")
            await child.ended
            self.assertEqual(path.stat().st_mode & 0o777, 0o600)

    async def test_tls(self) -> None:
        """A passed socket speaks TLS where a key is given, beside one that does not."""
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        authority = Authority("Test CA")
        authority.renew(directory)
        secure, plain = await self.activate(
            str(directory),
            "systemd:domain=INET:name=socket0:privateKey=key.pem:certKey=cert.pem",
            "systemd:domain=INET:name=socket1",
        )
        await self.assertEchoes(wrapClientTLS(ClientTLS(authority), secure))
        await self.assertEchoes(plain)


class UnitTests(SynchronousTestCase):
    """
    The units under C{systemd/}.
    """

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.service = self.place("aerostack-rt.service")
        shutil.copy(UNITS / "aerostack-rt.socket", self.directory)

    def place(self, name: str, instance: str = "") -> Path:
        """
        Put a service where it can be verified.

        @param instance: The instance of a template.
        """
        service = (UNITS / name).read_text()
        # Verification wants the programs to be there, and here they are not installed.
        for program in ("twistd", "aerostack-rt"):
            program = f"/opt/aerostack-rt/bin/{program} "
            self.assertEqual(service.count(program), 1)
            service = service.replace(program, f"{sys.executable} ")
        path = self.directory / name.replace("@", f"@{instance}")
        path.write_text(service)
        return path

    def analyze(self, *arguments: str) -> tuple[int, str]:
        """
        @return: The exit status of C{systemd-analyze} and what it wrote.
        """
        done = subprocess.run(
            ["systemd-analyze", "--no-pager", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout

    def test_verify(self) -> None:
        """
        systemd accepts the service and the socket without a complaint.
        """
        units = [str(self.service), str(self.directory / "aerostack-rt.socket")]
        self.assertEqual(self.analyze("verify", "--man=no", *units), (0, ""))

    def test_template(self) -> None:
        """
        The template for several daemons on a machine differs from the service in names of files
        alone, and systemd accepts an instance of it.
        """
        template = self.place("aerostack-rt@.service", "one")
        self.assertEqual(self.analyze("verify", "--man=no", str(template)), (0, ""))
        lines = template.read_text().splitlines()
        settings = [line for line in lines if line[:1] not in ("", "#")]
        same = self.service.read_text().splitlines()
        changed = [line for line in settings if line not in same]
        self.assertEqual(len(changed), 6, changed)
        for name in ("one.toml", "aerostack-rt/one"):
            self.assertIn(name, "\n".join(changed).replace("%i", "one"))
        plain = "\n".join(settings).replace("/%i.toml", "/rt.toml").replace("/%i", "")
        wanted = [line for line in same if line[:1] not in ("", "#")]
        self.assertEqual(plain.replace(" (%i)", "").splitlines(), wanted)

    def test_verifyIsStrict(self) -> None:
        """The verification would see a misspelt setting."""
        self.service.write_text(self.service.read_text() + "\n[Service]\nRestrat=always\n")
        self.assertIn("Restrat", self.analyze("verify", "--man=no", str(self.service))[1])

    def test_promises(self) -> None:
        """The service is watched, keeps state, gets credentials and is confined."""
        settings = self.service.read_text().splitlines()
        for promise in (
            "Type=notify",
            "NotifyAccess=main",
            "WatchdogSec=30",
            "Restart=on-failure",
            "StateDirectory=aerostack-rt",
            "LoadCredential=secret_key:aerostack-rt.secret_key",
            "ProtectSystem=strict",
            "NoNewPrivileges=yes",
            "MemoryMax=2G",
        ):
            self.assertIn(promise, settings)

    def test_sandbox(self) -> None:
        """The service's exposure, from 0 to 10, stays below 1.5."""
        status, text = self.analyze(
            "security", "--offline=true", "--threshold=15", str(self.service)
        )
        self.assertEqual(status, 0, text)
