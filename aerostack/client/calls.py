"""
The calls that the three SDKs share.  Each SDK hands them its own way to make a request, and the
types of what that gives: the answer itself in L{aerostack.client.blocking}, a Deferred in
L{aerostack.client.sdk}, a coroutine in L{aerostack.client.aio.sdk}.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar

from msgspec import Raw

from aerostack.client.address import Address
from aerostack.client.outgoing import Terms, encodeGiven, kindOf, requireText
from aerostack.client.requests import Send, explain, health, history, rpc

T = TypeVar("T", covariant=True)
All = TypeVar("All", covariant=True)
Messages = TypeVar("Messages", covariant=True)
Health = TypeVar("Health", covariant=True)
Explanation = TypeVar("Explanation", covariant=True)

EMIT_SECONDS = 3.0
"""Seconds that an C{emit} may take: a web request waits for it, often beside its own work."""

QUERY_SECONDS = 35.0
"""Seconds that a query may take: more than C{limits.query_seconds}, 30 by default, so that the
answer to one that takes too long is the daemon's."""


class Calls(Generic[Messages, Health, Explanation]):
    """
    The calls that an SDK has itself.
    """

    def __init__(self, address: Address, send: Send[Any]) -> None:
        self._address = address
        self._send = send

    def history(
        self,
        topic: str,
        limit: int = 50,
        before: int | None = None,
        *,
        timeout: float | None = None,
    ) -> Messages:
        """
        Read a page of a topic's history.

        @param before: The C{created_at} (ms) of the oldest message of the page before.
        @param timeout: Seconds that the call may take in all.
        @return: The messages, newest first.
        """
        messages: Messages = self._send(history(self._address, topic, limit, before, timeout))
        return messages

    def health(self, *, timeout: float | None = None) -> Health:
        """
        Ask for the health of the daemon.

        @param timeout: Seconds that the call may take in all.
        @return: What C{/health} says: C{status} is C{ok} or C{failing}, C{checks} has the
            status of each part, and C{notices}, if there are any, what to look at.
        """
        found: Health = self._send(health(timeout))
        return found

    def explain(self, userId: str, topic: str, *, timeout: float | None = None) -> Explanation:
        """
        Ask whether publications on a topic reach a user, and why not.

        @param timeout: Seconds that the call may take in all.
        @return: What the daemon finds: C{verdict} says it in a sentence, and
            C{findings} have a C{code}, a C{severity} and a C{message} each.
        """
        found: Explanation = self._send(explain(self._address, userId, topic, timeout))
        return found


class Socket(Generic[T, All]):
    """
    Events that a server sends to users.
    """

    def __init__(self, address: Address, send: Send[Any]) -> None:
        self._address = address
        self._send = send

    def emitAll(self, events: Sequence[Mapping[str, Any]], *, timeout: float | None = None) -> All:
        """
        Send several events with one request, in their order.  Each is sent or refused by itself.

        @param events: At most 100.  Each has C{event}, C{data} and C{topic}, and perhaps the
            options of L{emit} under the same names.
        @param timeout: As for L{emit}.
        @return: C{results}, with what L{emit} returns for each event; for one that was refused
            C{{"success": false}}, C{error} (its code) and C{message}, perhaps with C{retryAfter}
            (ms).  C{success} says whether all were sent.
        """
        listed = _items(events, "events", "of dictionaries")
        encoded = [_fieldsOf(each, number) for number, each in enumerate(listed, 1)]
        request = rpc(self._address, "socket.emit", [encoded])
        sent: All = self._send(replace(request, usual=EMIT_SECONDS, timeout=timeout))
        return sent

    def emit(
        self,
        event: str,
        data: Any,
        topic: str,
        *,
        persist: bool = False,
        userId: str | None = None,
        replaces: int | None = None,
        key: str | None = None,
        ifPos: str | None = None,
        ifNew: bool = False,
        timeout: float | None = None,
    ) -> T:
        """
        Send an event to all subscribers of a topic.

        @param data: Any JSON value.
        @param persist: Whether the topic's history keeps it.
        @param userId: The user that the event names as its sender.
        @param replaces: The C{created_at}, ms, up to which the event replaces the kept messages of
            the topic.
        @param key: On a keyed topic, the key whose value the data become; L{None} as the data
            removes the value.
        @param ifPos: Send it only if the key's value has this C{pos}.
        @param ifNew: Send it only if the key has no value.
        @param timeout: Seconds that the call may take in all; L{None} for those of the SDK, or
            else for 3.
        @return: C{{"success": true}}; with C{persist} also C{id} and C{created_at} (ms).
        """
        options = Terms(persist, replaces, key, ifPos, ifNew).fields
        if userId is not None:
            options["userId"] = userId
        named = {
            "event": requireText(event, "event"),
            "data": data,
            "topic": requireText(topic, "topic"),
            "options": options,
        }
        args = [Raw(encodeGiven(value, name)) for name, value in named.items()]
        request = rpc(self._address, "socket.emit", args if options else args[:-1])
        sent: T = self._send(replace(request, usual=EMIT_SECONDS, timeout=timeout))
        return sent


