"""
Makes endpoints that connect to Valkey.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from OpenSSL.crypto import FILETYPE_PEM
from OpenSSL.crypto import Error as CryptoError
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates

from aerostack.engine.valkey.address import Host
from aerostack.engine.valkey.resp import RespConnection

TIMEOUT = 3.0
"""How long a connection may take to be made, in seconds."""

_BEGIN = b"-----BEGIN CERTIFICATE-----"


class Endpoints:
    """
    Makes endpoints for the hosts of an address.
    """

    def __init__(self, reactor: Any, secure: bool, authorities: str | None) -> None:
        """
        @param secure: Whether to use TLS.  The server's certificate is verified.
        @param authorities: The path of a PEM file with the authorities that are trusted; L{None}
            for those that the system trusts.
        @raise OSError: The file cannot be read.
        @raise ValueError: The file has no certificate; the message names the file.
        """
        self._reactor = reactor
        self._secure = secure
        self._roots = None
        if secure and authorities is not None:
            self._roots = trustRootFromCertificates(_certificates(authorities))

    def connect(self, host: Host) -> IStreamClientEndpoint:
        """
        Make the endpoint of a host.
        """
        tcp = HostnameEndpoint(self._reactor, host.name, host.port, timeout=TIMEOUT)
        if not self._secure:
            return tcp
        endpoint: IStreamClientEndpoint = wrapClientTLS(
            optionsForClientTLS(host.name, self._roots), tcp
        )
        return endpoint


class OneConnection(Factory):
    """
    Gives an endpoint the one connection that it is to make.
    """

    noisy = False

    def __init__(self, connection: RespConnection) -> None:
        self._connection = connection

    def buildProtocol(self, addr: object) -> RespConnection:
        return self._connection


def _certificates(path: str) -> list[Certificate]:
    parts = Path(path).read_bytes().split(_BEGIN)[1:]
    try:
        found = [Certificate.load(_BEGIN + part, FILETYPE_PEM) for part in parts]
    except CryptoError as error:
        raise ValueError(f"{path}: holds a certificate that cannot be parsed") from error
    if not found:
        raise ValueError(f"{path}: holds no PEM certificate")
    return found
