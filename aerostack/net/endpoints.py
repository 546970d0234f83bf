"""
Where the daemon listens: endpoint strings to endpoints.

The strings are Twisted's, with two differences.  TLS is built here, so that a
renewed certificate can be taken up while connections are open, and it can be put on a
socket that systemd passed.  And a Unix socket that a killed daemon left behind is
recognised by asking whether anybody answers on it, not by a process number, which in
a container is everybody's.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, execute
from twisted.internet.endpoints import TCP4ServerEndpoint, serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpoint
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer

from aerostack.net.tls import CertificateFiles, ReloadableTLS

# The first name of each is the one that may stand without "name=".
_OPTIONS: dict[str, tuple[str, ...]] = {
    "tcp": ("port", "interface", "backlog"),
    "tcp6": ("port", "interface", "backlog"),
    "ssl": ("port", "privateKey", "certKey", "extraCertChain", "interface", "backlog"),
    "unix": ("address", "mode", "backlog", "lockfile"),
    "systemd": ("domain", "index", "name", "privateKey", "certKey", "extraCertChain"),
}
_REQUIRED: dict[str, tuple[str, ...]] = {
    "tcp": ("port",),
    "tcp6": ("port",),
    "ssl": ("port", "privateKey"),
    "unix": ("address",),
    "systemd": ("domain",),
}
_DEFAULTS: dict[str, dict[str, str]] = {
    "tcp": {"interface": "", "backlog": "50"},
    "tcp6": {"interface": "::", "backlog": "50"},
    "ssl": {"interface": "", "backlog": "50"},
    "unix": {"mode": "660", "backlog": "50", "lockfile": "1"},
    "systemd": {},
}
_DOMAINS = ("INET", "INET6", "UNIX")


@dataclass(frozen=True)
class Description:
    """
    An endpoint string, taken apart and checked, nothing opened yet.

    @ivar text: The string as it was written.
    @ivar kind: Its prefix, one of C{tcp}, C{tcp6}, C{ssl}, C{unix}, C{systemd}.
    @ivar options: Every option that was given or has a default.
    """

    text: str
    kind: str
    options: Mapping[str, str]


@dataclass(frozen=True)
class Listener:
    """
    A place to listen at.

    @ivar description: The endpoint string as it was written.
    @ivar endpoint: An L{IStreamServerEndpoint}.
    @ivar tls: What to reload when the certificate was renewed; L{None} without TLS.
    """

    description: str
    endpoint: IStreamServerEndpoint
    tls: ReloadableTLS | None


def _split(text: str) -> list[tuple[str | None, str]]:
    """
    Take a string apart at its colons, and each part at its first equals sign.

    A backslash takes the meaning from the character after it.

    @return: A name, or L{None} where there was no equals sign, and a value for each
        part.
    @raise ValueError: Nothing follows the last backslash.
    """
    parts: list[tuple[str | None, str]] = []
    name: str | None = None
    value = ""
    characters = iter(text)
    for character in characters:
        if character == "\\":
            escaped = next(characters, None)
            if escaped is None:
                raise ValueError(f"{text}: a backslash stands at the end; write two for one")
            value += escaped
        elif character == ":":
            parts.append((name, value))
            name, value = None, ""
        elif character == "=" and name is None:
            name, value = value, ""
        else:
            value += character
    parts.append((name, value))
    return parts


def _number(text: str, option: str, value: str, base: int, least: int, most: int) -> None:
    try:
        number = int(value, base)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        spell = oct if base == 8 else str
        raise ValueError(
            f"{text}: {option} is {value!r}, but must be a number from {spell(least)} to"
            f" {spell(most)}"
        )


def parseDescription(text: str) -> Description:
    """
    Take an endpoint string apart and check all that can be checked without opening
    anything.

    @raise ValueError: The string is malformed; the message says where, and what is
        allowed there.
    """
    (prefixName, kind), *parts = _split(text)
    if prefixName is not None or kind not in _OPTIONS:
        raise ValueError(
            f"{text}: must begin with one of " + ", ".join(f"{known}:" for known in _OPTIONS)
        )
    allowed = _OPTIONS[kind]
    given: dict[str, str] = {}
    for place, (name, value) in enumerate(parts):
        if name is None:
            if place > 0:
                raise ValueError(f"{text}: {value!r} must be written name=value")
            name = allowed[0]
        if name not in allowed:
            raise ValueError(
                f"{text}: unknown option {name!r}; {kind}: takes " + ", ".join(allowed)
            )
        if name in given:
            raise ValueError(f"{text}: {name} is given twice")
        given[name] = value
    for name in _REQUIRED[kind]:
        if not given.get(name):
            raise ValueError(f"{text}: {name} is missing")

    options = {**_DEFAULTS[kind], **given}
    _checkValues(text, options)
    return Description(text, kind, options)


def _checkValues(text: str, options: Mapping[str, str]) -> None:
    """
    Check the options whose values have a form.
    """
    bounds = {
        "port": (10, 0, 65535),
        "backlog": (10, 1, 65535),
        "mode": (8, 0, 0o777),
        "lockfile": (10, 0, 1),
        "index": (10, 0, 65535),
    }
    for option, (base, least, most) in bounds.items():
        if option in options:
            _number(text, option, options[option], base, least, most)
    domain = options.get("domain")
    if domain is not None:
        if domain not in _DOMAINS:
            raise ValueError(
                f"{text}: domain is {domain!r}, but must be one of " + ", ".join(_DOMAINS)
            )
        if ("index" in options) == ("name" in options):
            raise ValueError(f"{text}: give either index or name of the socket, one of the two")
    if "privateKey" not in options:
        for option in ("certKey", "extraCertChain"):
            if option in options:
                raise ValueError(f"{text}: {option} is given, but privateKey is missing")
    for option in ("privateKey", "certKey", "extraCertChain", "name"):
        if options.get(option) == "":
            raise ValueError(f"{text}: {option} is empty")


def serverEndpoint(reactor: Any, description: str, baseDirectory: Path | None = None) -> Listener:
    """
    Make an endpoint of a string.  Nothing is bound before its C{listen} is called,
    but keys and certificates are read here.

    @param reactor: The reactor to listen with.
    @param description: For instance C{tcp:8787:interface=127.0.0.1},
        C{ssl:443:privateKey=key.pem:certKey=fullchain.pem}, C{unix:/run/rt.sock} or
        C{systemd:domain=INET6:index=0}; with C{privateKey}, C{systemd:} speaks TLS.
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
        # For all of its name it listens on IPv6 too, if the interface is an IPv6 address.
        endpoint = TCP4ServerEndpoint(
            reactor, int(options["port"]), int(options["backlog"]), options["interface"]
        )

    tls = None
    if "privateKey" in options:
        key = options["privateKey"]
        chain = options.get("extraCertChain")
        tls = ReloadableTLS(
            CertificateFiles(
                base / key,
                base / options.get("certKey", key),
                None if chain is None else base / chain,
            )
        )
        endpoint = TLSServerEndpoint(reactor, tls, endpoint)
    return Listener(description, endpoint, tls)


