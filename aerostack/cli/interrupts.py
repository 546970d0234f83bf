"""
How a command ends by Ctrl-C or C{kill}: quietly, and by that signal.

A shell sees from a program that ends by SIGINT that the person wants the whole script to end.  It
reports the status 130.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""The signals that end a command."""


class Interrupted(BaseException):
    """
    A signal ends the command.

    @ivar number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def endAtOnce() -> None:
    """
    Let each of the signals end the process at once, without a traceback.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def endBy(number: int) -> NoReturn:
    """
    End the process by a signal.
    """
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    # Another thread may get the signal a moment later.
    os._exit(128 + number)


@contextmanager
def tidily() -> Iterator[None]:
    """
    Raise L{Interrupted} on a signal meanwhile, so that what was begun is ended in order.
    """
    before = {number: signal.signal(number, _interrupt) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    # The second one ends the process at once.
    signal.signal(number, signal.SIG_DFL)
    raise Interrupted(number)
