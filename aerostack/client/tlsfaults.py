"""
What goes wrong with TLS.
"""

from __future__ import annotations

import re
import ssl

from aerostack.client.errors import ClientError

# What OpenSSL says of an authority that it does not know, and not of another host or of a
# certificate that has expired.  Twisted's errors have no more than "certificate verify failed".
_UNKNOWN = re.compile(r"self.signed|issuer|verify failed")

# What OpenSSL says of a server that answers in plain text.
_PLAIN = re.compile(r"wrong.version.number|packet.length.too.long", re.IGNORECASE)


def tlsFault(url: str, error: ssl.SSLError) -> ClientError | None:
    """
    The error for a fault of TLS that another attempt does not mend.

    @return: L{None} if it may pass, as when the server is just being restarted.
    """
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return None
    if isinstance(error, ssl.SSLCertVerificationError):
        return untrusted(url, error.verify_message)
    return badTLS(url, error.reason or str(error))


def untrusted(url: str, why: str) -> ClientError:
    """
    The error for a certificate that cannot be trusted.

    @param why: In words.
    """
    said = f"The certificate of {url} cannot be trusted: {why.rstrip('.')}."
    if _UNKNOWN.search(why):
        said += " If its authority is your own, tell the client to trust it."
    return ClientError("tls_failed", said)


def badTLS(url: str, why: str) -> ClientError:
    """
    The error for a server that does not speak TLS as it should.

    @param why: In words.
    """
    said = f"{url} does not speak TLS as it should: {why.rstrip('.')}."
    if _PLAIN.search(why):
        said += " If it has no TLS, write http:// or ws://."
    return ClientError("tls_failed", said)
