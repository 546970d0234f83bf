"""
Tests for L{aerostack.auth}: tokens that were revoked.
"""

from __future__ import annotations

from typing import Any

from aerostack.core.access.permissions import Role
from aerostack.core.access.removals import Revocation
from aerostack.errors import RealtimeError
from tests.auth.tokens import NOW, SECRET_KEY, AuthTestCase, sign


class RevokedTests(AuthTestCase):
    """
    Tests for revoked tokens.
    """

    def setUp(self) -> None:
        self.make()

    def revoke(self, tokenId: str | None = None, userId: str = "ann") -> None:
        """
        Revoke the tokens of a user that were issued before now, for a minute.
        """
        ends = int(NOW * 1000) + 60_000
        self.auth.revocations.add(
            Revocation("shop", userId, tokenId, int(NOW * 1000), ends, "spam"), NOW
        )

    def test_refused(self) -> None:
        """
        A token from before is refused, one that was issued since is not; a claim that is no time
        counts as missing.
        """
        strange: tuple[Any, ...] = (..., "x", True, None, [], 1e300)
        for issued in (NOW - 1, 0, *strange):
            self.token(sign(iat=issued))
        self.revoke()
        for issued in (NOW - 1, 0, *strange):
            message = self.tokenRefused(sign(iat=issued), "token_revoked")
            self.assertIn("spam", message)
        self.token(sign(iat=NOW))
        self.token(sign(sub="bob", iat=0))

    def test_leeway(self) -> None:
        """
        If the issuer's clock may be off, a token that may be from before is refused.
        """
        self.make(leeway=10.0)
        self.revoke()
        self.tokenRefused(sign(iat=NOW + 9), "token_revoked")
        self.token(sign(iat=NOW + 10))

    def test_one(self) -> None:
        """
        One token can be refused by its id.  An id that no revocation can name counts as missing.
        """
        self.revoke("t1")
        self.tokenRefused(sign(jti="t1", iat=NOW + 5), "token_revoked")
        for other in ("t2", ..., "x" * 10_000, "a\0"):
            self.token(sign(jti=other))
        self.assertIsNone(self.token(sign(jti="x" * 10_000)).proof.tokenId)

    def test_server(self) -> None:
        """
        A revoked token is refused beside the secret key too; the key alone is not.
        """
        self.revoke()
        self.refused("token_revoked", key=SECRET_KEY, token=sign(iat=0))
        self.assertIs(self.identify(key=SECRET_KEY).role, Role.SECRET)

    def test_live(self) -> None:
        """
        The daemon finds out that the token of a live connection was revoked, and accepts no
        revoked token on it.
        """
        for key in (None, SECRET_KEY):
            self.make()
            identity = self.identify(projectId="shop", key=key, token=sign(iat=NOW - 1))
            self.auth.checkToken(identity, NOW)
            self.revoke()
            error = self.assertRaises(RealtimeError, self.auth.checkToken, identity, NOW)
            self.assertEqual(error.code, "token_revoked")
            error = self.assertRaises(
                RealtimeError, self.auth.refresh, identity, sign(iat=NOW - 1), NOW
            )
            self.assertEqual(error.code, "token_revoked")
            fresh = self.auth.refresh(identity, sign(iat=NOW + 1), NOW)
            self.auth.checkToken(fresh, NOW)
            self.auth.checkToken(identity, NOW + 60)
