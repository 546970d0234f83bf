"""
What the daemon writes down: one event a line, and never a credential.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import IO, Any, Protocol, cast
from urllib.parse import quote

from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogFilterPredicate,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    PredicateResult,
    formatEvent,
)
from twisted.python.failure import Failure
from zope.interface import provider

from aerostack.admin.crowds import sparing
from aerostack.core.controls import ESCAPES
from aerostack.tracker.faults import levelOf, stateOf

REDACTED = "[redacted]"

LONGEST = 32_768
"""How many characters of one text are written.  A text may hold what a client sent."""

_MARGIN = 2048

# The WebSocket library logs every handshake and every frame.  Twisted logs, of the level info, what
# strangers do, such as a client that is timed out; "log_legacy" is its older log.
_CHATTY = ("autobahn", "txaio", "twisted", "log_legacy")

# Names that stand before a credential, and what may stand between, in JSON or a repr.
_NAME = r"(?:api_?key|token|secret_?key|public_?key|password)"
_OPENING = r"\[?(?:b(?=\\*[\"']))?\\*[\"']"

# What a credential looks like.  Each pattern keeps its group "name",
# so that a line still says what kind of credential there was.
_PATTERNS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?P<name>aerostack-(?:key|token|session)(?:\.|%2E))[^\s,\"\\]+",
        # A URL's or a form's parameter.
        rf"(?P<name>{_NAME}=)[^\s&;\"\\]+",
        rf"(?P<name>{_NAME}\\*[\"']\s*:\s*{_OPENING})[^\s\"'\\]+",
        r"(?P<name>bearer(?:\s|%20|\+)++)[^\s,\"'\\]+",
        # A URL's own, before the host.
        r"(?P<name>://[^\s/:@]*:)[^\s/@]+(?=@)",
        rf"(?P<name>x-aerostack-key\\*[\"']?\s*[:=,]\s*(?:{_OPENING})?)[^\s,\"'\\]+",
    )
]
# A JSON Web Token begins with the base64 of '{"', wherever it stands.
# Each run of its characters is looked through once, from its beginning.  The first group does not
# end with *+: Python before 3.11.5 repeats a group of several items wrongly with that.
_JWT = re.compile(
    r"(?<![A-Za-z0-9_-])(?P<name>(?>(?:(?!eyJ)[A-Za-z0-9_-])*))"
    r"eyJ[A-Za-z0-9_-]{14,}+(?:\.|%2E)[A-Za-z0-9_-]*+(?:\.[A-Za-z0-9_-]*+)*+"
)

_CONTROLS = {**ESCAPES, ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t"}

# Our own fields, and fields of Twisted's older log that repeat what an event says.
_RESERVED = frozenset(
    ("time", "level", "namespace", "connection", "message", "traceback", "format", "system")
)
_CREDENTIAL = re.compile(r".*(key|token|secret|password|authorization)", re.IGNORECASE)
# The first second that a datetime cannot hold: the year 10000.
_END_OF_TIME = 253_402_300_800


class Redactor:
    """
    Takes credentials out of text.

    The redactor finds a known credential in every spelling that a text may have.  It finds an
    unknown one by its form and by the words before it.
    """

    def __init__(self, credentials: Iterable[str] = ()) -> None:
        self._known: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.add(credentials)

    def add(self, credentials: Iterable[str]) -> None:
        """
        Know more credentials.  The earlier ones stay known, because a connection may still use a
        key that the configuration no longer has.
        """
        for credential in credentials:
            self._known |= _spellings(credential)
        self._known.discard("")
        # The longest first: one credential may begin another.
        spellings = sorted(self._known, key=lambda known: (-len(known), known))
        self._pattern = re.compile("|".join(map(_quotable, spellings))) if spellings else None

    def redact(self, text: str) -> str:
        """
        @return: The text with L{REDACTED} in place of each credential; at most L{LONGEST}
            characters of it.
        """
        if len(text) > LONGEST:
            # A credential that the end cuts in two may not be recognized any more.
            shown = self._redact(text[:LONGEST])[:-_MARGIN]
            return f"{shown}… ({len(text)} characters)"
        return self._redact(text)

    def _redact(self, text: str) -> str:
        if self._pattern is not None:
            text = self._pattern.sub(REDACTED, text)
        text = _JWT.sub(_redacted, text)
        for pattern in _PATTERNS:
            text = pattern.sub(_redacted, text)
        return text


class Stream(Protocol):
    """
    An output that takes lines.
    """

    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...


def makeObserver(
    stream: Stream, format: str, level: str, redactor: Redactor | None = None
) -> ILogObserver:
    """
    Make the observer that writes the daemon's log.

    @param format: C{text} or C{json}.
    @param level: The name of the least important level to write.
    @param redactor: Knows the configured credentials.
    """
    encode = {"text": _textLine, "json": _jsonLine}[format]
    return FilteringLogObserver(
        sparing(
            FileLogObserver(cast(IO[str], stream), _encoder(encode, redactor or Redactor())),
            time.monotonic,
            stateOf,
        ),
        _predicates(LogLevel.lookupByName(level)),
    )


def _encoder(
    encode: Callable[[dict[str, Any], Redactor], str], redactor: Redactor
) -> Callable[[LogEvent], str]:
    def line(event: LogEvent) -> str:
        text = encode(_facts(event), redactor)
        # A lone surrogate, from a file's name perhaps, cannot be encoded as it is.
        # As an escape it can, and JSON reads the same escape.
        return text.translate(_CONTROLS).encode("utf-8", "backslashreplace").decode() + "\n"

    return line


def _predicates(least: Any) -> list[ILogFilterPredicate]:
    """
    Decides which events are written.

    @param least: The least important level to write, of L{LogLevel}.
    """
    levels = LogLevelFilterPredicate(least)
    if least > LogLevel.debug:
        for library in _CHATTY:
            levels.setLogLevelForNamespace(library, max(least, LogLevel.warn))

    @provider(ILogFilterPredicate)
    def incomplete(event: LogEvent) -> Any:
        """Decide for an event without a level or a namespace: C{levels} would drop it."""
        namespace = event.get("log_namespace")
        if levelOf(event) is event.get("log_level") and namespace and isinstance(namespace, str):
            return PredicateResult.maybe
        return PredicateResult.no if levelOf(event) < least else PredicateResult.yes

    return [incomplete, levels]


def _namespace(event: LogEvent) -> str:
    return _safely(str, event.get("log_namespace", ""))


def _facts(event: LogEvent) -> dict[str, Any]:
    """
    The facts of a line, in the order in which the line has them.
    """
    failure = event.get("log_failure")
    message = formatEvent(event)
    facts: dict[str, Any] = {
        "time": _time(event.get("log_time")),
        "level": levelOf(event).name,
        "namespace": _namespace(event),
    }
    if event.get("connection") is not None:
        facts["connection"] = _safely(str, event["connection"])
    facts["message"] = message
    for name, value in event.items():
        if not name.startswith("log_") and name not in _RESERVED and _simple(value):
            facts[name] = REDACTED if value and _CREDENTIAL.fullmatch(name) else value
    state = stateOf(event)
    if state is not None:
        # The database's state says all.  A traceback through the daemon would add nothing.
        said = _safely(lambda failed: " ".join(failed.getErrorMessage().split()), failure)
        facts["message"] = f"{message.rstrip('.')}: the database {state} ({said})"
        if hasattr(getattr(failure, "value", None), "fault"):
            # Our own error says the same.
            facts["message"] = f"{message.rstrip('.')}: {said}"
    elif failure is not None:
        facts["message"] = message or _safely(_brief, failure)
        facts["traceback"] = _safely(lambda failed: failed.getTraceback(), failure)
    return facts


def _brief(failure: Failure) -> str:
    return f"{type(failure.value).__name__}: {failure.getErrorMessage()}"


def _textLine(facts: dict[str, Any], redactor: Redactor) -> str:
    connection = f"{facts['connection']} " if "connection" in facts else ""
    line = (
        f"{facts['time']} {facts['level']:<5} {connection}[{facts['namespace']}] {facts['message']}"
    )
    if "traceback" in facts:
        line += f"\n{facts['traceback'].rstrip()}"
    # After folding, a known credential that holds a control character has another
    # spelling, so this comes first.
    return redactor.redact(line)


def _jsonLine(facts: dict[str, Any], redactor: Redactor) -> str:
    # Value by value, so that a redaction cannot break the JSON around it.
    clean = {}
    for name, value in facts.items():
        shown = redactor.redact(str(value))
        clean[name] = value if shown == str(value) else shown
    return json.dumps(clean, ensure_ascii=False)


def _redacted(match: re.Match[str]) -> str:
    return match["name"] + REDACTED


def _quotable(text: str) -> str:
    """
    @return: A pattern for a text, however deeply quoted: a quotation mark and a
        backslash may have gained backslashes.
    """
    return re.sub(r"(\\\\)+|['\"]", lambda match: rf"\\*{match[0]}", re.escape(text))


def _spellings(credential: str) -> set[str]:
    raw = credential.encode("utf-8", "surrogatepass")
    return {
        credential,
        json.dumps(credential, ensure_ascii=False)[1:-1],
        json.dumps(credential)[1:-1],
        repr(credential)[1:-1],
        repr(raw)[2:-1],
        credential.translate(_CONTROLS),
        quote(raw, safe=""),
        quote(raw),
    }


def _time(when: object) -> str:
    if not isinstance(when, int | float) or not 0 <= when < _END_OF_TIME:
        when = time.time()
    moment = datetime.fromtimestamp(when, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _simple(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    # JSON readers lose digits past 64 bits, and Python refuses to write very many.
    return (
        value is None
        or isinstance(value, str)
        or (isinstance(value, int) and value.bit_length() < 64)
    )


def _safely(call: Any, subject: object) -> str:
    """
    Describe an object.  Where its own description fails, the log line says so.
    """
    try:
        return str(call(subject))
    except Exception as error:
        # The rest of the line must still be written.
        return f"(cannot be shown: {type(error).__name__})"
