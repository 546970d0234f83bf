"""
Where a command's lines go.
"""

from __future__ import annotations

import os
import sys
from typing import TextIO

from aerostack.cli.formats import plain


class Output:
    """
    Lines for whoever asked for them.

    @ivar pretty: Whether that is a person.
    @ivar closed: Whether nobody reads them any more.
    """

    def __init__(self, json: bool, stream: TextIO | None = None) -> None:
        """
        @param json: Whether they are for a program, in any case.
        @param stream: L{None} for the process's.
        """
        self._stream = stream or sys.stdout
        self.pretty = self._stream.isatty() and not json
        self.closed = False

    def line(self, text: str) -> None:
        """
        Write a line, at once.
        """
        if self.closed:
            return
        try:
            print(text, file=self._stream, flush=True)
        except BrokenPipeError:
            self.closed = True
            # Else the interpreter would try once more at its end, and complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


def say(text: str) -> None:
    """
    Tell the person in front of the command something that is none of its lines.
    """
    print(f"aerostack-rt: {plain(text)}", file=sys.stderr, flush=True)
