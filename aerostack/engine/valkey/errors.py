"""
Why a command has no result.
"""

from __future__ import annotations

from twisted.python.failure import Failure


class ValkeyError(Exception):
    """
    A command has no result.
    """


class ReplyError(ValkeyError):
    """
    The server answered with an error.

    @ivar code: The first word of the answer, such as C{NOSCRIPT}, C{READONLY}, C{NOPERM}, C{OOM},
        C{LOADING} or C{ERR}.
    @ivar message: What the server wrote behind it.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.code, _, self.message = text.partition(" ")

    @property
    def isReadOnly(self) -> bool:
        """Whether the server is a replica, which takes no writes."""
        # Redis before 7 wraps what a script's command answered.
        return self.code == "READONLY" or "-READONLY " in self.message


class NotConnected(ValkeyError):
    """
    There is no connection, so the command was not sent.
    """


class Unanswered(ValkeyError):
    """
    The connection was lost before the answer came.  The server may have carried the command out.
    """


class Backlogged(ValkeyError):
    """
    Too many bytes of commands wait for their answers, so the command was not sent.
    """


def firstError(failure: Failure) -> Failure:
    """
    Unwrap the error that C{gatherResults} wraps.
    """
    inner = getattr(failure.value, "subFailure", failure)
    assert isinstance(inner, Failure)
    return inner
