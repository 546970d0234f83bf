"""
The failure of a question to another process or daemon that did not answer in time.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, TimeoutError
from twisted.python.failure import Failure


def unanswered(result: Any, seconds: float) -> Any:
    """
    Say in words for the log that there was no answer, for C{Deferred.addTimeout}.

    @param result: What came after the time was over.
    @param seconds: The time.
    @raise TimeoutError: The question was cancelled, because there was no answer.
    """
    if isinstance(result, Failure):
        result.trap(CancelledError)
        raise TimeoutError(f"there was no answer for {seconds:g} s")
    return result