class Database(Generic[T]):
    """
    The daemon's database.
    """

    def __init__(self, address: Address, send: Send[T]) -> None:
        self._address = address
        self._send = send

    def query(self, sql: str, params: Sequence[Any] = (), *, timeout: float | None = None) -> T:
        """
        Run one statement in a transaction of its own.

        @param params: One value for each C{?}.  On PostgreSQL a list is an array.
        @param timeout: Seconds that the call may take in all; L{None} for those of the SDK, or
            else for 35, which is more than the daemon's default for the statement.
        @return: C{results}, a list of rows, each a dictionary; C{success}; and C{meta}
            with C{changes}, C{last_row_id} and C{duration} (ms).
        """
        values = _items(params, "params", "with one value for each ?")
        named = {"sql": requireText(sql, "sql"), "params": [_parameter(value) for value in values]}
        args = [Raw(encodeGiven(value, name)) for name, value in named.items()]
        request = rpc(self._address, "db.query", args)
        return self._send(replace(request, usual=QUERY_SECONDS, timeout=timeout))


class Users(Generic[T]):
    """
    The users of the project.
    """

    def __init__(self, address: Address, send: Send[T]) -> None:
        self._address = address
        self._send = send

    def disconnect(
        self,
        userId: str,
        *,
        reason: str = "",
        code: int | None = None,
        timeout: float | None = None,
    ) -> T:
        """
        Close all connections of a user.  The user may come back.

        @param reason: What the client gets as the reason; at most 123 bytes of printable text.
        @param code: The close code, from 4100 to 4999; L{None} for 4010.
        @param timeout: Seconds that the call may take in all.
        @return: C{connections}, how many were closed; C{nodes}, how many of them on each node;
            C{unconfirmed}, the nodes that did not confirm; and C{success}.
        """
        options = {"reason": reason or None, "code": code}
        return self._call("user.disconnect", userId, options, timeout)

    def revoke(
        self,
        userId: str,
        *,
        until: int | None = None,
        seconds: float | None = None,
        jti: str | None = None,
        reason: str = "",
        timeout: float | None = None,
    ) -> T:
        """
        Refuse the tokens of a user that were issued before now, and close the connections that
        were opened with them.

        @param until: When the revocation ends, milliseconds since the epoch.
        @param seconds: After how many seconds it ends, instead of C{until}.
        @param jti: The id of the only token to revoke; L{None} for all.
        @param reason: What the client gets as the reason; at most 123 bytes of printable text.
        @param timeout: Seconds that the call may take in all.
        @return: As L{disconnect}, with C{until}.
        """
        options = {"until": until, "seconds": seconds, "jti": jti, "reason": reason or None}
        return self._call("user.revoke", userId, options, timeout)

    def _call(
        self, method: str, userId: str, options: Mapping[str, Any], timeout: float | None
    ) -> T:
        given = {name: value for name, value in options.items() if value is not None}
        args = [
            Raw(encodeGiven(requireText(userId, "userId"), "userId")),
            Raw(encodeGiven(given, "options")),
        ]
        return self._send(replace(rpc(self._address, method, args), timeout=timeout))


def _fieldsOf(event: Any, number: int) -> dict[str, Raw]:
    """
    The fields of an event of a list, each as JSON.

    @param number: The event's place in the list.
    @raise TypeError: The event is no dictionary.
    """
    if not isinstance(event, Mapping):
        raise TypeError(
            f"event {number} is a dictionary with event, data and topic, not {kindOf(event)}"
        )
    return {
        name: Raw(encodeGiven(value, f"{name} of event {number}")) for name, value in event.items()
    }


def _items(values: Any, name: str, what: str) -> Iterable[Any]:
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise TypeError(f"{name} is a list {what}, not {kindOf(values)}")
    return values


def _parameter(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"base64": b64encode(value).decode("ascii")}
    return value
