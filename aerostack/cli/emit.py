"""
C{emit}: send an event as a server does.
"""

from __future__ import annotations

import argparse
import codecs
import os
import sys
from collections.abc import Iterator
from typing import Any

from msgspec import Raw

from aerostack.cli.formats import formatJSON
from aerostack.cli.options import (
    CommandError,
    addAddress,
    addJSON,
    addTimeout,
    readJSON,
    sdkFor,
)
from aerostack.cli.output import Output, say
from aerostack.client.blockingstream import BlockingStream


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
    addTimeout(parser)
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


def dataOf(options: argparse.Namespace) -> Iterator[Any]:
    """
    The data of each event to send.

    @raise CommandError: The data is not JSON.
    """
    if options.data != "-":
        yield None if options.data is None else _read(options, options.data, "DATA")
        return
    for number, line in enumerate(sys.stdin.buffer, 1):
        yield from dataOfLine(options, line.rstrip(b"\n"), number)


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
    with sdkFor(options, secret=True) as sdk:
        for data in dataOf(options):
            answer = sdk.socket.emit(
                options.event, data, options.topic, persist=options.persist, userId=options.user
            )
            if output.pretty:
                kept = f", kept as {answer['id']}" if "id" in answer else ""
                output.line(f"sent {options.event} on {options.topic}{kept}")
            else:
                output.line(formatJSON(answer))


def _stream(options: argparse.Namespace, output: Output) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    length = 0
    with sdkFor(options, secret=True, retry=True) as sdk:
        kept = {"persist": True} if options.persist else {}
        with sdk.ai.stream(options.topic, owner=options.user, **kept) as stream:
            if output.pretty:
                say(f"streaming on {options.topic} as {stream.id}")
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
        raise CommandError(f"the input is not UTF-8: {error.reason}") from None
    if text:
        stream.write(text)
    return len(text)


_PIECE = 65_536
"""How many bytes of the input are read at once."""
