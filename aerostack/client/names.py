"""
The names of topics and subscriptions.
"""

from __future__ import annotations


def keyOf(path: str, view: str | None) -> str:
    """
    What a subscription is known by: its topic, and its name if it has one.
    """
    # No topic has a line feed.
    return f"{path}\n{view}" if view else path


def pathOf(topic: str, projectId: str | None) -> str:
    """
    The name by which the daemon knows a topic, without the project at its end.

    @param topic: In any of the forms that the daemon takes.
    """
    path = topic.removesuffix(f"/{projectId}") if projectId else topic
    return f"table/{topic}" if path == topic and "/" not in topic else path
