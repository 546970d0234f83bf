"""
Answers of one process that must not be larger than a message between processes.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from msgspec import json


def fit(answer: dict[str, Any], lists: Collection[str], size: int) -> bytes:
    """
    Encode an answer as JSON.  If it is too large, the second half of its lists is left out, and
    then the second half of what is left.  Where the answer says whether there is C{more}, it says
    so then.

    @param lists: The fields that are lists.
    @param size: How many bytes the result may have.
    @raise ValueError: The answer is too large although its lists have one item.
    """
    while len(data := json.encode(answer)) > size:
        lengths = {name: len(answer[name]) for name in lists}
        if max(lengths.values(), default=0) <= 1:
            raise ValueError(f"an answer has {len(data)} bytes, of {size}")
        answer = {**answer, **{n: answer[n][: -(-have // 2)] for n, have in lengths.items()}}
        if "more" in answer:
            answer["more"] = True
    return data
