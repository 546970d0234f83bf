"""
Reads the header in which a proxy names the client's address: the PROXY protocol, versions 1
and 2 (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt).
"""

from __future__ import annotations

from ipaddress import ip_address

_TEXT = b"PROXY "
_BINARY = b"\r\n\r\n\x00\r\nQUIT\n"

LONGEST = 107
"""The longest header of version 1, with its line end."""

MOST = 4096
"""The longest header of version 2 that the daemon takes, with the proxy's additional fields."""

# The bytes of an address, by its family in version 2.
_SIZES = {0x1: 4, 0x2: 16}


def readHeader(data: bytes) -> tuple[str | None, int] | None:
    """
    Read the header that a connection begins with.

    @return: The client's address, L{None} if the proxy names none, and the length of the header;
        or L{None} if the header is not complete yet.
    @raise ValueError: The connection begins with something else.
    """
    for begins, read in ((_TEXT, _readText), (_BINARY, _readBinary)):
        if data.startswith(begins):
            return read(data)
        if begins.startswith(data):
            return None
    raise ValueError("the connection does not begin with a PROXY header")


def _readText(data: bytes) -> tuple[str | None, int] | None:
    line, end, _ = data[:LONGEST].partition(b"\r\n")
    if not end:
        if len(data) >= LONGEST:
            raise ValueError("the PROXY header has no end")
        return None
    fields = line.decode("ascii").split(" ")
    if fields[1] == "UNKNOWN":
        return None, len(line) + 2
    if len(fields) != 6 or fields[1] not in ("TCP4", "TCP6"):
        raise ValueError("the PROXY header is malformed")
    return str(ip_address(fields[2])), len(line) + 2


def _readBinary(data: bytes) -> tuple[str | None, int] | None:
    if len(data) < 16:
        return None
    version, command = data[12] >> 4, data[12] & 0x0F
    length = 16 + int.from_bytes(data[14:16], "big")
    if version != 2 or command > 1 or length > MOST:
        raise ValueError("the PROXY header is malformed")
    if len(data) < length:
        return None
    size = _SIZES.get(data[13] >> 4)
    if command == 0 or size is None:
        # The proxy itself opened the connection, or the client's socket has no address.
        return None, length
    if length < 16 + 2 * size + 4:
        raise ValueError("the PROXY header is malformed")
    return str(ip_address(data[16 : 16 + size])), length
