"""
C{emit}: send an event as a server does.
"""

from __future__ import annotations

import argparse
import codecs
import os
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

from msgspec import Raw

from aerostack.cli.formats import formatJSON
from aerostack.cli.interrupts import tidily
from aerostack.cli.options import (
    USUAL_TIMEOUT,
    CommandError,
    addAddress,
    addJSON,
    addTimeout,
    readJSON,
)
from aerostack.cli.output import Output, say
from aerostack.cli.reach import reach
from aerostack.client.blocking import BlockingSDK
from aerostack.client.blockingstream import BlockingStream
from aerostack.client.errors import ClientError
from aerostack.client.streams import STREAM_SECONDS


def configure(parser: argparse.ArgumentParser) -> None:
    """
    Declare the options of the command.
    """
    parser.description = (
        "Sends an event to everybody who is subscribed to a topic, as a server"
        " does, with the project's secret key. With --stream it sends what comes on its input as a"
        " token stream, while it comes."
    )
    addEvent(parser, required=False)
    parser.add_argument("--user", help="whom it is said to come from; the owner of a stream")
    parser.add_argument("--stream", action="store_true", help="stream the text of the input")
    # The SDK repeats what it sends of a stream for longer.
    addTimeout(parser, None, f"{USUAL_TIMEOUT:g}, and with --stream {STREAM_SECONDS:g}")
    addJSON(parser)
    addAddress(parser, token=False)
    parser.set_defaults(run=_run)


