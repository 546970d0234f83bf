"""
Formats frames and messages as lines, for a person or for a program.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from aerostack.core.controls import ESCAPES

Frame = dict[str, Any]


def plain(text: str) -> str:
    """
    Escape the characters with which a text could control the terminal, or turn what stands behind
    it in the line.
    """
    return text.translate(ESCAPES)


def formatJSON(value: Any) -> str:
    """
    Format any value for a program: one line of JSON.
    """
    # Such characters only occur inside JSON's strings, where the escapes are valid JSON.
    return plain(json.dumps(value, ensure_ascii=False))


def formatFrame(frame: Frame) -> str | None:
    """
    Format a frame for a person: one line, the time first.

    @return: L{None} for a frame that is not shown.
    """
    if "timestamp" not in frame:
        return None
    return plain(f"{clockTime(frame['timestamp'])} {_describe(frame)}")


def formatRow(topic: str, row: Any) -> str:
    """
    Format a row of the snapshot.
    """
    return plain(f"{'':12} ROW {_short(topic)} {_json(row)}")


def formatMessage(message: Frame) -> str:
    """
    Format a message of the history: one line, the day and the time first.
    """
    at = datetime.fromtimestamp(message["created_at"] / 1000)
    user = f" {message['user_id']}:" if message.get("user_id") else ""
    return plain(
        f"{at:%Y-%m-%d} {clockTime(message['created_at'])} {message['event']}{user}"
        f" {_json(message['data'])}"
    )


def formatMember(member: Frame) -> str:
    """
    Format a member.
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
    """The name of the table of a canonical topic."""
    return topic.rpartition("/")[0].removeprefix("table/")


def _difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Format a row, with the old value of each column that changed."""
    parts = []
    for name, value in new.items():
        shown = _json(value)
        if name in old and old[name] != value:
            shown = f"{_json(old[name])} → {shown}"
        parts.append(f"{name}: {shown}")
    return "{" + ", ".join(parts) + "}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
