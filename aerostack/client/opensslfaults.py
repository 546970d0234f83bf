"""
What goes wrong with TLS, by whichever library has found it.
"""

from __future__ import annotations

import ssl

from OpenSSL.SSL import Error, SysCallError, ZeroReturnError
from service_identity import VerificationError

from aerostack.client.errors import ClientError
from aerostack.client.tlsfaults import badTLS, tlsFault, untrusted


def faultOf(url: str, error: BaseException | None) -> ClientError | None:
    """
    The error for a fault of TLS that another attempt does not mend.

    @param error: Why a connection was lost, or could not be opened.
    @return: L{None} if it is no such fault.
    """
    if isinstance(error, ssl.SSLError):
        return tlsFault(url, error)
    if isinstance(error, VerificationError):
        return untrusted(url, "it is for another host")
    if isinstance(error, Error) and not isinstance(error, (SysCallError, ZeroReturnError)):
        # Each part has a library, a function and a reason.
        why = "; ".join(each[-1] for each in error.args[0]) if error.args else ""
        return untrusted(url, why) if "certificate" in why else badTLS(url, why or "no reason")
    return None