def addEvent(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """
    Declare the options for an event.

    @param required: Whether the command always sends one.
    """
    parser.add_argument("topic", metavar="TOPIC", help="orders, or chat/general")
    name = parser.add_argument("event", metavar="EVENT", help="the event's name")
    if not required:
        name.nargs = "?"
    parser.add_argument(
        "data",
        metavar="DATA",
        nargs="?",
        help="the event's data, as JSON; - for an event for each line of the input",
    )
    parser.add_argument("--text", action="store_true", help="DATA is text, not JSON")
    parser.add_argument("--persist", action="store_true", help="keep it in the topic's history")
    parser.add_argument("--state-key", help="on a keyed topic, the key whose value DATA becomes")


def dataOf(options: argparse.Namespace) -> Any:
    """
    The data of the event to send, if it is an argument.

    @raise CommandError: The data is not JSON.
    """
    return None if options.data is None else _read(options, options.data, "DATA")


def groupsOf(options: argparse.Namespace, source: BinaryIO) -> Iterator[list[tuple[int, Any]]]:
    """
    The events for the lines of the input: the number of the line, and the data.  Lines that have
    come together are together, as far as one request has room.

    @param source: The input, such as C{sys.stdin.buffer}.
    @raise CommandError: A line is not JSON; the events of the lines before are given first.
    """
    for group in _linesOf(source):
        found: list[tuple[int, Any]] = []
        try:
            for number, line in group:
                found += [(number, data) for data in dataOfLine(options, line, number)]
        except CommandError:
            if found:
                yield found
            raise
        if found:
            yield found


def _linesOf(source: Any) -> Iterator[list[tuple[int, bytes]]]:
    """
    The lines of an input with their numbers, those that have come together in one list.
    """
    begun: list[bytes] = []
    number = 1
    while piece := source.read1(_PIECE):
        lines = piece.split(b"\n")
        if len(lines) > 1:
            lines[0] = b"".join((*begun, lines[0]))
            begun.clear()
        begun.append(lines.pop())
        numbered = list(enumerate(lines, number))
        number += len(lines)
        if numbered and len(numbered[0][1]) > _PIECE:
            # A long line is a request of its own.
            yield [numbered.pop(0)]
        for begin in range(0, len(numbered), MOST):
            yield numbered[begin : begin + MOST]
    if last := b"".join(begun):
        yield [(number, last)]


def dataOfLine(options: argparse.Namespace, line: bytes, number: int) -> list[Any]:
    """
    The data of the event for a line of the input; empty if the line makes no event.

    @raise CommandError: The line is not JSON.
    """
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise CommandError(f"line {number} is not UTF-8: {error.reason}") from None
    return [_read(options, text, f"line {number}")] if text.strip() or options.text else []


def _read(options: argparse.Namespace, text: str, what: str) -> Any:
    if options.text:
        return text
    try:
        readJSON(text, what)
    except CommandError as error:
        raise CommandError(f"{error}. Text is written with quotes in it, or with --text") from None
    # The text is sent as it was written: 1.10 stays 1.10.
    return Raw(text.strip().encode())


def _run(options: argparse.Namespace) -> None:
    output = Output(options.json)
    if options.stream:
        if options.event is not None or options.text:
            raise CommandError("--stream sends the text of the input: leave EVENT and DATA out")
        _stream(options, output)
        return
    if options.event is None:
        raise CommandError("EVENT is missing, the event's name; or give --stream")
    with reach(options, secret=True).sdk(options.timeout or USUAL_TIMEOUT) as sdk:
        if options.data != "-":
            _show(options, output, _emit(options, sdk, dataOf(options)))
            return
        for group in groupsOf(options, sys.stdin.buffer):
            _emitLines(options, output, sdk, group)


def _emit(options: argparse.Namespace, sdk: BlockingSDK, data: Any) -> Any:
    return sdk.socket.emit(
        options.event,
        data,
        options.topic,
        persist=options.persist,
        userId=options.user,
        key=options.state_key,
    )


def _emitLines(
    options: argparse.Namespace,
    output: Output,
    sdk: BlockingSDK,
    group: list[tuple[int, Any]],
) -> None:
    """
    Send the events for some lines.

    @raise ClientError: Some were refused.  The message of the last of them names its line; the
        command has written those of the others by then.
    """
    if len(group) == 1:
        ((number, data),) = group
        try:
            _show(options, output, _emit(options, sdk, data))
        except ClientError as error:
            raise _ofLine(number, error) from None
        return
    shared: dict[str, Any] = {"event": options.event, "topic": options.topic}
    if options.persist:
        shared["persist"] = True
    if options.user is not None:
        shared["userId"] = options.user
    if options.state_key is not None:
        shared["key"] = options.state_key
    try:
        answer = sdk.socket.emitAll([{**shared, "data": data} for _, data in group])
    except ClientError as error:
        if error.code != "too_large":
            raise _ofLine(group[0][0], error) from None
        # The daemon takes no body of this size.
        middle = len(group) // 2
        _emitLines(options, output, sdk, group[:middle])
        _emitLines(options, output, sdk, group[middle:])
        return
    refused: list[ClientError] = []
    for (number, _), each in zip(group, answer["results"], strict=True):
        if each["success"]:
            _show(options, output, each)
        else:
            wrong = ClientError(each["error"], each["message"], each.get("retryAfter"))
            refused.append(_ofLine(number, wrong))
    for other in refused[:-1]:
        say(str(other))
    if refused:
        raise refused[-1]


def _ofLine(number: int, error: ClientError) -> ClientError:
    """An error with the line that it is about."""
    message = f"line {number}: {error.message}"
    return ClientError(error.code, message, error.retryAfter, error.details)


def _show(options: argparse.Namespace, output: Output, answer: Any) -> None:
    """Tell that an event was sent."""
    if output.pretty:
        kept = f", kept as {answer['id']}" if "id" in answer else ""
        output.line(f"sent {options.event} on {options.topic}{kept}")
    else:
        output.line(formatJSON(answer))


def _stream(options: argparse.Namespace, output: Output) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    length = 0
    with reach(options, secret=True).sdk(options.timeout, retry=True) as sdk:
        kept = {"persist": True} if options.persist else {}
        with sdk.ai.stream(options.topic, owner=options.user, **kept) as stream:
            if output.pretty:
                say(f"streaming on {options.topic} as {stream.id}")
            # The topic learns that a stream was interrupted.
            with tidily():
                while piece := os.read(sys.stdin.fileno(), _PIECE):
                    length += _write(stream, decoder, piece)
                _write(stream, decoder, b"", True)
                answer = stream.end()
    if output.pretty:
        state = "kept" if answer["kept"] else "not kept"
        output.line(f"streamed {length} characters on {options.topic}, {state}")
    else:
        output.line(formatJSON(answer))


def _write(
    stream: BlockingStream, decoder: codecs.IncrementalDecoder, piece: bytes, final: bool = False
) -> int:
    try:
        text = decoder.decode(piece, final)
    except UnicodeDecodeError as error:
        reason = f"the input is not UTF-8: {error.reason}"
        if error.start:
            stream.write(error.object[: error.start].decode())
        stream.fail(reason)
        raise CommandError(reason) from None
    if text:
        stream.write(text)
    return len(text)


_PIECE = 65_536
"""How many bytes of the input are read at once."""

MOST = 100
"""How many events one request has at the most, as the daemon takes them."""
