"""
Web pages' origins: C{scheme://host[:port]} (RFC 6454, 7).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from aerostack.errors import RealtimeError

_PORT = re.compile(r":[0-9]{1,5}\Z")

SHOWN = 200
"""How many characters of an origin a refusal shows."""

_NAMES = re.compile(r"[a-z0-9_.-]+")
_WILD = "://*."


def matchOrigin(allowed: Sequence[str], origin: str) -> bool:
    """
    Whether an C{Origin} header matches one of the allowed origins.

    @param allowed: Origins.  A C{*} in place of the port matches any port, as the first part of
        the host any subdomain, and alone any origin.
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


def originRefused(origin: str, project: str = "<id>") -> RealtimeError:
    """
    The error for a page of an origin that is not allowed.

    @param project: The id of the project that does not allow it.
    """
    setting = f"projects.{project}.origins"
    remedy = (
        f"add it to {setting}"
        if _canBeNamed(origin)
        else f'serve the page over HTTP and add its origin to {setting}, or set ["*"] there'
    )
    return RealtimeError(
        "origin_not_allowed", f"Pages of {origin[:SHOWN]} are not let in; {remedy}."
    )


def _canBeNamed(origin: str) -> bool:
    """
    Whether a configuration can allow an origin by name.  Pages from files and pages in a sandbox
    have no origin of their own.
    """
    return "://" in origin and not origin.startswith("file:")
