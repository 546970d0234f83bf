"""
Fetches the key sets that identity providers publish.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from treq.client import HTTPClient
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.web.client import Agent, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent

from aerostack import __version__
from aerostack.ai.asking import PlainAgent, describe
from aerostack.ai.heads import BoundedEndpoints
from aerostack.auth.keysets import KeySets

CONNECT = 5.0
"""Seconds that a connection to a provider may take."""

WHOLE = 10.0
"""Seconds that a provider has for its whole answer."""

BYTES = 262_144
"""How many bytes a key set has at the most."""


class FetchError(ValueError):
    """
    A key set cannot be fetched; the message says why.
    """


class _Body(Protocol):
    """
    Takes the body of an answer, if it is not too large.

    @ivar done: Fires with the body.
    """

    transport: Any

    def __init__(self) -> None:
        self.done: Deferred[bytes] = Deferred()
        self._data = bytearray()

    def dataReceived(self, data: bytes) -> None:
        if self.done.called:
            return
        self._data += data
        if len(self._data) > BYTES:
            self.done.errback(FetchError(f"the answer has more than {BYTES} bytes"))
            self.drop()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.done.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss):
            self.done.callback(bytes(self._data))
        else:
            self.done.errback(FetchError("the answer ended in the middle"))

    def drop(self) -> None:
        """
        Read no more.
        """
        if self.transport is not None:
            self.transport.loseConnection()


class KeyFetcher:
    """
    Asks providers for their key sets, without following redirects: with a redirect a provider could
    make the daemon ask any server that this machine reaches.
    """

    def __init__(self, reactor: Any, agent: IAgent | None = None) -> None:
        """
        @param agent: Makes requests; L{None} for one with connections of its own.
        """
        if agent is None:
            agent = Agent.usingEndpointFactory(reactor, BoundedEndpoints(reactor, CONNECT))
        self._reactor = reactor
        self._client = HTTPClient(PlainAgent(agent))

    def fetch(self, url: str) -> Deferred[bytes]:
        """
        Get a key set.

        @return: A L{Deferred} that fires in a later turn, or fails with L{FetchError}.
        """
        fetching: Deferred[bytes] = Deferred.fromCoroutine(self._fetch(url))
        fetching.addTimeout(WHOLE, self._reactor, _tooLate)
        return fetching

    async def _fetch(self, url: str) -> bytes:
        await deferLater(self._reactor, 0)
        try:
            response = await self._client.get(
                url,
                headers=Headers(
                    {
                        "accept": ["application/jwk-set+json, application/json"],
                        "user-agent": [f"aerostack-rt/{__version__}"],
                    }
                ),
                allow_redirects=False,
                unbuffered=True,
            )
        except Exception as error:
            # Whatever kept the request from its answer, the next fetch may have one.
            raise FetchError(describe(error)) from None
        body = _Body()
        response.deliverBody(body)
        if response.code != 200:
            # The status says what is wrong, so the end of the body is not waited for.
            body.done.addErrback(lambda _: None)
            body.drop()
            what = " and a redirect, which is not followed" if 300 <= response.code < 400 else ""
            raise FetchError(f"it answered with status {response.code}{what}")
        try:
            return await body.done
        finally:
            body.drop()


def _tooLate(result: object, seconds: float) -> object:
    raise FetchError(f"it did not answer within {seconds:g} seconds")


class KeyMaintenance(Service):
    """
    Fetches key sets while the daemon runs.  Each process that serves clients has its own.

    @ivar sets: The key sets.
    """

    def __init__(self, reactor: Any, fetch: Callable[[str], Deferred[bytes]]) -> None:
        """
        @param fetch: See L{KeySets}.
        """
        self.sets = KeySets(reactor, fetch)

    def startService(self) -> None:
        super().startService()
        self.sets.start()

    def stopService(self) -> None:
        super().stopService()
        self.sets.stop()