def _inherited(reactor: Any, description: Description) -> IStreamServerEndpoint:
    """
    Find the socket that systemd passed.

    Twisted takes the environment variables that tell of the sockets away at its first
    import, so it has to be asked.
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
    return endpoint


@implementer(IStreamServerEndpoint)
class TLSServerEndpoint:
    """
    TLS on whatever another endpoint accepts.
    """

    def __init__(self, reactor: Any, tls: ReloadableTLS, endpoint: IStreamServerEndpoint) -> None:
        self._reactor = reactor
        self._tls = tls
        self._endpoint = endpoint

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        See L{IStreamServerEndpoint}.
        """
        return self._endpoint.listen(
            TLSMemoryBIOFactory(self._tls, False, protocolFactory, self._reactor)
        )


@implementer(IStreamServerEndpoint)
class UNIXServerEndpoint:
    """
    A Unix socket that a killed daemon's leftover does not keep from listening.
    """

    def __init__(self, reactor: Any, path: Path, mode: int, backlog: int, lock: bool) -> None:
        """
        @param mode: The permissions of the socket's file.
        @param lock: Whether to remove a socket file that nobody listens on, while a
            lock keeps another daemon from doing the same.
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
        # Who held it before may have unlinked it between our open and our lock.
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
    Remove a socket file that nobody listens on.  Any other file is left alone.
    """
    with suppress(FileNotFoundError), socket.socket(socket.AF_UNIX) as probe:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return
        # A live daemon with a full backlog must not make us wait.
        probe.setblocking(False)
        with suppress(BlockingIOError):
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()
