"""
Certificates made for a test, and a client that looks at what it is shown.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from OpenSSL.crypto import X509
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Protocol
from zope.interface import implementer


def keyPEM(key, password: bytes | None = None) -> bytes:
    """
    Write a private key down.
    """
    encryption = NoEncryption() if password is None else BestAvailableEncryption(password)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


_SIGNING = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
"""What an authority uses its key for."""


class Authority:
    """
    A certificate authority, self-signed or signed by another.

    @ivar pem: Its certificate.
    """

    def __init__(self, name: str, issuer: Authority | None = None) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signer = issuer or self
        builder = self._builder(signer, self.name, self.key, days=(-1, 30))
        builder = builder.add_extension(x509.BasicConstraints(True, None), critical=True)
        # Python 3.13 and later want the usage, and the identifiers of the keys.
        builder = builder.add_extension(_SIGNING, critical=True)
        own = x509.SubjectKeyIdentifier.from_public_key(self.key.public_key())
        builder = builder.add_extension(own, critical=False)
        self.certificate = builder.sign(signer.key, hashes.SHA256())
        self.pem = self.certificate.public_bytes(Encoding.PEM)

    @staticmethod
    def _builder(issuer: Authority, name: x509.Name, key, days: tuple[int, int]):
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()),
                critical=False,
            )
            .subject_name(name)
            .issuer_name(issuer.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=days[0]))
            .not_valid_after(now + timedelta(days=days[1]))
        )

    def issue(self, key, days: tuple[int, int] = (-1, 30)) -> bytes:
        """
        Make a server's certificate.

        @param days: When it begins and ends to be valid, in days from now.
        """
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        builder = self._builder(self, name, key, days)
        names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
        builder = builder.add_extension(names, critical=False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def renew(self, directory: Path, days: tuple[int, int] = (-1, 30)) -> int:
        """
        Write C{key.pem} and C{cert.pem}, both new.

        @return: The certificate's serial number.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self.issue(key, days)
        (directory / "key.pem").write_bytes(keyPEM(key))
        (directory / "cert.pem").write_bytes(certificate)
        return x509.load_pem_x509_certificate(certificate).serial_number


@implementer(IOpenSSLClientConnectionCreator)
class ClientTLS:
    """
    A client that believes in one authority.

    @ivar context: May still be changed before it is used.
    """

    def __init__(self, authority: Authority) -> None:
        self.context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        self.context.set_verify(SSL.VERIFY_PEER)
        store = self.context.get_cert_store()
        assert store is not None
        store.add_cert(X509.from_cryptography(authority.certificate))
        self.alpn: list[bytes] = []

    def clientConnectionForTLS(self, protocol) -> SSL.Connection:
        connection = SSL.Connection(self.context, None)
        connection.set_tlsext_host_name(b"localhost")
        if self.alpn:
            connection.set_alpn_protos(self.alpn)
        connection.set_connect_state()
        return connection


class Conversation(Protocol):
    """
    A client that waits until it has received a number of bytes.
    """

    def __init__(self) -> None:
        self.received = b""
        self.lost: Deferred[Exception] = Deferred()
        self._waiting: tuple[int, Deferred] | None = None

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        if self._waiting is not None and len(self.received) >= self._waiting[0]:
            waiting, self._waiting = self._waiting[1], None
            waiting.callback(None)

    def connectionLost(self, reason) -> None:
        self.lost.callback(reason.value)
        if self._waiting is not None:
            self._waiting[1].errback(reason)

    async def echo(self, data: bytes) -> bytes:
        """
        Say something and wait for as much.
        """
        self.received = b""
        self._waiting = (len(data), Deferred())
        waiting = self._waiting[1]
        self.transport.write(data)
        await waiting
        return self.received

    @property
    def serial(self) -> int:
        """
        The serial number of the certificate that was served.
        """
        certificate = self.transport.getHandle().get_peer_certificate(as_cryptography=True)
        return certificate.serial_number

    async def end(self) -> None:
        """
        Close the connection and wait until it is closed.
        """
        self.transport.loseConnection()
        await self.lost
