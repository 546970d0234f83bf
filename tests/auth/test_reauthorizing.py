"""
Tests of how L{aerostack.auth.authenticator} checks clients that are connected.
"""

from __future__ import annotations

from typing import Any

from aerostack.core.access.permissions import Action, Identity, Role
from aerostack.core.topics.topics import Topic
from aerostack.errors import RealtimeError
from aerostack.settings.projects import JWTConfig
from tests.auth.tokens import (
    NOW,
    OTHER_RSA,
    PUBLIC_KEY,
    RSA,
    SECRET,
    SECRET_KEY,
    AuthTestCase,
    makeAuthenticator,
    makeProject,
    sign,
    webKey,
)


class RefreshTests(AuthTestCase):
    """
    Tests for L{Authenticator.refresh}.
    """

    def setUp(self) -> None:
        self.make()

    def refresh(self, identity: Identity, token: str) -> Identity:
        return self.auth.refresh(identity, token, NOW)

    def test_fresh(self) -> None:
        """
        A fresh token brings a new expiry and new limits.
        """
        identity = self.token(sign(exp=NOW + 1))
        fresh = self.refresh(identity, sign(exp=NOW + 60, topics={"subscribe": ["chat/*"]}))
        self.assertEqual((fresh.role, fresh.expires), (Role.TOKEN, NOW + 60))
        fresh.check(Action.SUBSCRIBE, Topic("chat/a", "shop"))
        self.assertRaises(RealtimeError, fresh.check, Action.PUBLISH, Topic("chat/a", "shop"))

    def test_roles(self) -> None:
        """
        A client with the secret key keeps its rights; every other client has the fresh token's.
        """
        for role in Role:
            fresh = self.refresh(Identity("shop", role, "bob"), sign(topics={}, exp=NOW + 9))
            self.assertIs(fresh.role, Role.SECRET if role is Role.SECRET else Role.TOKEN)
            self.assertEqual((fresh.userId, fresh.expires), ("ann", NOW + 9))
            publish = (Action.PUBLISH, Topic("chat/a", "shop"))
            if role is Role.SECRET:
                fresh.check(*publish)
            else:
                self.assertRaises(RealtimeError, fresh.check, *publish)

    def test_bad(self) -> None:
        """
        A bad token is refused with the same error as at the opening.
        """
        identity = Identity("shop", Role.TOKEN, "ann")
        for token, code in (
            (sign("another secret of at least thirty-two bytes"), "invalid_token"),
            (sign(exp=NOW), "token_expired"),
            (sign(projectId="blog"), "wrong_project"),
            ("", "invalid_token"),
            ("\ud800", "invalid_token"),
        ):
            error = self.assertRaises(RealtimeError, self.refresh, identity, token)
            self.assertEqual(error.code, code)

    def test_gone(self) -> None:
        """
        No token helps if the project was taken out of the configuration.
        """
        self.auth.reload({})
        identity = Identity("shop", Role.TOKEN, "ann")
        error = self.assertRaises(RealtimeError, self.refresh, identity, sign())
        self.assertEqual(error.code, "unknown_project")


class ReauthorizeTests(AuthTestCase):
    """
    Tests for L{Authenticator.reauthorize}.
    """

    before: dict[str, Any] = {"anonymous": True, "jwt": JWTConfig("HS256", SECRET)}  # noqa: RUF012

    def judged(self, credentials: dict[str, str | None], **after: Any) -> str:
        """
        The code with which a reload refuses a client; the empty string if the client may stay.
        """
        self.auth = makeAuthenticator(makeProject(**self.before, origins=("*",)))
        identity = self.identify(**credentials)
        project = makeProject(**{**self.before, "origins": ("*",), **after})
        self.auth.reload({"shop": project} if after.get("id") is None else {})
        try:
            self.auth.reauthorize(identity)
        except RealtimeError as error:
            return error.code
        return ""

    def test_reload(self) -> None:
        """
        A client may stay after a reload exactly if it could connect again with the same
        credentials.
        """
        other = "pk_another0123456789"
        anonymous = {"projectId": "shop", "userId": "bob"}
        origin = {"key": PUBLIC_KEY, "origin": "https://a.test"}
        token = {"projectId": "shop", "token": sign()}
        both = {"key": PUBLIC_KEY, "token": sign()}
        secret = {"key": SECRET_KEY, "token": sign()}
        everybody = (anonymous, origin, token, both, secret)
        no, bad, bar = "unauthorized", "invalid_token", "origin_not_allowed"
        for change, codes in (
            ({}, ("", "", "", "", "")),
            ({"connections": 5, "defaultRead": ("token",)}, ("", "", "", "", "")),
            ({"publicKey": other}, ("", no, "", no, "")),
            ({"publicKey": None}, ("", no, "", no, "")),
            ({"secretKey": "sk_another0123456789"}, ("", "", "", "", no)),
            ({"anonymous": False}, (no, "", "", "", "")),
            ({"jwt": JWTConfig("HS256", SECRET[::-1])}, ("", "", bad, bad, bad)),
            ({"jwt": JWTConfig("HS256", SECRET, audience="x")}, ("", "", bad, bad, bad)),
            ({"jwt": None}, ("", "", bad, bad, bad)),
            ({"origins": ("https://b.test",)}, ("", bar, "", "", "")),
            ({"id": "gone"}, ("unknown_project",) * 5),
        ):
            found = tuple(self.judged(credentials, **change) for credentials in everybody)
            self.assertEqual(found, codes, change)

    def test_names(self) -> None:
        """
        A name from the URL must go once the project has users with tokens.
        """
        self.before = {"anonymous": True}
        for credentials in ({"projectId": "shop"}, {"key": PUBLIC_KEY}):
            named = {**credentials, "userId": "ann"}
            self.assertEqual(self.judged(named), "")
            self.assertEqual(self.judged(named, jwt=JWTConfig("HS256", SECRET)), "unauthorized")
            self.assertEqual(self.judged(credentials, jwt=JWTConfig("HS256", SECRET)), "")
        self.assertEqual(
            self.judged({"key": PUBLIC_KEY, "userId": "ann"}, anonymous=False), "unauthorized"
        )

    def test_keySet(self) -> None:
        """
        A token ends when its own key leaves the set, and not when other keys join or leave.
        """
        first, second = webKey("RS256", RSA, kid="a"), webKey("RS256", OTHER_RSA, kid="b")
        sets = {
            name: JWTConfig("RS256", None, jwks={"keys": keys})
            for name, keys in (("one", [first]), ("both", [first, second]), ("two", [second]))
        }
        credentials = {"projectId": "shop", "token": sign(RSA, "RS256", "a")}
        for before, after, code in (
            ("one", "both", ""),
            ("both", "one", ""),
            ("both", "two", "invalid_token"),
        ):
            self.before = {"jwt": sets[before]}
            self.assertEqual(self.judged(credentials, jwt=sets[after]), code)

    def test_refreshed(self) -> None:
        """
        After auth the new token's key counts, together with the API key.
        """
        self.auth = makeAuthenticator(makeProject(**self.before))
        identity = self.auth.refresh(self.identify(key=PUBLIC_KEY), sign(), NOW)
        self.auth.reauthorize(identity)
        for change in ({"publicKey": None}, {"jwt": JWTConfig("HS256", SECRET[::-1])}):
            self.auth.reload({"shop": makeProject(**{**self.before, **change})})
            self.assertRaises(RealtimeError, self.auth.reauthorize, identity)
