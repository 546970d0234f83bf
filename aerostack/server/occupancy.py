"""
Whether the addresses of a configuration are free.  All of it blocks, and nothing stays bound.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from aerostack.server.findings import Finding, Level
from aerostack.settings.listen import Description

PATIENCE = 2.0
"""For how many seconds a program that listens may let a question wait."""

_ANSWER = 65_536
"""How many bytes of its answer are read at the most."""

_KEY = "server.listen"


def occupancy(description: Description, base: Path) -> Iterator[Finding]:
    """
    Look whether the daemon could listen on an address now.

    @param base: What relative paths are relative to.
    """
    if description.kind == "unix":
        yield from _socketFile(description, base / description.options["address"])
    elif description.kind != "systemd":
        yield from _port(description)


def _port(description: Description) -> Iterator[Finding]:
    interface, port = description.options["interface"], int(description.options["port"])
    text = description.text
    family = socket.AF_INET6 if ":" in interface else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((interface, port))
        except OSError as error:
            fault = error
        else:
            return
    if fault.errno == errno.EADDRINUSE:
        here = interface.replace("0.0.0.0", "") or "127.0.0.1"
        yield _taken(description, family, ("::1" if here == "::" else here, port))
    elif fault.errno == errno.EACCES:
        yield Finding(
            Level.WARNING,
            f"{_KEY}: {text}: this user may not listen on port {port}; the daemon's user needs"
            " CAP_NET_BIND_SERVICE, or a socket of systemd's",
        )
    else:
        yield Finding(Level.ERROR, f"{_KEY}: {text}: cannot listen there ({fault.strerror})")


def _socketFile(description: Description, path: Path) -> Iterator[Finding]:
    text, folder = description.text, path.parent
    try:
        isFolder = folder.is_dir()
    except PermissionError:
        yield Finding(
            Level.WARNING,
            f"{_KEY}: {text}: this user may not look into {folder.parent}; the daemon's user must",
        )
        return
    if not isFolder:
        yield Finding(
            Level.WARNING,
            f"{_KEY}: {text}: the directory {folder} is missing; make it, or let systemd make it"
            " (RuntimeDirectory=)",
        )
    elif not os.access(folder, os.W_OK | os.X_OK):
        yield Finding(
            Level.WARNING,
            f"{_KEY}: {text}: this user may not make a socket in {folder}; the daemon's user must",
        )
    elif path.is_socket():
        fault = _asked(path)
        if fault == errno.EACCES:
            yield Finding(
                Level.WARNING,
                f"{_KEY}: {text}: another user's socket is there, which this user may not open; if"
                " no program listens on it, remove it",
            )
        elif fault != errno.ECONNREFUSED:
            yield _taken(description, socket.AF_UNIX, str(path))
    elif path.exists():
        yield Finding(Level.ERROR, f"{_KEY}: {text}: {path} is there, and is no socket")


def _asked(path: Path) -> int:
    """The number of the error of connecting to a socket.  If it refuses, no program listens, and
    the daemon takes the place of its file."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as line:
        line.settimeout(PATIENCE)
        return line.connect_ex(str(path))


def _taken(description: Description, family: int, address: tuple[str, int] | str) -> Finding:
    """Find out which program has an address that is in use."""
    if _isOurs(description, family, address):
        return Finding(
            Level.NOTE, f"{_KEY}: {description.text}: an aerostack-rt daemon runs there already"
        )
    return Finding(
        Level.ERROR,
        f"{_KEY}: {description.text}: is in use by another program; stop it, or listen elsewhere",
    )


def _isOurs(description: Description, family: int, address: tuple[str, int] | str) -> bool:
    """Whether a program that listens on an address answers as a daemon does."""
    until = time.monotonic() + PATIENCE
    with closing(socket.socket(family, socket.SOCK_STREAM)) as plain, suppress(OSError):
        # Another program may answer anything, or nothing.
        plain.settimeout(PATIENCE)
        plain.connect(address)
        if description.proxied:
            plain.sendall(b"PROXY UNKNOWN\r\n")
        with closing(_secured(plain) if "privateKey" in description.options else plain) as line:
            line.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            found = b""
            while len(found) < _ANSWER and time.monotonic() < until:
                data = line.recv(4096)
                if not data:
                    break
                found += data
            return b'"checks"' in found
    return False


def _secured(plain: socket.socket) -> socket.socket:
    """Speak TLS without a look at the certificate: only the answer matters."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(plain)
