"""
Makes endpoints of endpoint strings.

The strings are Twisted's, with two differences.  First, TLS is built here: the daemon can load a
renewed certificate while connections are open, and can use TLS on a socket that systemd passed.
Second, the daemon recognises a Unix socket that a killed daemon left behind by connecting to it.
Twisted goes by the process number, which means little in a container.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisted.internet import tcp
from twisted.internet.defer import Deferred, execute
from twisted.internet.endpoints import TCP4ServerEndpoint, serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import directlyProvides, implementer, providedBy

from aerostack.net.eager import EagerWriter
from aerostack.net.inherited import InheritedEndpoint
from aerostack.net.proxied import ProxiedFactory
from aerostack.net.tls import CertificateFiles, ReloadableTLS
from aerostack.settings.listen import Description, parseDescription

PORTION = 20
"""About how many connections are accepted in one turn; Twisted may add as many of its own.  Without
this bound it accepts more and more of a crowd in a turn, and the lobby drops connections before it
reads their requests."""


@dataclass(frozen=True)
class Listener:
    """
    An address to listen on.

    @ivar description: The endpoint string as it was written.
    @ivar endpoint: The endpoint that listens on the address, and serves as L{layered} says.
    @ivar bare: The endpoint that listens on the address, and no more.
    @ivar inherited: Whether systemd opened the socket, and keeps it open.
    @ivar local: Whether only programs on this machine reach the address.
    @ivar tls: The certificate, which can be reloaded; L{None} without TLS.
    """

    description: str
    endpoint: IStreamServerEndpoint
    bare: IStreamServerEndpoint
    inherited: bool
    local: bool
    tls: ReloadableTLS | None

    def reload(self) -> None:
        """
        Read the certificate again, if there is one.

        @raise TLSError: The new certificate cannot be served; the old one stays.
        """
        if self.tls is not None:
            self.tls.reload()


def serverEndpoint(reactor: Any, description: str, baseDirectory: Path | None = None) -> Listener:
    """
    Make an endpoint of a string.  Nothing is bound before its C{listen} is called,
    but keys and certificates are read here.

    @param reactor: The reactor to listen with.
    @param description: For instance C{tcp:8787:interface=127.0.0.1},
        C{ssl:443:privateKey=key.pem:certKey=fullchain.pem}, C{unix:/run/rt.sock} or
        C{systemd:domain=INET6:index=0}; with C{privateKey}, C{systemd:} speaks TLS.  With
        C{haproxy:} before it, connections begin with the PROXY protocol.
    @param baseDirectory: What relative paths are relative to; L{None} for the
        working directory.
    @raise ValueError: The string is malformed, or systemd passed no such socket.
    @raise aerostack.net.tls.TLSError: A key or certificate cannot be served.
    """
    parsed = parseDescription(description)
    options = parsed.options
    base = Path() if baseDirectory is None else baseDirectory
    endpoint: Any
    if parsed.kind == "unix":
        endpoint = UNIXServerEndpoint(
            reactor,
            base / options["address"],
            mode=int(options["mode"], 8),
            backlog=int(options["backlog"]),
            lock=options["lockfile"] == "1",
        )
    elif parsed.kind == "systemd":
        endpoint = _inherited(reactor, parsed)
    else:
        # In spite of its name it listens on IPv6 if the interface is an IPv6 address.
        endpoint = TCP4ServerEndpoint(
            reactor, int(options["port"]), int(options["backlog"]), options["interface"]
        )

    files = certificateFiles(parsed, base)
    tls = None if files is None else ReloadableTLS(files)
    return Listener(
        description,
        _LayeredEndpoint(endpoint, lambda factory: layered(reactor, factory, parsed.proxied, tls)),
        endpoint,
        parsed.kind == "systemd",
        parsed.local,
        tls,
    )


def certificateFiles(parsed: Description, base: Path) -> CertificateFiles | None:
    """
    Name the files of an address with TLS.

    @param base: What relative paths are relative to.
    @return: L{None} if the address has no TLS.
    """
    options = parsed.options
    if "privateKey" not in options:
        return None
    key, chain = options["privateKey"], options.get("extraCertChain")
    return CertificateFiles(
        base / key,
        base / options.get("certKey", key),
        None if chain is None else base / chain,
    )


def layered(
    reactor: Any, factory: IProtocolFactory, proxied: bool, tls: ReloadableTLS | None
) -> IProtocolFactory:
    """
    Wrap a factory in the layers below its protocol: the PROXY protocol first, then TLS.

    @param proxied: Whether connections begin with the PROXY protocol.
    @param tls: The certificate; L{None} without TLS.
    """
    if tls is not None:
        factory = TLSServerFactory(reactor, factory, tls)
    return ProxiedFactory(reactor, factory) if proxied else factory


@implementer(IStreamServerEndpoint)
class _LayeredEndpoint:
    """
    Changes the factory before another endpoint gets it.
    """

    def __init__(
        self,
        endpoint: IStreamServerEndpoint,
        change: Callable[[IProtocolFactory], IProtocolFactory],
    ) -> None:
        self._endpoint = endpoint
        self._change = change

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        See L{IStreamServerEndpoint}.
        """
        return self._endpoint.listen(self._change(protocolFactory)).addCallback(_boundAccepting)


