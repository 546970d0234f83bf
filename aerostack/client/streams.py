"""
The requests about token streams, as plain data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar
from uuid import uuid4

from msgspec import Raw

from aerostack.client.address import Address
from aerostack.client.errors import ClientError
from aerostack.client.outgoing import encodeGiven, requireText
from aerostack.client.requests import USUAL_SECONDS, Send, rpc

T = TypeVar("T", covariant=True)

STREAM_SECONDS = 30.0
"""Seconds that a call about a stream may take, if nothing else is said.  When the daemon that has
the stream dies, another one takes it over within 16 seconds; the call is repeated until then."""

GIVEN_UP = "The program gave the stream up before it began."
"""Why a stream has failed whose start the application has cancelled."""


@dataclass(frozen=True)
class Begin:
    """
    What a publisher says of a stream at its beginning.

    @ivar topic: Where it is streamed.
    @ivar stream: Its id; L{None} if the client makes one up.
    @ivar owner: The user for whom it is.
    @ivar cancel: Which clients may cancel it: C{owner}, C{publishers} or C{nobody}.
    @ivar lease: After how many seconds without a sign of the publisher the daemon ends it.
    @ivar persist: Whether the history keeps it when it ends.
    @ivar meta: A JSON object that clients get with its beginning.
    @ivar takeover: Whether to take it over from another publisher that is still there.
    """

    topic: str
    stream: str | None = None
    owner: str | None = None
    cancel: str | None = None
    lease: float | None = None
    persist: bool | None = None
    meta: Mapping[str, Any] | None = None
    takeover: bool | None = None

    def options(self, producer: str) -> dict[str, Any]:
        """
        The options of the call.

        @param producer: A name of this publisher.  The same name makes a repeated call harmless.
        """
        options = {
            "stream": self.stream,
            "producer": producer,
            "owner": self.owner,
            "cancel": self.cancel,
            "lease": None if self.lease is None else round(self.lease * 1000),
            "persist": self.persist,
            "meta": self.meta,
            "takeover": self.takeover,
        }
        return {name: value for name, value in options.items() if value is not None}


class StreamCalls(Generic[T]):
    """
    The daemon's methods for token streams.  None of them does harm twice.
    """

    def __init__(self, address: Address, send: Send[T]) -> None:
        self._address = address
        self._send = send

    def start(self, begin: Begin, producer: str) -> T:
        """
        Begin a stream, or go on with one.
        """
        topic = requireText(begin.topic, "topic")
        return self._call("ai.start", topic, begin.options(producer))

    def append(self, stream: str, epoch: int, operations: Sequence[Mapping[str, Any]]) -> T:
        """
        Let parts grow, or give them values.
        """
        return self._call("ai.append", stream, epoch, operations)

    def end(self, stream: str, epoch: int, options: Mapping[str, Any]) -> T:
        """
        End a stream.
        """
        return self._call("ai.end", stream, epoch, options)

    def beat(self, stream: str, epoch: int) -> T:
        """
        Say that the publisher is still there.
        """
        # The next sign of life tries again, and no text waits for this one for long.
        return self._call("ai.beat", stream, epoch, usual=USUAL_SECONDS)

    def cancel(self, stream: str) -> T:
        """
        Cancel a stream.
        """
        return self._call("ai.cancel", requireText(stream, "stream"))

    def get(self, stream: str) -> T:
        """
        Read a stream.
        """
        return self._call("ai.get", requireText(stream, "stream"))

    def relay(self, topic: str, request: Mapping[str, Any], options: Mapping[str, Any]) -> T:
        """
        Let the daemon ask a model, and stream the answer.
        """
        return self._call("ai.relay", requireText(topic, "topic"), request, options)

    def _call(self, method: str, *args: Any, usual: float = STREAM_SECONDS) -> T:
        encoded = [Raw(encodeGiven(each, method)) for each in args]
        request = rpc(self._address, method, encoded)
        return self._send(replace(request, expects="stream", repeatable=True, usual=usual))


def beginning(topic: str, options: Mapping[str, Any]) -> Begin:
    """
    What a publisher says of a stream, with an id: a start that is repeated, because its answer was
    lost, begins no second stream.

    @param options: Other fields of L{Begin}.
    """
    begin = Begin(topic, **options)
    return replace(begin, stream=uuid4().hex) if begin.stream is None else begin


def refusedEnd(error: ClientError) -> dict[str, Any]:
    """
    The options of the call that ends a stream of which the daemon refuses a part; see
    L{aerostack.client.draft.isRefused}.
    """
    return endOptions("failed", f"The daemon refused a part of it: {error.code}.")


class StreamAccess(Generic[T]):
    """
    What the three SDKs do alike with token streams.  C{T} is the answer itself, a Deferred or a
    coroutine.
    """

    def __init__(self, calls: StreamCalls[T]) -> None:
        self._calls = calls

    def relay(self, topic: str, request: Mapping[str, Any], **options: Any) -> T:
        """
        Let the daemon ask a model, and stream the answer.

        @param request: What the model is asked: C{messages}, and what else the daemon allows.
        @param options: C{model}, C{stream}, C{owner}, C{cancel}, C{persist} and C{meta}.
        @return: C{stream}, C{topic} and more, when the stream has begun.
        """
        # With an id a call that is repeated begins no second stream.
        return self._calls.relay(topic, request, {"stream": uuid4().hex, **options})

    def cancel(self, stream: str) -> T:
        """
        Cancel a stream.

        @return: C{stream}, C{state} and C{kept}, when clients get nothing more of the stream.
        """
        return self._calls.cancel(stream)

    def get(self, stream: str) -> T:
        """
        Read a stream, or what the history has kept of it.

        @return: C{stream}, C{topic}, C{state}, C{text}, C{parts} and more.
        """
        return self._calls.get(stream)


def endOptions(
    state: str, error: str | None = None, usage: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """
    The options of the call that ends a stream.

    @param error: Why it failed; its first 1000 characters count.
    @raise TypeError: They cannot be sent, as L{encodeGiven} says.
    @raise ValueError: Likewise.
    """
    if error is not None:
        error = requireText(error, "error")[:1000]
    given = {"state": state, "error": error, "usage": usage}
    options = {name: value for name, value in given.items() if value is not None}
    # Before the stream counts as ended.
    encodeGiven(options, "the end of a stream")
    return options
