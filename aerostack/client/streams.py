"""
The requests about token streams, as plain data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from msgspec import Raw

from aerostack.client.address import Address
from aerostack.client.outgoing import encodeGiven
from aerostack.client.requests import Send, rpc

T = TypeVar("T", covariant=True)


@dataclass(frozen=True)
class Begin:
    """
    What a publisher says of a stream at its beginning.

    @ivar topic: Where it is streamed.
    @ivar stream: Its id; L{None} for a new one.
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
        return self._call("ai.start", begin.topic, begin.options(producer))

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
        return self._call("ai.beat", stream, epoch)

    def cancel(self, stream: str) -> T:
        """
        Cancel a stream.
        """
        return self._call("ai.cancel", stream)

    def get(self, stream: str) -> T:
        """
        Read a stream.
        """
        return self._call("ai.get", stream)

    def relay(self, topic: str, request: Mapping[str, Any], options: Mapping[str, Any]) -> T:
        """
        Let the daemon ask a model, and stream the answer.
        """
        return self._call("ai.relay", topic, request, options)

    def _call(self, method: str, *args: Any) -> T:
        encoded = [Raw(encodeGiven(each, method)) for each in args]
        request = rpc(self._address, method, encoded)
        return self._send(replace(request, expects="stream", repeatable=True))


def endOptions(
    state: str, error: str | None = None, usage: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """
    The options of the call that ends a stream.

    @param error: Why it failed; its first 1000 characters count.
    """
    options = {"state": state, "error": error and error[:1000], "usage": usage}
    return {name: value for name, value in options.items() if value is not None}
