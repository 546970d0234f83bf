"""
Events of the log, for the tests of how they are written.
"""

from __future__ import annotations

import io
from typing import Any

from twisted.logger import LogLevel
from twisted.python.failure import Failure

from aerostack.process.logs import Redactor, makeObserver


def write(format: str, event: dict[str, Any], level: str = "debug", keys: Any = ()) -> str:
    """
    @return: What an observer wrote of one event.
    """
    stream = io.StringIO()
    observer = makeObserver(stream, format, level, Redactor(keys))
    observer({"log_time": 1795466255.1239, "log_level": LogLevel.info, **event})
    return stream.getvalue()


def failed(message: str) -> Failure:
    """
    @return: A failure with a traceback.
    """
    try:
        raise RuntimeError(message)
    except RuntimeError:
        return Failure()
