"""
Asks a model over HTTP, as OpenAI and those who follow it want to be asked.
"""

from __future__ import annotations

from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent
from zope.interface import implementer

from aerostack import __version__
from aerostack.ai.answerbody import AnswerBody, Fault
from aerostack.ai.asking import Body, PlainAgent, describe
from aerostack.ai.heads import BoundedEndpoints
from aerostack.core.answers.outcome import Outcome
from aerostack.errors import RealtimeError
from aerostack.interfaces.models import STATUSES, IModel, IReply
from aerostack.protocol import sse
from aerostack.protocol.chatrequests import ChatRequest, encodeChatRequest
from aerostack.protocol.completions import BrokenCompletion, CompletionReader
from aerostack.settings.ai import ModelConfig

ATTEMPTS = 2
"""How often a model is asked for one answer, as long as none of it has come."""

PAUSE = 0.5
"""Seconds before the second attempt, if the model does not say how long to wait."""

PATIENCE = 10.0
"""Seconds that a model may ask to wait before the second attempt.  A client that would have to wait
for longer gets an error instead."""

_PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""The statuses after which asking again may help."""

_REFUSED = frozenset({400, 413, 422})
"""The statuses by which a model refuses a request because of what it says."""

_WORDS = ("length", "content_filter")

_KEPT = 32
"""How many connections to a model are kept for the next requests."""


def _classOf(status: int) -> str:
    """Which of L{STATUSES} a status is."""
    return "429" if status == 429 else f"{min(max(status // 100, 2), 5)}xx"


@implementer(IModel)
class Upstream:
    """
    A model behind a URL.

    @ivar asked: How many answers it was asked for.
    @ivar failures: How many of them it broke off or refused.
    @ivar requests: How many requests were made, by
        L{STATUSES<aerostack.interfaces.models.STATUSES>}.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        name: str,
        config: ModelConfig,
        wall: Callable[[], float],
        agent: IAgent | None = None,
    ) -> None:
        """
        @param name: The model's name for clients.
        @param wall: Gives the time of day, seconds since the epoch.
        @param agent: Makes requests; L{None} for an agent of this model.
        """
        self._pool = HTTPConnectionPool(reactor)
        self._pool.maxPersistentPerHost = _KEPT
        if agent is None:
            endpoints = BoundedEndpoints(reactor, config.connect)
            agent = Agent.usingEndpointFactory(reactor, endpoints, self._pool)
        self._reactor = reactor
        self._name = name
        self._wall = wall
        self._client = HTTPClient(PlainAgent(agent), data_to_body_producer=Body)
        self._running: set[_Reply] = set()
        self.asked = self.failures = 0
        self.requests = dict.fromkeys(STATUSES, 0)
        self.reload(config)

    def reload(self, config: ModelConfig) -> None:
        """
        Go by these settings for the next answers.
        """
        self._config = config

    @property
    def unwatched(self) -> float | None:
        """See L{IModel}."""
        return self._config.unwatched

    def __len__(self) -> int:
        """How many answers run."""
        return len(self._running)

    def ask(self, request: ChatRequest, receiver: Any) -> IReply:
        config = self._config
        if len(self._running) >= config.requests:
            raise RealtimeError(
                "overloaded", f"The model {self._name} answers as many as it may; ask again.", 1000
            )
        reply = _Reply(self, request, receiver)
        self._running.add(reply)
        self.asked += 1
        reply.start()
        return reply

    def stop(self) -> Deferred[None]:
        """
        Break off all answers, and close the connections that are kept.
        """
        for reply in tuple(self._running):
            reply.cut(RealtimeError("shutting_down", "The daemon is stopping."))
        closed: Deferred[None] = self._pool.closeCachedConnections()
        return closed


