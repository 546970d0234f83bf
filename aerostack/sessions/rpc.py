"""
The RPC, which servers call over HTTP: C{socket.emit}, C{db.query}, C{user.disconnect},
C{user.revoke} and the methods of token streams.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Raw
from twisted.internet.defer import Deferred, fail

from aerostack.auth.authenticator import Authenticator
from aerostack.core.access.permissions import Identity, Role
from aerostack.core.diagnosis.tracing import Tracer
from aerostack.core.topics.topics import Topic, parseTopic
from aerostack.errors import RealtimeError
from aerostack.interfaces.publishing import IPublisher
from aerostack.interfaces.streams import IStreams
from aerostack.protocol.codec import decodeValue, splitList, splitObject
from aerostack.protocol.values import fromJSON
from aerostack.sessions.emitting import Emitting, Permit, Spend
from aerostack.sessions.streamcalls import StreamMethods
from aerostack.sessions.users import UserMethods
from aerostack.settings.limits import LimitsConfig

Query = Callable[[str, list[Any]], Deferred[dict[str, Any]]]
"""Runs one SQL statement with its parameters."""


class RPC:
    """
    Carries out the methods of the RPC.

    @ivar tracer: Traces what servers publish; L{None} if it is not traced.
    """

    def __init__(
        self,
        publisher: IPublisher,
        authenticator: Authenticator,
        permit: Permit,
        limits: LimitsConfig,
        query: Query,
        users: UserMethods,
        streams: IStreams,
        spend: Spend,
    ) -> None:
        """
        @param spend: See L{Emitting}.
        """
        self.tracer: Tracer | None = None
        self._limits = limits
        self._emitting = Emitting(publisher, self.parse, permit, limits, spend)
        self._authenticator = authenticator
        self._query = query
        self._methods: dict[str, Callable[[Identity, list[Raw]], Deferred[Any]]] = {
            "socket.emit": self._emitting.emit,
            "db.query": self._dbQuery,
            "user.disconnect": _decoding(users.disconnect),
            "user.revoke": _decoding(users.revoke),
            **StreamMethods(streams, self.parse, permit).methods,
        }

    def add(self, methods: Mapping[str, Callable[[Identity, list[Raw]], Deferred[Any]]]) -> None:
        """
        Carry out more methods.

        @param methods: What carries out each, by its name.
        """
        self._methods.update(methods)

    def reload(self, limits: LimitsConfig) -> None:
        """
        Use these limits from now on.
        """
        self._limits = self._emitting.limits = limits

    def callWithin(self, identity: Identity, body: bytes, traceparent: str | None) -> Deferred[Any]:
        """
        Call a method, as a part of a trace of the caller's; see L{call}.

        @param traceparent: See L{Tracer.within}.
        """
        if self.tracer is None:
            return self.call(identity, body)
        with self.tracer.within(traceparent):
            return self.call(identity, body)

    def call(self, identity: Identity, body: bytes) -> Deferred[Any]:
        """
        Call a method.

        @param body: The body of the request as JSON: an object with C{method}, C{args} and perhaps
            C{projectId}.
        @return: The answer.  Fails with L{RealtimeError} if the caller has no right to the call, or
            the call is malformed.
        """
        try:
            return self._call(identity, body)
        except RealtimeError as error:
            return fail(error)

    def _call(self, identity: Identity, body: bytes) -> Deferred[Any]:
        if identity.role is not Role.SECRET:
            raise RealtimeError("forbidden", "The RPC takes the project's secret key only.")
        fields = splitObject(body) or {}
        name, projectId = _value(fields.get("method")), _value(fields.get("projectId"))
        if not isinstance(name, str):
            raise RealtimeError(
                "invalid_arguments", 'Send {"method": "...", "args": [...], "projectId": "..."}.'
            )
        if projectId not in (None, identity.project):
            raise RealtimeError("wrong_project", "The key belongs to another project.")
        method = self._methods.get(name)
        if method is None:
            raise RealtimeError(
                "unknown_method", f"The methods are {', '.join(sorted(self._methods))}."
            )
        args = splitList(fields.get("args", _NO_ARGS))
        if args is None:
            raise RealtimeError("invalid_arguments", "args must be a list.")
        return method(identity, args)

    def parse(self, name: str, identity: Identity) -> Topic:
        """
        Read the name of a topic in the project of an identity.

        @raise RealtimeError: It is malformed, or of another project.
        """
        return parseTopic(
            name, identity.project, self._authenticator.projects, self._limits.topicLength
        )

    def _dbQuery(self, identity: Identity, args: list[Raw]) -> Deferred[Any]:
        projects = self._authenticator.projects
        allowed = projects[identity.project].dbQuery
        if allowed is None:
            # A query reaches the tables of all projects.
            allowed = len(projects) == 1
        if not allowed:
            raise RealtimeError(
                "query_disabled",
                f"projects.{identity.project}.db_query does not allow it; where there are several"
                " projects it has to be true.",
            )
        sql, given = map(_value, (*args, None)[:2]) if len(args) in (1, 2) else (None, None)
        given = [] if given is None else given
        if not isinstance(sql, str) or not isinstance(given, list):
            raise RealtimeError("invalid_arguments", "db.query takes [sql, params].")
        parameters = []
        for number, value in enumerate(given, 1):
            try:
                parameters.append(fromJSON(value))
            except ValueError as error:
                raise RealtimeError("invalid_arguments", f"Parameter {number} {error}.") from None
        return self._query(sql, parameters)


_NO_ARGS = Raw(b"[]")


def _value(encoded: Raw | None) -> Any:
    """Decode a part of a body; L{None} if it is missing."""
    return None if encoded is None else decodeValue(bytes(encoded))


def _decoding(
    method: Callable[[Identity, list[Any]], Deferred[Any]],
) -> Callable[[Identity, list[Raw]], Deferred[Any]]:
    """Make a method that decodes the arguments for another one."""
    return lambda identity, args: method(identity, [_value(arg) for arg in args])
