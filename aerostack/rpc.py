"""
What servers call over HTTP: C{socket.emit} and C{db.query}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail

from aerostack.auth import Authenticator
from aerostack.core.messages import Kept
from aerostack.core.permissions import Action, Identity, Role
from aerostack.core.topics import checkEvent, parseTopic
from aerostack.errors import RealtimeError
from aerostack.hub import Hub
from aerostack.settings import LimitsConfig
from aerostack.wire.codec import encodeValue
from aerostack.wire.values import fromJSON

Query = Callable[[str, list[Any]], Deferred[dict[str, Any]]]
"""Runs one SQL statement with its parameters."""


class RPC:
    """
    The methods, by name.
    """

    def __init__(
        self, hub: Hub, authenticator: Authenticator, limits: LimitsConfig, query: Query
    ) -> None:
        self.limits = limits
        self._hub = hub
        self._authenticator = authenticator
        self._query = query
        self._methods = {"socket.emit": self._emit, "db.query": self._dbQuery}

    def call(self, identity: Identity, body: Any) -> Deferred[Any]:
        """
        Call a method.

        @param body: What was sent: an object with C{method}, C{args} and perhaps
            C{projectId}.
        @return: The answer.  Fails with L{RealtimeError} where the caller may not,
            or the call is malformed.
        """
        try:
            return self._call(identity, body)
        except RealtimeError as error:
            return fail(error)

    def _call(self, identity: Identity, body: Any) -> Deferred[Any]:
        if identity.role is not Role.SECRET:
            raise RealtimeError("forbidden", "The RPC takes the project's secret key only.")
        if not isinstance(body, dict) or not isinstance(body.get("method"), str):
            raise RealtimeError(
                "invalid_arguments", 'Send {"method": "...", "args": [...], "projectId": "..."}.'
            )
        if body.get("projectId") not in (None, identity.project):
            raise RealtimeError("wrong_project", "The key belongs to another project.")
        method = self._methods.get(body["method"])
        if method is None:
            raise RealtimeError(
                "unknown_method", f"The methods are {', '.join(sorted(self._methods))}."
            )
        args = body.get("args", [])
        if not isinstance(args, list):
            raise RealtimeError("invalid_arguments", "args must be a list.")
        return method(identity, args)

    def _emit(self, identity: Identity, args: list[Any]) -> Deferred[Any]:
        if not 3 <= len(args) <= 4 or not isinstance(args[0], str) or not isinstance(args[2], str):
            raise RealtimeError(
                "invalid_arguments", "socket.emit takes [event, data, topic] and perhaps options."
            )
        event, data, name = args[:3]
        options = args[3] if len(args) == 4 and args[3] is not None else {}
        _checkOptions(options)
        checkEvent(event, self.limits.eventLength)
        topic = parseTopic(
            name, identity.project, self._authenticator.projects, self.limits.topicLength
        )
        identity.check(Action.PUBLISH, topic)
        encoded = encodeValue(data)
        if len(encoded) > self.limits.messageBytes:
            raise RealtimeError(
                "too_large", f"An event's data has at most {self.limits.messageBytes} bytes."
            )
        published = self._hub.publish(
            topic, event, encoded, options.get("userId"), options.get("persist", False)
        )
        return published.addCallback(_emitted)

    def _dbQuery(self, identity: Identity, args: list[Any]) -> Deferred[Any]:
        if not self._authenticator.projects[identity.project].dbQuery:
            raise RealtimeError("query_disabled", f"projects.{identity.project}.db_query is false.")
        given = args[1] if len(args) == 2 and args[1] is not None else []
        if not (1 <= len(args) <= 2 and isinstance(args[0], str) and isinstance(given, list)):
            raise RealtimeError("invalid_arguments", "db.query takes [sql, params].")
        parameters = []
        for number, value in enumerate(given, 1):
            try:
                parameters.append(fromJSON(value))
            except ValueError as error:
                raise RealtimeError("invalid_arguments", f"Parameter {number} {error}.") from None
        return self._query(args[0], parameters)


def _checkOptions(options: Any) -> None:
    if not (
        isinstance(options, dict)
        and set(options) <= {"persist", "userId"}
        and isinstance(options.get("persist", False), bool)
        and isinstance(options.get("userId", ""), str)
    ):
        raise RealtimeError(
            "invalid_arguments", "The options of socket.emit are persist (boolean) and userId."
        )


def _emitted(kept: Kept | None) -> dict[str, Any]:
    if kept is None:
        return {"success": True}
    return {"success": True, "id": kept.message.id, "created_at": kept.createdAt}
