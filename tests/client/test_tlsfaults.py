"""
Tests for L{aerostack.client.tlsfaults} and L{aerostack.client.opensslfaults}.
"""

from __future__ import annotations

import ssl

from OpenSSL.SSL import Error, SysCallError
from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.opensslfaults import faultOf
from aerostack.client.tlsfaults import untrusted


class FaultTests(SynchronousTestCase):
    """
    Tests for L{faultOf}.
    """

    def test_lasting(self) -> None:
        """
        What another attempt does not mend names the address and the reason.
        """
        unverified = ssl.SSLCertVerificationError(1, "failed")
        unverified.verify_message = "self-signed certificate"
        malformed = ssl.SSLError(1, "wrong")
        malformed.reason = "WRONG_VERSION_NUMBER"
        for error, said in (
            (unverified, "The certificate of wss://h cannot be trusted: self-signed certificate."),
            (
                malformed,
                "wss://h does not speak TLS as it should: WRONG_VERSION_NUMBER."
                " If it has no TLS, write http:// or ws://.",
            ),
            (Error([("SSL", "", "wrong version number")]), "should: wrong version number."),
            (Error(), "should: no reason."),
        ):
            fault = faultOf("wss://h", error)
            assert fault is not None
            self.assertEqual(fault.code, "tls_failed")
            self.assertIn(said, fault.message)

    def test_advice(self) -> None:
        """
        Only for an authority that is not known the error says how to trust it.
        """
        for why, isUnknown in (
            ("self-signed certificate in certificate chain", True),
            ("unable to get local issuer certificate", True),
            ("certificate has expired", False),
            ("Hostname mismatch, certificate is not valid for 'h'.", False),
        ):
            said = untrusted("wss://h", why).message
            self.assertEqual("tell the client to trust it" in said, isUnknown, why)
            self.assertNotIn("..", said)

    def test_passing(self) -> None:
        """
        A connection that breaks off within TLS may be better the next time.
        """
        for error in (ssl.SSLEOFError(8, "EOF"), SysCallError(-1, "EOF"), OSError(), None):
            self.assertIsNone(faultOf("wss://h", error))
