"""
The daemon that a command talks to: where it is, the credentials, and whose certificates to trust.
"""

from __future__ import annotations

import argparse
import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from OpenSSL.crypto import X509StoreFlags
from OpenSSL.SSL import Context
from twisted.internet._sslverify import IOpenSSLTrustRoot
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.ssl import optionsForClientTLS, platformTrust
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.iweb import IAgent
from zope.interface import implementer

from aerostack.cli.options import CommandError, orElse, partsOf
from aerostack.cli.places import choose
from aerostack.client.address import Address
from aerostack.client.blocking import BlockingSDK
from aerostack.client.http import OneEndpoint
from aerostack.client.realtime import RealtimeClient
from aerostack.config.parts import Parts
from aerostack.config.problems import ConfigError

_KEYS = "--key or AEROSTACK_KEY"


@dataclass(frozen=True)
class Reach:
    """
    A daemon to talk to.

    @ivar address: Its address and the credentials.
    @ivar via: The host and the port to connect to instead of the address's.
    @ivar trusted: A file of certificates to trust beside the authorities of the machine.
    """

    address: Address
    via: tuple[str, int] | None = None
    trusted: Path | None = None

    def sdk(self, timeout: float | None, retry: bool = False) -> BlockingSDK:
        """
        Make the SDK for HTTP.

        @param timeout: Seconds that each request may take; L{None} for the SDK's own.
        @param retry: Whether to send a request again that the daemon has not acted on.
        @raise CommandError: The trusted certificates cannot be read.
        """
        address = self.address
        return BlockingSDK(
            address.url,
            address.key,
            projectId=address.projectId,
            token=address.token,
            timeout=timeout,
            retry=retry,
            context=self._context() if address.secure else None,
            via=self.via,
        )

    def client(self, reactor: Any, maxRetries: int | None) -> RealtimeClient:
        """
        Make the client for the WebSocket.

        @param maxRetries: How many attempts in a row may fail after the first; L{None} for any
            number.
        @raise CommandError: The trusted certificates cannot be read.
        """
        address = self.address
        endpoint, agent = self._overTLS(reactor) if address.secure else (None, None)
        return RealtimeClient(
            reactor,
            address.url,
            projectId=address.projectId,
            apiKey=address.key,
            token=address.token,
            maxReconnectAttempts=maxRetries,
            endpoint=endpoint,
            agent=agent,
        )

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self.trusted is not None:
            try:
                context.load_verify_locations(self.trusted)
            except (OSError, ssl.SSLError) as error:
                raise _unreadable(self.trusted, error) from None
            # Not only authorities may be trusted, but also the daemon's own certificate.
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return context

    def _overTLS(self, reactor: Any) -> tuple[Any, IAgent]:
        # Twisted verifies as late as the reactor runs, so the file is looked at first.
        self._context()
        host, port = self.via or (self.address.host, self.address.port)
        options = optionsForClientTLS(self.address.host, _Roots(self.trusted))
        endpoint = wrapClientTLS(options, HostnameEndpoint(reactor, host, port))
        pool = HTTPConnectionPool(reactor, persistent=False)
        return endpoint, Agent.usingEndpointFactory(reactor, OneEndpoint(endpoint), pool=pool)


def reach(
    options: argparse.Namespace,
    secret: bool = False,
    keyless: bool = False,
    forConsole: bool = False,
    forBrowser: bool = False,
) -> Reach:
    """
    Find the daemon and the credentials for it.  What an option or the environment gives is not
    looked for in the configuration.

    @param secret: Whether to connect as a server, with the project's secret key.
    @param keyless: Whether the command needs no credentials.
    @param forConsole: See L{choose}.
    @param forBrowser: See L{choose}.
    @raise CommandError: Something that the command needs is not there.
    @raise ConfigError: Something that the command needs has a mistake.
    """
    # An empty variable gives no key.
    key = options.key or os.environ.get("AEROSTACK_KEY") or None
    token = getattr(options, "token", None) or (
        None if secret else os.environ.get("AEROSTACK_TOKEN")
    )
    if options.url:
        projectId = options.project
        if key is None and not keyless and options.config is not None:
            parts = partsOf(options.config)
            projectId = parts.projectId(projectId)
            key = _keyIn(parts, projectId, secret, token)
        return Reach(Address(options.url, projectId, key=key, token=token), trusted=options.ca)
    parts = partsOf(options.config)
    place = choose(parts.listen(), parts.path.parent, forConsole, forBrowser)
    projectId = parts.projectId(options.project)
    if key is None and not keyless:
        key = _keyIn(parts, projectId, secret, token)
    address = Address(place.url, projectId, key=key, token=token)
    # The file has the certificate that the daemon itself serves.
    return Reach(address, place.via, options.ca or place.certificate)


def _keyIn(parts: Parts, projectId: str, secret: bool, token: str | None) -> str | None:
    """The key in the configuration."""
    name = f"projects.{projectId}.{'secret_key' if secret else 'public_key'}"
    try:
        key = parts.key(projectId, secret)
    except ConfigError as error:
        if token is not None:
            # The token alone lets the client in.
            return None
        raise CommandError(f"{error}{orElse(_KEYS)}") from None
    if secret and key is None:
        raise CommandError(
            f"{name} is not there, which servers carry, or is yet to be made at the first start of"
            f" the daemon; give {_KEYS}"
        )
    return key


@implementer(IOpenSSLTrustRoot)
class _Roots:
    """
    The authorities of the machine, and the certificates of a file.

    Twisted has no public way to trust a certificate that is no authority's.
    """

    def __init__(self, trusted: Path | None) -> None:
        self._trusted = trusted

    def _addCACertsToContext(self, context: Context) -> None:
        platformTrust()._addCACertsToContext(context)
        if self._trusted is not None:
            context.load_verify_locations(str(self._trusted))
            store = context.get_cert_store()
            assert store is not None
            store.set_flags(X509StoreFlags.PARTIAL_CHAIN)


def _unreadable(path: Path, error: OSError) -> CommandError:
    # OpenSSL's errors are OSErrors as well, and have no such number.
    why = error.strerror if not isinstance(error, ssl.SSLError) else "it holds no PEM certificate"
    return CommandError(f"the certificates to trust cannot be read from {path}: {why}")
