"""
The method C{socket.emit} of the RPC: a server publishes an event, or a list of events.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from msgspec import Raw
from twisted.internet.defer import Deferred, fail, gatherResults, succeed
from twisted.python.failure import Failure

from aerostack.core.access.permissions import Action, Identity
from aerostack.core.keyed.values import readCondition
from aerostack.core.replay.publications import Receipt, readReplaces
from aerostack.core.topics.topics import Topic, checkEvent, checkUser
from aerostack.errors import RealtimeError
from aerostack.interfaces.publishing import IPublisher
from aerostack.protocol.codec import decodeValue, encodable, splitList, splitObject
from aerostack.sessions.refusals import refusal
from aerostack.settings.limits import LimitsConfig

MOST = 100
"""How many events a list has at the most."""

Permit = Callable[[Identity, Action, Topic], object]
"""Makes sure that an identity has a right on a topic; see L{aerostack.tables.feed}."""

Parse = Callable[[str, Identity], Topic]
"""Reads the name of a topic in the project of an identity."""


class Spend(Protocol):
    """
    Takes one request more from the rate of a project.
    """

    def __call__(self, project: str) -> object:
        """
        @raise RealtimeError: C{rate_limited}.
        """


class Emitting:
    """
    Publishes what servers emit.

    @ivar limits: The limits for events.
    """

    def __init__(
        self,
        publisher: IPublisher,
        parse: Parse,
        permit: Permit,
        limits: LimitsConfig,
        spend: Spend,
    ) -> None:
        """
        @param spend: Takes each event of a list behind the first from the project's rate.  The
            request took the first.
        """
        self.limits = limits
        self._publisher = publisher
        self._parse = parse
        self._permit = permit
        self._spend = spend

    def emit(self, identity: Identity, args: list[Raw]) -> Deferred[Any]:
        """
        Carry out the method.

        @param args: An event, its data, its topic and perhaps options; or a list of events.
        @return: Fires with the answer.
        @raise RealtimeError: The arguments are malformed, or the single event cannot be published.
        """
        events = splitList(bytes(args[0])) if len(args) == 1 else None
        if events is not None:
            return self._emitAll(identity, events)
        # Pass the data on as the server sent it: decoding and encoding would change numbers.
        event, name = (_value(args[place]) if len(args) in (3, 4) else None for place in (0, 2))
        if not isinstance(event, str) or not isinstance(name, str):
            raise RealtimeError(
                "invalid_arguments",
                "socket.emit takes [event, data, topic] and perhaps options, or a list of events:"
                ' [[{"event": "...", "data": ..., "topic": "..."}, ...]].',
            )
        given = _value(args[3]) if len(args) == 4 else None
        return self._publish(identity, event, args[1], name, {} if given is None else given)

    def _emitAll(self, identity: Identity, events: list[Raw]) -> Deferred[Any]:
        if not 0 < len(events) <= MOST:
            raise RealtimeError(
                "invalid_arguments", f"A list has 1 to {MOST} events; this one {len(events)}."
            )
        emitted = [self._emitOne(identity, *each) for each in enumerate(events, 1)]
        return gatherResults([each.addErrback(_refused) for each in emitted]).addCallback(_answer)

    def _emitOne(self, identity: Identity, number: int, encoded: Raw) -> Deferred[Any]:
        """Publish one event of a list.  What is wrong with it is no fault of the others."""
        try:
            if number > 1:
                self._spend(identity.project)
            fields = splitObject(bytes(encoded)) or {}
            event, name = (_value(fields.pop(key, None)) for key in ("event", "topic"))
            data = fields.pop("data", None)
            if not isinstance(event, str) or not isinstance(name, str) or data is None:
                raise RealtimeError(
                    "invalid_arguments",
                    f"Event {number} of the list must be an object with event, data and topic.",
                )
            options = {key: _value(value) for key, value in fields.items()}
            return self._publish(identity, event, data, name, options)
        except RealtimeError as error:
            return fail(error)

    def _publish(
        self, identity: Identity, event: str, data: Raw, name: str, options: Any
    ) -> Deferred[Any]:
        _checkOptions(options)
        checkEvent(event, self.limits.eventLength)
        topic = self._parse(name, identity)
        self._permit(identity, Action.PUBLISH, topic)
        encoded = bytes(data)
        if len(encoded) > self.limits.messageBytes:
            raise RealtimeError(
                "too_large", f"An event's data has at most {self.limits.messageBytes} bytes."
            )
        published: Deferred[Receipt | None] | None = self._publisher.publish(
            topic,
            event,
            encoded,
            options.get("userId"),
            options.get("persist", False),
            replaces=readReplaces(options.get("replaces")),
            key=options.get("key"),
            condition=readCondition(options.get("ifPos"), options.get("ifNew")),
        )
        return succeed(_emitted(None)) if published is None else published.addCallback(_emitted)


def _value(encoded: Raw | None) -> Any:
    """Decode a part of a body; L{None} if it is missing."""
    return None if encoded is None else decodeValue(bytes(encoded))


_OPTIONS: dict[str, type] = {
    "persist": bool,
    "userId": str,
    "replaces": int,
    "key": str,
    "ifPos": str,
    "ifNew": bool,
}
"""The options of an event, and their types."""


def _checkOptions(options: Any) -> None:
    if not (
        isinstance(options, dict)
        and set(options) <= _OPTIONS.keys()
        and all(type(value) is _OPTIONS[name] for name, value in options.items())
    ):
        raise RealtimeError(
            "invalid_arguments",
            "The options of socket.emit are persist, ifNew (boolean), replaces (integer), userId,"
            " key and ifPos (string).",
        )
    if "userId" in options:
        try:
            checkUser(options["userId"])
        except ValueError as error:
            raise RealtimeError("invalid_arguments", f"The option userId {error}.") from None


def _emitted(receipt: Receipt | None) -> dict[str, Any]:
    if receipt is None:
        return {"success": True}
    return {"success": True, "id": receipt.id, "created_at": receipt.createdAt}


def _refused(failure: Failure) -> dict[str, Any]:
    """What the answer to a list says of an event that was not published."""
    error = refusal(failure)
    found = {"success": False, "error": error.code, "message": error.message}
    if error.retryAfter is not None:
        found["retryAfter"] = error.retryAfter
    return {**found, **encodable(error.details)}


def _answer(results: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {"success": all(each["success"] for each in results), "results": results}
