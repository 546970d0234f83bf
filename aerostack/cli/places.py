"""
Where a command finds the daemon of a configuration, on the daemon's own machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from aerostack.cli.options import CommandError
from aerostack.settings.addresses import isLoopback
from aerostack.settings.listen import Description

# A server that listens on all interfaces is there on the loopback interface.
_HERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}

_UNREADABLE = 9


@dataclass(frozen=True)
class Place:
    """
    An address that a daemon listens on.

    @ivar url: The address.  With TLS it has the name in the certificate.
    @ivar via: The host and the port to connect to instead of the URL's, for TLS.
    @ivar certificate: The daemon's certificate, for TLS.
    """

    url: str
    via: tuple[str, int] | None = None
    certificate: Path | None = None


def canOpen(path: Path) -> bool:
    """
    Whether this user may connect to a Unix socket.
    """
    return os.access(path, os.W_OK)


def choose(
    listen: Iterable[Description],
    base: Path,
    forConsole: bool = False,
    forBrowser: bool = False,
    canOpen: Callable[[Path], bool] = canOpen,
) -> Place:
    """
    Choose the best address: a Unix socket that this user may open, then plain text on the loopback
    interface, then TLS, then the rest.

    @param base: The directory that relative paths begin at.
    @param forConsole: Whether the command needs what the daemon may show to programs of this
        machine only.  The listeners with C{local=1} come first then.
    @param forBrowser: Whether a browser is to open the address, which gets to no Unix socket.
    @raise CommandError: The daemon listens nowhere that a command finds, or the certificate's name
        is not known.
    """
    descriptions = list(listen)

    def rank(description: Description) -> tuple[bool, int]:
        return forConsole and not description.local, _rank(description, base, canOpen)

    found = [
        each
        for each in descriptions
        if not each.proxied and each.kind != "systemd" and not (forBrowser and each.kind == "unix")
    ]
    if not found:
        raise CommandError(_why(descriptions, forBrowser))
    return placeOf(min(found, key=rank), base)


def placeOf(description: Description, base: Path) -> Place:
    """
    Give the address of a listener.

    @raise CommandError: The name in the certificate is not known.
    """
    options = description.options
    door = doorOf(description, base)
    if not isinstance(door, tuple):
        return Place(f"ws+unix://{door}")
    host, port = door
    if description.kind != "ssl":
        return Place(f"ws://{_bracketed(host)}:{port}")
    certificate = base / options.get("certKey", options["privateKey"])
    name = _nameIn(certificate)
    url = f"wss://{_bracketed(name)}" + ("" if port == 443 else f":{port}")
    return Place(url, door, certificate)


def doorOf(description: Description, base: Path) -> tuple[str, int] | Path | None:
    """
    Give the host and the port of a listener, or the path of its Unix socket; L{None} if systemd
    opens the socket.
    """
    options = description.options
    if description.kind == "systemd":
        return None
    if description.kind == "unix":
        return base / options["address"]
    return _HERE.get(options["interface"], options["interface"]), int(options["port"])


def nameOf(certificate: x509.Certificate) -> str | None:
    """
    A name that a certificate is valid for, in the form that a URL has; L{None} if it has none.
    """
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
    hosts = names.get_values_for_type(x509.DNSName)
    plain = [name for name in hosts if not name.startswith("*")]
    # Any name in the place of the star is as good as another.
    starred = [f"aerostack-rt{name[1:]}" for name in hosts if name.startswith("*.")]
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return next(iter([*plain, *starred, *addresses]), None)


def _rank(description: Description, base: Path, canOpen: Callable[[Path], bool]) -> int:
    options = description.options
    if description.kind == "unix":
        return 0 if canOpen(base / options["address"]) else _UNREADABLE
    isHere = options["interface"] in _HERE or isLoopback(options["interface"])
    return (2 if description.kind == "ssl" else 1) + (0 if isHere else 2)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _nameIn(path: Path) -> str:
    try:
        # The first is the server's own.
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise CommandError(
            f"the daemon speaks TLS, and its name is in {path}, which cannot be read"
            f" ({error.strerror}); run this as root, or give --url"
        ) from None
    except ValueError:
        raise CommandError(f"{path} holds no PEM certificate; give --url") from None
    name = nameOf(certificate)
    if name is None:
        raise CommandError(f"the certificate in {path} names no host; give --url")
    return name


def _why(descriptions: Iterable[Description], forBrowser: bool) -> str:
    kinds = {each.kind for each in descriptions if not each.proxied}
    if forBrowser and "unix" in kinds:
        return (
            "no browser gets through a Unix socket; let the daemon listen on a port of this"
            " machine as well, or give --url"
        )
    if "systemd" in kinds:
        return (
            "systemd opens the daemon's sockets, so the configuration does not say where they are;"
            " give --url, or add a socket to server.listen, such as unix:/run/aerostack-rt/rt.sock"
        )
    return (
        "only a proxy can speak to what is in server.listen; give --url, or add a socket to it,"
        " such as unix:/run/aerostack-rt/rt.sock"
    )
