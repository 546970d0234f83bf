"""
Finds the address under which a client's connections are counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

UNIX = "unix"
"""The entry of the trusted proxies for every process that connects to a Unix socket."""

# The smallest IPv6 network that a provider gives a customer (RFC 6177, 2).  The customer may use
# any address in it.
_PREFIX = 64

_REMEMBERED = 1024
"""How many peers are remembered, so that an address is not parsed again for each connection of a
proxy or of one client."""


class Proxies:
    """
    The proxies that are trusted to name their clients' addresses.
    """

    def __init__(self, networks: Iterable[str]) -> None:
        """
        @param networks: Addresses and networks, and perhaps L{UNIX}.
        """
        networks = list(networks)
        self._unix = UNIX in networks
        self._networks = [ip_network(name) for name in networks if name != UNIX]

    def client(self, peer: str | None, forwarded: Sequence[str]) -> str | None:
        """
        Find the address of a client.

        @param peer: The address that the connection comes from; L{None} for a Unix
            socket.
        @param forwarded: The values of C{X-Forwarded-For}, in their order.  Each proxy adds its
            peer's address at the end.  Only entries of trusted proxies count, so the client is the
            last entry that is not a trusted proxy.
        @return: The address, for IPv6 its /64 network; L{None} if the client connects from this
            machine through a Unix socket.
        """
        found, key = (None, None) if peer is None else _readPeer(peer)
        if not forwarded or not (self._unix if peer is None else self._trusts(found)):
            return key
        entries = [entry.strip() for value in forwarded for entry in value.split(",")]
        for entry in reversed(entries):
            named = _parse(entry)
            if named is None:
                break
            found = named
            if not self._trusts(found):
                break
        return _key(found)

    def _trusts(self, address: IPv4Address | IPv6Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)


def isLoopback(peer: str) -> bool:
    """
    Whether a connection's address is this machine's own.
    """
    address = _parse(peer)
    return address is not None and address.is_loopback


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    # Some proxies add the port: 192.0.2.1:4711 or [2001:db8::1]:4711.
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    # The form in which an IPv6 socket names an IPv4 client.
    return getattr(address, "ipv4_mapped", None) or address


@lru_cache(_REMEMBERED)
def _readPeer(peer: str) -> tuple[IPv4Address | IPv6Address | None, str | None]:
    """
    The address of a connection's other end, and the key under which it is counted.  The system
    made the text, or the PROXY protocol; it is short.
    """
    address = _parse(peer)
    return address, _key(address)


def _key(address: IPv4Address | IPv6Address | None) -> str | None:
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _PREFIX), strict=False))
    return None if address is None else str(address)
