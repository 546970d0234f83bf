"""
How what comes is shown: to a person, to a program.
"""

from __future__ import annotations

import json
import unicodedata
from datetime import datetime
from typing import Any

Frame = dict[str, Any]


def plain(text: str) -> str:
    """
    Take from what others wrote the power over a terminal.
    """
    return "".join(
        f"\\u{ord(c):04x}" if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text
    )


def formatJSON(value: Any) -> str:
    """
    Anything for a program to read: one line of JSON.
    """
    # Inside JSON's strings, where alone such characters can stand, it is JSON still.
    return plain(json.dumps(value, ensure_ascii=False))


def formatFrame(frame: Frame) -> str | None:
    """
    A frame for a person to read: one line, the time first.

    @return: L{None} for one that is no news.
    """
    if "timestamp" not in frame:
        return None
    return plain(f"{clockTime(frame['timestamp'])} {_describe(frame)}")


def formatRow(topic: str, row: Any) -> str:
    """
    A row that was there before anything happened.
    """
    return plain(f"{'':12} ROW {_short(topic)} {_json(row)}")


def formatMessage(message: Frame) -> str:
    """
    A message of the history: one line, the day and the time first.
    """
    at = datetime.fromtimestamp(message["created_at"] / 1000)
    user = f" {message['user_id']}:" if message.get("user_id") else ""
    return plain(
        f"{at:%Y-%m-%d} {clockTime(message['created_at'])} {message['event']}{user}"
        f" {_json(message['data'])}"
    )


def formatMember(member: Frame) -> str:
    """
    Somebody who is present.
    """
    name = member.get("userId") or f"somebody ({member['connectionId']})"
    return plain(f"{name} {_json(member['state'])} since {clockTime(member['since'])}")


def clockTime(milliseconds: int) -> str:
    """
    The time of day, to the millisecond.
    """
    return datetime.fromtimestamp(milliseconds / 1000).strftime("%H:%M:%S.%f")[:-3]


def _describe(frame: Frame) -> str:
    topic = _short(frame["topic"])
    if frame["type"] == "db_change":
        if frame["operation"] == "UPDATE":
            return f"UPDATE {topic} {_difference(frame['old'], frame['data'])}"
        return f"{frame['operation']} {topic} {_json(frame['data'])}"
    user = f" {frame['userId']}:" if frame.get("userId") else ""
    topic = frame["topic"].rpartition("/")[0]
    return f"{frame['event']} {topic}{user} {_json(frame['data'])}"


def _short(topic: str) -> str:
    """A table's name, of its canonical topic."""
    return topic.rpartition("/")[0].removeprefix("table/")


def _difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Show a row, and for each column that changed what was there before."""
    parts = []
    for name, value in new.items():
        shown = _json(value)
        if name in old and old[name] != value:
            shown = f"{_json(old[name])} → {shown}"
        parts.append(f"{name}: {shown}")
    return "{" + ", ".join(parts) + "}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
