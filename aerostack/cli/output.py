"""
Writes a command's lines.
"""

from __future__ import annotations

import os
import sys
from typing import TextIO

from aerostack.cli.formats import plain


class Output:
    """
    The output of a command.

    @ivar pretty: Whether the lines are for a person.
    @ivar closed: Whether the reader has closed the output.
    """

    def __init__(self, json: bool, stream: TextIO | None = None) -> None:
        """
        @param json: Whether the lines are for a program, even on a terminal.
        @param stream: The stream; L{None} for the standard output.
        """
        self._stream = stream or sys.stdout
        self.pretty = self._stream.isatty() and not json
        self.closed = False

    def line(self, text: str) -> None:
        """
        Write a line, at once.
        """
        self.write(f"{text}\n")

    def write(self, text: str) -> None:
        """
        Write a part of a line, at once.
        """
        if self.closed:
            return
        try:
            print(text, end="", file=self._stream, flush=True)
        except BrokenPipeError:
            self.closed = True
            # Otherwise the interpreter would flush the stream at its end, and report an error.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


def say(text: str) -> None:
    """
    Write a message to the person who runs the command, beside the command's lines.
    """
    print(f"aerostack-rt: {plain(text)}", file=sys.stderr, flush=True)
