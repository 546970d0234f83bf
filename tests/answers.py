"""
How tests read the frames that a client got.
"""

from __future__ import annotations

from aerostack.testing import Frame


def types(frames: list[Frame]) -> list[str]:
    """
    Give the type of each frame.
    """
    return [frame["type"] for frame in frames]


def codes(frames: list[Frame]) -> list[str]:
    """
    Give the code of each error, without the other frames.
    """
    return [frame["code"] for frame in frames if frame["type"] == "error"]


def outcomes(frames: list[Frame]) -> list[str]:
    """
    Give the code of each frame that has one, and the type of each other frame.
    """
    return [frame.get("code", frame["type"]) for frame in frames]