@implementer(IReply)
class _Reply:
    """
    One answer, over one or two requests.
    """

    def __init__(self, upstream: Upstream, request: ChatRequest, receiver: Any) -> None:
        self._upstream = upstream
        self._config = upstream._config
        self._reactor = upstream._reactor
        self._body = encodeChatRequest(request, self._config)
        self._receiver = receiver
        self._isOver = False
        self._hasBegun = False
        self._isPaused = False
        self._timer: IDelayedCall | None = None
        self._reader: AnswerBody | None = None
        self._working: Deferred[None] = succeed(None)

    def start(self) -> None:
        """
        Ask for the first time, in a later turn.
        """
        self._working = Deferred.fromCoroutine(self._converse()).addErrback(self._failed)

    # What its receiver calls

    def cancel(self) -> None:
        self._close()

    def pause(self) -> None:
        self._isPaused = True
        self._stopTimer()
        if self._reader is not None:
            self._reader.pause()

    def resume(self) -> None:
        if self._isOver or not self._isPaused:
            return
        self._isPaused = False
        self._wait(self._config.idle if self._hasBegun else self._config.first)
        if self._reader is not None:
            self._reader.resume()

    def cut(self, error: RealtimeError) -> None:
        """
        End the answer with an error.
        """
        if not self._isOver:
            self._finish(Outcome(error=error))

    # How it goes on

    async def _converse(self) -> None:
        await deferLater(self._reactor, 0)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                outcome = await self._attempt()
            except Fault as fault:
                again = fault.wait is not None and attempt < ATTEMPTS and not self._hasBegun
                self._upstream.log.warn(
                    "the model {model} failed: {said}{again}",
                    model=self._upstream._name,
                    said=str(fault),
                    again="; asking again" if again else "",
                )
                if not again or fault.wait is None:
                    outcome = Outcome(error=fault.error)
                    break
                await deferLater(self._reactor, fault.wait)
            else:
                break
        # From here on there is nothing to cancel.
        self._working = succeed(None)
        self._finish(outcome)

    def _finish(self, outcome: Outcome) -> None:
        self._close()
        if outcome.error is not None and outcome.error.code in ("model_failed", "model_refused"):
            self._upstream.failures += 1
        self._receiver.ended(outcome)

    async def _attempt(self) -> Outcome:
        config = self._config
        self._wait(config.first)
        headers = Headers(
            {
                "content-type": ["application/json"],
                "accept": ["text/event-stream"],
                "user-agent": [f"aerostack-rt/{__version__}"],
            }
        )
        if config.key is not None:
            headers.setRawHeaders("authorization", [f"Bearer {config.key}"])
        try:
            response = await self._upstream._client.request(
                "POST",
                config.url,
                headers=headers,
                data=self._body,
                # A redirect would take the prompt and the key elsewhere.
                allow_redirects=False,
                unbuffered=True,
                reactor=self._reactor,
            )
        except Exception as error:
            if self._isOver:
                raise CancelledError() from None
            self._upstream.requests["none"] += 1
            # Whatever kept the request from its answer, the next may have one.
            raise Fault(describe(error), self._failure(), PAUSE) from None
        self._upstream.requests[_classOf(response.code)] += 1
        reader = self._reader = AnswerBody(self._reactor, self._take)
        if self._isPaused:
            reader.pause()
        fault = self._judge(response)
        response.deliverBody(reader)
        if fault is not None:
            # What a model says of an error may quote the prompt or the key.
            reader.drop()
            raise fault
        completion = await reader.done
        self._reader = None
        if not completion.isWhole:
            raise Fault("its answer ended in the middle", self._failure(), PAUSE)
        reason = completion.finished if completion.finished in _WORDS else None
        return Outcome(reason, completion.usage)

    def _judge(self, response: Any) -> Fault | None:
        """What is wrong with the head of an answer."""
        code: int = response.code
        if code in _REFUSED:
            name = self._upstream._name
            error = RealtimeError(
                "model_refused", f"The model {name} refused the request with status {code}."
            )
            return Fault(f"status {code}", error, None)
        if code in _PASSING:
            wait = self._retryAfter(response)
            error = self._failure(f"status {code}", None if wait is None else int(wait * 1000))
            patient = PAUSE if wait is None else wait
            return Fault(f"status {code}", error, patient if patient <= PATIENCE else None)
        if code != 200:
            return Fault(f"status {code}", self._failure(f"status {code}"), None)
        kind = (response.headers.getRawHeaders("content-type") or [""])[-1]
        if kind.partition(";")[0].strip().lower() != sse.MEDIA_TYPE.decode():
            return Fault("it did not send a stream of events", self._failure(), None)
        return None

    def _retryAfter(self, response: Any) -> float | None:
        """Seconds to wait that the model asks for (RFC 9110, 10.2.3)."""
        value = (response.headers.getRawHeaders("retry-after") or [""])[-1].strip()
        if value.isascii() and value.isdigit():
            return float(value[:9])
        try:
            until = parsedate_to_datetime(value).timestamp()
        except (ValueError, OverflowError):
            return None
        return max(0.0, until - self._upstream._wall())

    def _failure(self, said: str | None = None, retryAfter: int | None = None) -> RealtimeError:
        if self._hasBegun:
            message = f"The model {self._upstream._name} broke its answer off."
        else:
            why = "" if said is None else f" ({said})"
            message = f"The model {self._upstream._name} did not answer{why}."
        return RealtimeError("model_failed", message, retryAfter)

    def _take(self, reader: CompletionReader, events: list[sse.ServerSentEvent]) -> None:
        """
        Take some events.

        @raise Fault: They are no part of a completion.
        """
        for event in events:
            try:
                growths = reader.feed(event.data)
            except BrokenCompletion as error:
                raise Fault(str(error), self._failure(), PAUSE) from None
            if growths:
                self._hasBegun = True
                self._receiver.grown(growths)
            if self._isOver:
                # The receiver has cancelled.
                return
        if self._hasBegun:
            # Any byte is a sign of life, also a comment.
            self._wait(self._config.idle)

    def _wait(self, seconds: float) -> None:
        if self._isPaused:
            # A model that is not read cannot be late.
            return
        if self._timer is not None and self._timer.active():
            self._timer.reset(seconds)
        else:
            self._timer = self._reactor.callLater(seconds, self._late)

    def _stopTimer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _late(self) -> None:
        if self._reader is not None and self._reader.finish():
            return
        said = "the time-out between two tokens" if self._hasBegun else "the time-out"
        self._upstream.log.warn(
            "the model {model} failed: {said} is over", model=self._upstream._name, said=said
        )
        self.cut(self._failure("it took too long"))

    def _close(self) -> None:
        """Let go of the connection, and of the place among the running answers."""
        if self._isOver:
            return
        self._isOver = True
        self._stopTimer()
        self._upstream._running.discard(self)
        if self._reader is not None:
            self._reader.drop()
        self._working.cancel()

    def _failed(self, failure: Failure) -> None:
        if failure.check(CancelledError) and self._isOver:
            return
        self._upstream.log.failure("an answer failed", failure)
        self.cut(RealtimeError("internal_error", "The daemon failed; its log says how."))