def _boundAccepting(port: IListeningPort) -> IListeningPort:
    """Have a port of a usual reactor accept about L{PORTION} connections in one turn."""
    if not isinstance(port, tcp.Port):
        return port
    make: Any = port.transport

    def makeTransport(*args: Any) -> Any:
        port.numberAccepts = PORTION
        return make(*args)

    port.numberAccepts = PORTION
    port.transport = makeTransport  # type: ignore[assignment]
    return port


class PortEntrance:
    """
    A port that can stop accepting connections for a while.
    """

    def __init__(self, port: tcp.Port) -> None:
        self._port = port

    def pause(self) -> None:
        """
        Accept no connections for now.  The system lets them wait.
        """
        self._port.pauseProducing()

    def resume(self) -> None:
        """
        Accept connections again, unless the port is closed.
        """
        self._port.resumeProducing()


def _inherited(reactor: Any, description: Description) -> IStreamServerEndpoint:
    """
    Find the socket that systemd passed.

    Twisted removes the environment variables for these sockets at its first import, so we have
    to ask Twisted for them.
    """
    domain = description.options["domain"]
    which = "index" if "index" in description.options else "name"
    value = description.options[which]
    escaped = value.replace("\\", "\\\\").replace(":", "\\:")
    try:
        endpoint = serverFromString(reactor, f"systemd:domain={domain}:{which}={escaped}")
    except (IndexError, KeyError) as error:
        raise ValueError(
            f"{description.text}: systemd passed no socket of {which} {value}; start the daemon"
            " through its socket unit"
        ) from error
    return InheritedEndpoint(reactor, endpoint)


class _TLSServer(TLSMemoryBIOProtocol):
    """
    The server side of TLS.  The client speaks first.
    """

    factory: TLSServerFactory

    def makeConnection(self, transport: Any) -> None:
        """
        Begin.

        Twisted's own method makes objects for each interface of the transport, one after the other,
        and asks OpenSSL for bytes that only a client has to send.  That takes a tenth of the time
        of an opening.
        """
        connection = self.factory.tls.serverConnectionForTLS(self)
        connection.set_accept_state()
        self._tlsConnection = connection
        self._appSendBuffer: list[bytes] = []
        directlyProvides(self, providedBy(transport))
        Protocol.makeConnection(self, EagerWriter(transport))
        self.factory.registerProtocol(self)
        self.wrappedProtocol.makeConnection(self)

    def _tlsShutdownFinished(self, reason: Failure | None) -> None:
        if reason is not None:
            # A failure refers to the frames through which it came, and the frame of Twisted's
            # method refers to the failure.  That circle would keep the whole connection in memory
            # until the next garbage collection.
            reason.tb = None
            if reason.value is not None:
                reason.value.__traceback__ = None
        super()._tlsShutdownFinished(reason)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        # Twisted keeps the producer, which is the HTTP connection and refers to this object.
        self._producer = None


class TLSServerFactory(TLSMemoryBIOFactory):
    """
    Makes the server side of TLS, which encrypts bytes at once.

    Twisted's default gathers small writes, with a timer for each connection.  Here
    L{aerostack.net.websocket.writer} gathers them, with one timer for all connections.

    @ivar tls: The certificate.
    """

    protocol = _TLSServer

    def __init__(self, reactor: Any, wrapped: IProtocolFactory, tls: ReloadableTLS) -> None:
        super().__init__(tls, False, wrapped, reactor)
        self.tls = tls


@implementer(IStreamServerEndpoint)
class UNIXServerEndpoint:
    """
    A Unix socket.  A socket file that a killed daemon left behind is replaced.
    """

    def __init__(self, reactor: Any, path: Path, mode: int, backlog: int, lock: bool) -> None:
        """
        @param mode: The permissions of the socket's file.
        @param lock: Whether to remove a socket file on which no process listens, while a lock
            keeps another daemon from doing the same.
        """
        self._reactor = reactor
        self._path = path
        self._mode = mode
        self._backlog = backlog
        self._lock = lock

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        See L{IStreamServerEndpoint}.
        """
        return execute(self._listen, protocolFactory)

    def _listen(self, factory: IProtocolFactory) -> IListeningPort:
        try:
            with _lockedFor(self._path) if self._lock else nullcontext():
                if self._lock:
                    _removeDead(self._path)
                return self._reactor.listenUNIX(
                    str(self._path), factory, backlog=self._backlog, mode=self._mode
                )
        except OSError as error:
            raise CannotListenError(None, str(self._path), error) from error


@contextmanager
def _lockedFor(path: Path) -> Iterator[None]:
    """
    Keep others from binding a Unix socket at a path.

    @raise OSError: Another process holds the lock.
    """
    lock = path.with_name(path.name + ".lock")
    fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The previous holder may have unlinked the file between our open and our lock.
        if os.fstat(fd).st_nlink == 0:
            raise BlockingIOError(f"{lock} was held by another process")
        try:
            yield
        finally:
            os.unlink(lock)
    finally:
        os.close(fd)


def _removeDead(path: Path) -> None:
    """
    Remove a socket file on which no process listens.  Any other file stays.
    """
    with suppress(FileNotFoundError), socket.socket(socket.AF_UNIX) as probe:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return
        # Connecting to a live daemon with a full backlog would block.
        probe.setblocking(False)
        with suppress(BlockingIOError):
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()
            except PermissionError as error:
                reason = "another user's socket is there; if no program listens on it, remove it"
                raise PermissionError(error.errno, reason) from None
