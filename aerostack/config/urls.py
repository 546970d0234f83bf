"""
Checks the URLs of other servers.
"""

from __future__ import annotations

from urllib.parse import urlsplit


def faultOf(url: str, instead: str) -> str | None:
    """
    What is wrong with a URL that the daemon asks; L{None} if nothing is.

    @param instead: What to do with a user or a password in it.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "is no URL"
    if parts.scheme not in ("http", "https") or not host or port == 0:
        return "is no URL that begins with http:// or https:// and a host"
    if parts.username is not None or parts.password is not None:
        return f"has a user or a password; {instead}"
    if parts.fragment:
        return "has a fragment, which no server gets"
    return None if url.isascii() else "has characters that a URL does not have"
