"""
The methods of the RPC that produce and read token streams: C{ai.start}, C{ai.append}, C{ai.end},
C{ai.beat}, C{ai.cancel} and C{ai.get}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Raw
from twisted.internet.defer import Deferred

from aerostack.core.access.permissions import Action, Identity
from aerostack.core.answers.answer import DONE, FAILED, End
from aerostack.core.answers.requests import (
    Ended,
    Operation,
    Started,
    checkEpoch,
    checkError,
    checkSize,
    makeAppend,
    makePut,
    makeStart,
    makeWhole,
)
from aerostack.core.topics.topics import Topic
from aerostack.errors import RealtimeError
from aerostack.interfaces.streams import IStreams
from aerostack.protocol.codec import encodeValue

T = TypeVar("T")

MAX_OPERATIONS = 1000
"""How many texts and values one call has."""


class StartOptions(msgspec.Struct, forbid_unknown_fields=True):
    """
    The options of C{ai.start}; see L{aerostack.protocol.clientframes.StreamStart}.
    """

    stream: str | None = None
    producer: str | None = None
    owner: str | None = None
    cancel: str | None = None
    lease: int | None = None
    persist: bool | None = None
    meta: dict[str, Raw] | None = None
    takeover: bool | None = None


class _Operation(msgspec.Struct, forbid_unknown_fields=True):
    """
    A text or a value in C{ai.append}.
    """

    part: str
    kind: str | None = None
    at: int | None = None
    text: str | None = None
    value: dict[str, Raw] | None = None
    edition: int | None = None


class _EndOptions(msgspec.Struct, forbid_unknown_fields=True):
    """
    The options of C{ai.end}.
    """

    state: str = DONE
    error: str | None = None
    usage: dict[str, Raw] | None = None
    length: dict[str, int] | None = None
    edition: dict[str, int] | None = None


class StreamMethods:
    """
    Lets servers produce token streams.
    """

    def __init__(
        self,
        streams: IStreams,
        parse: Callable[[str, Identity], Topic],
        permit: Callable[[Identity, Action, Topic], object],
    ) -> None:
        """
        @param parse: Reads the name of a topic in the project of an identity.
        @param permit: See L{aerostack.tables.feed.TableFeed.permit}.
        """
        self._streams = streams
        self._parse = parse
        self._permit = permit
        self.methods: Mapping[str, Callable[[Identity, list[Raw]], Deferred[Any]]] = {
            "ai.start": self.start,
            "ai.append": self.append,
            "ai.end": self.end,
            "ai.beat": self.beat,
            "ai.cancel": self.cancel,
            "ai.get": self.get,
        }

    def start(self, identity: Identity, args: list[Raw]) -> Deferred[Any]:
        """
        Begin a stream, or go on with one.

        @raise RealtimeError: C{invalid_arguments}, or one of the errors of L{IStreams.start}.
        """
        checkCount("ai.start", args, 1, "[topic, options]", 2)
        topic = self._parse(readArgument("ai.start", args[0], str), identity)
        self._permit(identity, Action.STREAM, topic)
        options = (
            readArgument("ai.start", args[1], StartOptions) if len(args) > 1 else StartOptions()
        )
        request = startOf(options)
        return self._streams.start(topic, request).addCallback(startedFields)

    def append(self, identity: Identity, args: list[Raw]) -> Deferred[Any]:
        """
        Let parts of a stream grow, or give them values.
        """
        checkCount("ai.append", args, 3, "[stream, epoch, [operation, ...]]")
        stream, epoch = _readProducer("ai.append", args)
        read = readArgument("ai.append", args[2], list[_Operation])
        if len(read) > MAX_OPERATIONS:
            raise RealtimeError("too_large", f"ai.append takes {MAX_OPERATIONS} operations.")
        operations = [_operationOf(each) for each in read]
        appended: Deferred[Any] = self._streams.append(identity.project, stream, epoch, operations)
        return appended.addCallback(
            lambda length: {"stream": stream, "epoch": epoch, "length": length}
        )

    def end(self, identity: Identity, args: list[Raw]) -> Deferred[Any]:
        """
        End a stream.
        """
        checkCount("ai.end", args, 2, "[stream, epoch, options]", 3)
        stream, epoch = _readProducer("ai.end", args)
        options = readArgument("ai.end", args[2], _EndOptions) if len(args) > 2 else _EndOptions()
        if options.state not in (DONE, FAILED):
            raise _invalid(f"The state of ai.end is {DONE} or {FAILED}.")
        usage = None if options.usage is None else encodeValue(options.usage)
        end = End(options.state, checkError(options.error), None, checkSize(usage, "usage"))
        whole = makeWhole(options.length, options.edition)
        ended: Deferred[Any] = self._streams.end(identity.project, stream, epoch, end, whole)
        return ended.addCallback(_endedFields)

    def beat(self, identity: Identity, args: list[Raw]) -> Deferred[Any]:
        """
        Note that the producer of a stream is there.
        """
        checkCount("ai.beat", args, 2, "[stream, epoch]")
        stream, epoch = _readProducer("ai.beat", args)
        return self._streams.beat(identity.project, stream, epoch).addCallback(startedFields)

    def cancel(self, identity: Identity, args: list[Raw]) -> Deferred[Any]:
        """
        Cancel a stream.
        """
        checkCount("ai.cancel", args, 1, "[stream]")
        stream = readArgument("ai.cancel", args[0], str)
        return self._streams.cancel(identity.project, stream, None).addCallback(_endedFields)

    def get(self, identity: Identity, args: list[Raw]) -> Deferred[Any]:
        """
        Read a stream.
        """
        checkCount("ai.get", args, 1, "[stream]")
        stream = readArgument("ai.get", args[0], str)
        return self._streams.get(identity.project, stream).addCallback(
            lambda found: Raw(found.data)
        )


def startOf(options: StartOptions) -> Any:
    """
    Check what a producer asks for at the beginning.

    @return: An L{aerostack.core.answers.requests.StartRequest}.
    @raise RealtimeError: C{invalid_arguments} or C{too_large}.
    """
    return makeStart(
        options.stream,
        options.producer,
        options.owner,
        options.cancel,
        options.lease,
        options.persist,
        None if options.meta is None else encodeValue(options.meta),
        options.takeover,
    )


def _readProducer(name: str, args: list[Raw]) -> tuple[str, int]:
    """Decode the stream and the number of its producer, with which a call begins."""
    return readArgument(name, args[0], str), checkEpoch(readArgument(name, args[1], int))


def _operationOf(read: _Operation) -> Operation:
    if read.value is not None:
        if read.kind is None or not (read.text is read.at is read.edition is None):
            raise _invalid("An operation with a value has part, kind and value.")
        return makePut(read.part, read.kind, {n: bytes(v) for n, v in read.value.items()})
    if read.at is None or read.text is None:
        raise _invalid("An operation has part, at and text; or part, kind and value.")
    return makeAppend(read.part, read.kind, read.at, read.text, read.edition)


def startedFields(started: Started) -> dict[str, Any]:
    """
    What a producer is answered that may send.
    """
    return {
        "stream": started.stream,
        "topic": started.topic,
        "epoch": started.epoch,
        "length": started.length,
        "lease": started.lease,
        **({"edition": started.edition} if started.edition else {}),
    }


def _endedFields(ended: Ended) -> dict[str, Any]:
    return {"stream": ended.stream, "state": ended.state, "kept": ended.kept}


def checkCount(name: str, args: list[Raw], least: int, shape: str, most: int | None = None) -> None:
    """
    Check how many arguments a call has.

    @param shape: The arguments, for the message.
    @param most: How many it has at the most; L{None} for C{least}.
    @raise RealtimeError: C{invalid_arguments}.
    """
    if not least <= len(args) <= (most or least):
        raise _invalid(f"{name} takes {shape}.")


def readArgument(name: str, encoded: Raw, kind: type[T]) -> T:
    """
    Decode an argument of a call.

    @param name: The method.
    @raise RealtimeError: C{invalid_arguments}; the message names the field.
    """
    try:
        return msgspec.json.decode(encoded, type=kind)
    except msgspec.ValidationError as error:
        raise _invalid(f"{name}: {error}.") from None


def _invalid(message: str) -> RealtimeError:
    return RealtimeError("invalid_arguments", message)
