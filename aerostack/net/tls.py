"""
TLS for servers, with a certificate that can be renewed while connections are open.

Each load of the files makes a new context.  A connection keeps the context that it was accepted
with, so a renewal does not affect it.  There is no session cache and there are no tickets, so no
client can go on with the old certificate by resuming a session.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from aerostack.settings.files import readFile

# For TLS 1.2 only: forward secret and authenticated.
_CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20"

# Those that TLS 1.3 brings.  OpenSSL itself prefers the second.  A handshake computes many hashes;
# with those of the first, an opening takes a tenth less time.
_SUITES = b"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

# A WebSocket opens with HTTP/1.1; a client that agreed on h2 could not open one.
_PROTOCOL = b"http/1.1"

_ServerKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey


class TLSError(Exception):
    """
    A private key or certificate cannot be served.

    The message is one sentence that names the file.
    """


@dataclass(frozen=True)
class CertificateFiles:
    """
    The paths of the PEM files.

    @ivar privateKey: The key, not encrypted.
    @ivar certificate: The server's certificate, alone or followed by its chain; may
        be the same file as the key's.
    @ivar chain: More certificates of the chain, or L{None}.
    """

    privateKey: Path
    certificate: Path
    chain: Path | None = None


@dataclass(frozen=True)
class PEM:
    """
    What the PEM files contain.  See L{CertificateFiles}.
    """

    privateKey: bytes
    certificate: bytes
    chain: bytes | None


@dataclass(frozen=True)
class _Credential:
    """
    A context and its certificate, from one load of the files.
    """

    context: SSL.Context
    certificate: x509.Certificate


def _read(path: Path) -> bytes:
    try:
        return readFile(path)[0]
    except OSError as error:
        raise TLSError(f"{path}: cannot be read ({error.strerror}).") from error


def _readFiles(files: CertificateFiles) -> PEM:
    """
    Read the files.

    @raise TLSError: One of them cannot be read.
    """
    chain = None if files.chain is None else _read(files.chain)
    return PEM(_read(files.privateKey), _read(files.certificate), chain)


def _certificates(path: Path, found: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(found)
    except ValueError as error:
        raise TLSError(f"{path}: holds no PEM certificate that can be parsed.") from error


def _privateKey(path: Path, found: bytes) -> _ServerKey:
    try:
        key = load_pem_private_key(found, password=None)
    except TypeError as error:
        raise TLSError(
            f"{path}: the key is encrypted. Store it without a passphrase, in a file that only"
            " the daemon may read."
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise TLSError(f"{path}: holds no PEM private key that can be parsed.") from error
    if not isinstance(key, _ServerKey):
        raise TLSError(f"{path}: a key of this kind cannot be served. Use RSA, EC or Ed25519.")
    return key


def _selectProtocol(
    connection: SSL.Connection, offered: list[bytes]
) -> bytes | SSL._NoOverlappingProtocols:
    return _PROTOCOL if _PROTOCOL in offered else SSL.NO_OVERLAPPING_PROTOCOLS


def _load(files: CertificateFiles, pem: PEM) -> _Credential:
    """
    Make a context of what the files contain.

    @raise TLSError: It cannot be parsed, or does not belong together.
    """
    key = _privateKey(files.privateKey, pem.privateKey)
    certificate, *chain = _certificates(files.certificate, pem.certificate)
    if files.chain is not None and pem.chain is not None:
        chain += _certificates(files.chain, pem.chain)
    if certificate.public_key() != key.public_key():
        raise TLSError(
            f"{files.certificate}: the first certificate does not belong to the key in"
            f" {files.privateKey}."
        )

    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(
        SSL.OP_NO_COMPRESSION
        | SSL.OP_CIPHER_SERVER_PREFERENCE
        | SSL.OP_NO_RENEGOTIATION
        | SSL.OP_NO_TICKET
    )
    # An idle connection frees its 34 KB of buffers.
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_alpn_select_callback(_selectProtocol)
    try:
        context.use_certificate(certificate)
        context.use_privatekey(key)
        for link in chain:
            context.add_extra_chain_cert(link)
    except SSL.Error as error:
        raise TLSError(f"{files.certificate}: OpenSSL refuses it ({error}).") from error
    # Last, because it uses the context, and a used context takes no more settings.
    context.set_cipher_list(_CIPHERS)
    context.set_tls13_ciphersuites(_SUITES)
    return _Credential(context, certificate)


@implementer(IOpenSSLServerConnectionCreator)
class ReloadableTLS:
    """
    Makes the server side of TLS connections from a key and a certificate in files.  The files can
    be read again at any time.

    @ivar pem: What is served.
    """

    _log = Logger()

    def __init__(
        self,
        files: CertificateFiles,
        now: Callable[[], float] = time.time,
        pem: PEM | None = None,
    ) -> None:
        """
        Read the files.  A certificate that has expired, or is not valid yet, is served with a
        warning.  A machine that starts with a wrong clock corrects it later, but a daemon that
        refused to start would stay down.

        @param now: Gives the time, in seconds since the epoch.
        @param pem: What the files contain, if another process has read and checked them.
        @raise TLSError: The files cannot be served.
        """
        self.files = files
        self._now = now
        if pem is not None:
            self.take(pem)
            return
        self.pem = _readFiles(files)
        self._credential = _load(files, self.pem)
        problem = self.untimely()
        if problem is not None:
            self._log.warn("{problem} It is served all the same.", problem=problem)

    @property
    def expires(self) -> datetime:
        """
        The time at which the served certificate expires.
        """
        return self._credential.certificate.not_valid_after_utc

    def reload(self) -> None:
        """
        Read the files again, and use them for every connection that is accepted from now on.

        @raise TLSError: The files cannot be served, or the certificate has expired or is not
            valid yet.  The daemon goes on with the old certificate.
        """
        pem = _readFiles(self.files)
        credential = _load(self.files, pem)
        problem = self._untimely(credential)
        if problem is not None:
            raise TLSError(problem)
        self.pem, self._credential = pem, credential
        self._log.info(
            "{file}: serving the certificate with serial number {serial:x}, valid until {expires}",
            file=str(self.files.certificate),
            serial=credential.certificate.serial_number,
            expires=self.expires.isoformat(),
        )

    def take(self, pem: PEM) -> None:
        """
        Use what another process has read and checked for every connection that is accepted from
        now on.

        @raise TLSError: It cannot be served.
        """
        self._credential = _load(self.files, pem)
        self.pem = pem

    def untimely(self) -> str | None:
        """
        Describe in a sentence why the served certificate does not hold now; L{None} if it holds.
        """
        return self._untimely(self._credential)

    def _untimely(self, credential: _Credential) -> str | None:
        now = datetime.fromtimestamp(self._now(), UTC)
        certificate = credential.certificate
        if now >= certificate.not_valid_after_utc:
            ended = certificate.not_valid_after_utc.isoformat()
            return f"{self.files.certificate}: the certificate expired at {ended}. Renew it."
        if now < certificate.not_valid_before_utc:
            begins = certificate.not_valid_before_utc.isoformat()
            return (
                f"{self.files.certificate}: the certificate is not valid before {begins}."
                " Check the machine's clock."
            )
        return None

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """
        See L{IOpenSSLServerConnectionCreator}.
        """
        return SSL.Connection(self._credential.context, None)
