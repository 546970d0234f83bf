"""
Web pages' origins: C{scheme://host[:port]} (RFC 6454, 7).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_PORT = re.compile(r":[0-9]{1,5}\Z")

_NAMES = re.compile(r"[a-z0-9_.-]+")
_WILD = "://*."


def matchOrigin(allowed: Sequence[str], origin: str) -> bool:
    """
    Whether an C{Origin} header is among those that are allowed.

    @param allowed: Origins; C{*} stands for any port or, as the first part of a host,
        for any subdomain, and alone for any origin.
    """
    return any(pattern == "*" or _matches(pattern, origin) for pattern in allowed)


def _matches(pattern: str, origin: str) -> bool:
    if pattern.endswith(":*"):
        pattern, origin = pattern[:-2], _PORT.sub("", origin)
    scheme, wild, domain = pattern.partition(_WILD)
    if not wild:
        return origin == pattern
    begins, ends = f"{scheme}://", f".{domain}"
    subdomain = origin.removeprefix(begins).removesuffix(ends)
    return origin == f"{begins}{subdomain}{ends}" and _NAMES.fullmatch(subdomain) is not None


def canBeNamed(origin: str) -> bool:
    """
    Whether an origin is one that can be allowed by name.  Pages of files, and those in a
    sandbox, have none of their own.
    """
    return "://" in origin and not origin.startswith("file:")
