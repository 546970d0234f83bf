"""
Tests for L{aerostack.auth.authenticator}; of its tokens, C{test_tokens.py} tells more.
"""

from __future__ import annotations

import hmac
from typing import Any

from aerostack.auth import authenticator
from aerostack.auth.authenticator import Credentials
from aerostack.auth.origins import matchOrigin
from aerostack.core.access.permissions import Action, Identity, Role
from aerostack.core.topics.topics import Topic
from aerostack.errors import RealtimeError
from aerostack.settings.projects import JWTConfig
from tests.stories.tokens import (
    BLOG_KEY,
    NOW,
    OTHER_RSA,
    PUBLIC_KEY,
    RSA,
    SECRET,
    SECRET_KEY,
    AuthTestCase,
    forge,
    makeAuthenticator,
    makeProject,
    pem,
    sign,
    webKey,
)


class ProjectTests(AuthTestCase):
    """
    Tests of which project somebody comes to.
    """

    def setUp(self) -> None:
        blog = makeProject(
            "blog", publicKey=BLOG_KEY, secretKey=None, jwt=JWTConfig("RS256", pem(RSA))
        )
        shop = makeProject(jwt=JWTConfig("HS256", SECRET), anonymous=True)
        self.auth = makeAuthenticator(shop, blog)

    def test_named(self) -> None:
        """
        The key, the token or the URL names the project, and they may all do.
        """
        for credentials in (
            {"key": PUBLIC_KEY},
            {"token": sign(projectId="shop")},
            {"projectId": "shop"},
            {"projectId": "shop", "key": PUBLIC_KEY, "token": sign(projectId="shop")},
        ):
            self.assertEqual(self.identify(**credentials).project, "shop")
        self.assertEqual(self.identify(key=BLOG_KEY).project, "blog")

    def test_disagree(self) -> None:
        """
        Where two of them name different projects, nobody gets in, and both are named.
        """
        for credentials, names in (
            ({"projectId": "blog", "key": PUBLIC_KEY}, ("URL's projectId", "the key")),
            ({"projectId": "blog", "token": sign(projectId="shop")}, ("URL", "the token")),
            ({"key": BLOG_KEY, "token": sign(projectId="shop")}, ("the key", "the token")),
        ):
            message = self.refused("wrong_project", **credentials)
            for name in names:
                self.assertIn(name, message)

    def test_unknown(self) -> None:
        """
        A project that is not configured is refused, whoever names it.
        """
        self.refused("unknown_project", projectId="nope")
        self.refused("unknown_project", token=sign(projectId="nope"))

    def test_nobodyNames(self) -> None:
        """
        Where nothing names a project, nobody gets in, not even where there is only one.
        """
        self.refused("invalid_arguments")
        self.refused("invalid_arguments", token=sign())
        self.auth = makeAuthenticator(makeProject(anonymous=True, jwt=JWTConfig("HS256", SECRET)))
        self.refused("invalid_arguments")

    def test_onlyIssuer(self) -> None:
        """
        A token that names no project is for the only one that takes tokens.
        """
        self.auth = makeAuthenticator(
            makeProject(jwt=JWTConfig("HS256", SECRET)), makeProject("blog", publicKey=BLOG_KEY)
        )
        self.assertEqual(self.identify(token=sign()).project, "shop")

    def test_otherProjectsToken(self) -> None:
        """
        A project's token opens no other project, whatever is said about it.
        """
        self.refused("invalid_token", projectId="blog", token=sign())
        self.refused("invalid_token", token=sign(projectId="blog"))
        self.refused("invalid_token", key=BLOG_KEY, token=sign())

    def test_sharedSecret(self) -> None:
        """
        Where two projects share a secret, a token that says whose it is opens only that.
        """
        shared = JWTConfig("HS256", SECRET)
        self.auth = makeAuthenticator(
            makeProject(jwt=shared), makeProject("blog", publicKey=BLOG_KEY, jwt=shared)
        )
        self.refused("wrong_project", projectId="blog", token=sign(projectId="shop"))
        self.refused("wrong_project", projectId="blog", token=sign(projectId=5))

    def test_load(self) -> None:
        """
        After a reload only the new projects count.
        """
        self.auth.reload({"blog": makeProject("blog", publicKey=BLOG_KEY)})
        self.refused("unauthorized", key=PUBLIC_KEY)
        self.refused("unknown_project", token=sign(projectId="shop"))
        self.assertEqual(self.identify(key=BLOG_KEY).project, "blog")


class KeyTests(AuthTestCase):
    """
    Tests of API keys.
    """

    def setUp(self) -> None:
        self.make()

    def test_roles(self) -> None:
        """
        Each key opens the project in its own role, to nobody by name.
        """
        for key, role in ((PUBLIC_KEY, Role.PUBLIC), (SECRET_KEY, Role.SECRET)):
            identity = self.identify(key=key, userId="ann")
            self.assertEqual(
                (identity.project, identity.role, identity.userId), ("shop", role, None)
            )

    def test_unknown(self) -> None:
        """
        A key that is not there, or only nearly, is refused; a good token does not help it.
        """
        for key in ("", "pk_", PUBLIC_KEY[:-1], PUBLIC_KEY + "x", PUBLIC_KEY.upper(), "schlüssel"):
            self.refused("unauthorized", key=key)
        self.refused("unauthorized", key="pk_other", token=sign())
        for key in ("\udcff", "\ud800"):
            self.refused("unauthorized", key=key)

    def test_nothing(self) -> None:
        """
        Nobody gets in without a key and without a token, unless the project says so, and
        is told what to bring.
        """
        message = self.refused("unauthorized", projectId="shop", userId="ann")
        self.assertIn("aerostack-key", message)
        self.auth = makeAuthenticator(makeProject(publicKey=None, secretKey=None))
        self.refused("unauthorized", projectId="shop")

    def test_noKeys(self) -> None:
        """
        A project without keys has none that could be guessed.
        """
        self.auth = makeAuthenticator(makeProject(publicKey=None, secretKey=None))
        for key in ("", "None", "null"):
            self.refused("unauthorized", key=key)

    def test_constantTime(self) -> None:
        """
        Every key of every project is compared in constant time, whichever matches.
        """
        projects = [
            makeProject(),
            makeProject("blog", publicKey=BLOG_KEY, secretKey="sk_blog"),
            makeProject("wiki", publicKey=None, secretKey="sk_wiki"),
        ]
        self.auth = makeAuthenticator(*projects)
        known = {PUBLIC_KEY, SECRET_KEY, BLOG_KEY, "sk_blog", "sk_wiki"}
        compared: list[tuple[bytes, bytes]] = []

        def compare(ours: bytes, given: bytes) -> bool:
            compared.append((ours, given))
            return hmac.compare_digest(ours, given)

        self.patch(authenticator, "compare_digest", compare)
        for key in (*known, "pk_unknown", ""):
            compared.clear()
            self.auth.bearer(key)
            self.assertEqual(sorted(compared), sorted((k.encode(), key.encode()) for k in known))

    def test_withToken(self) -> None:
        """
        A public key beside a token leaves the token its limits; the secret key lifts them,
        and the token still says who it is and until when.
        """
        token = sign(topics={}, exp=NOW + 60)
        identity = self.identify(key=PUBLIC_KEY, token=token)
        self.assertIs(identity.role, Role.TOKEN)
        self.assertRaises(RealtimeError, identity.check, Action.PUBLISH, Topic("chat/a", "shop"))
        identity = self.identify(key=SECRET_KEY, token=token)
        identity.check(Action.PUBLISH, Topic("table/orders", "shop"))
        self.assertEqual(
            (identity.role, identity.userId, identity.expires), (Role.SECRET, "ann", NOW + 60)
        )

    def test_badTokenWithKey(self) -> None:
        """
        A key does not make up for a bad token.
        """
        for key in (PUBLIC_KEY, SECRET_KEY):
            self.refused("token_expired", key=key, token=sign(exp=NOW - 1))

    def test_hidden(self) -> None:
        """
        Credentials do not show in a C{repr}, which ends up in logs.
        """
        shown = repr(Credentials(projectId="shop", key=SECRET_KEY, token=sign()))
        self.assertNotIn(SECRET_KEY, shown)
        self.assertNotIn(sign(), shown)


class UserTests(AuthTestCase):
    """
    Tests of who is believed to be whom.
    """

    def test_urlNotBelieved(self) -> None:
        """
        C{userId} in the URL is nobody where anonymous users are not allowed.
        """
        self.auth = makeAuthenticator(makeProject())
        for key in (PUBLIC_KEY, SECRET_KEY):
            self.assertIsNone(self.identify(key=key, userId="ann").userId)

    def test_urlBelieved(self) -> None:
        """
        It is believed where they are, and no other users are known.
        """
        self.auth = makeAuthenticator(makeProject(anonymous=True))
        self.assertEqual(self.identify(key=PUBLIC_KEY, userId="ann").userId, "ann")
        identity = self.identify(projectId="shop", userId="ann")
        self.assertEqual((identity.role, identity.userId), (Role.ANONYMOUS, "ann"))
        for nobody in (None, ""):
            self.assertIsNone(self.identify(projectId="shop", userId=nobody).userId)

    def test_urlDoesNotPose(self) -> None:
        """
        Where there are users with tokens, it is marked, and so is never one of theirs.
        """
        self.auth = makeAuthenticator(makeProject(anonymous=True, jwt=JWTConfig("HS256", SECRET)))
        for credentials in ({"projectId": "shop"}, {"key": PUBLIC_KEY}, {"key": SECRET_KEY}):
            identity = self.identify(userId="ann", **credentials)
            self.assertEqual(identity.userId, "anonymous:ann")
        self.tokenRefused(sign(sub="anonymous:ann"))

    def test_tokenWins(self) -> None:
        """
        Where there is a token, what the URL says is nothing.
        """
        self.auth = makeAuthenticator(makeProject(anonymous=True, jwt=JWTConfig("HS256", SECRET)))
        for key in (None, PUBLIC_KEY, SECRET_KEY):
            identity = self.identify(projectId="shop", key=key, token=sign(), userId="root")
            self.assertEqual(identity.userId, "ann")


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
        A fresh token brings a new end and new limits.
        """
        identity = self.token(sign(exp=NOW + 1))
        fresh = self.refresh(identity, sign(exp=NOW + 60, topics={"subscribe": ["chat/*"]}))
        self.assertEqual((fresh.role, fresh.expires), (Role.TOKEN, NOW + 60))
        fresh.check(Action.SUBSCRIBE, Topic("chat/a", "shop"))
        self.assertRaises(RealtimeError, fresh.check, Action.PUBLISH, Topic("chat/a", "shop"))

    def test_roles(self) -> None:
        """
        Who came with the secret key keeps its rights; everybody else has the token's.
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
        A bad token is refused as it would be at the opening.
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
        Where the project was taken out of the configuration, no token helps.
        """
        self.auth.reload({})
        identity = Identity("shop", Role.TOKEN, "ann")
        error = self.assertRaises(RealtimeError, self.refresh, identity, sign())
        self.assertEqual(error.code, "unknown_project")


class JudgeTests(AuthTestCase):
    """
    Tests for L{Authenticator.reauthorize}.
    """

    before: dict[str, Any] = {"anonymous": True, "jwt": JWTConfig("HS256", SECRET)}  # noqa: RUF012

    def judged(self, credentials: dict[str, str | None], **after: Any) -> str:
        """
        With which code somebody is refused after a reload; the empty string if it may stay.
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
        Whoever is there may stay as long as it would be let in as the same.
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
        A name that only the URL vouched for does not pose as a user's, once there are users.
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
        A key that joins a set, or another that leaves it, ends no token; its own that leaves does.
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
        After C{auth} it is the new token's key that counts, and still the API key.
        """
        self.auth = makeAuthenticator(makeProject(**self.before))
        identity = self.auth.refresh(self.identify(key=PUBLIC_KEY), sign(), NOW)
        self.auth.reauthorize(identity)
        for change in ({"publicKey": None}, {"jwt": JWTConfig("HS256", SECRET[::-1])}):
            self.auth.reload({"shop": makeProject(**{**self.before, **change})})
            self.assertRaises(RealtimeError, self.auth.reauthorize, identity)


BAD_NAMES = (
    *("x" * 256, " ann", "ann ", "a\nb", "a\x1b[2J", "a\x00", "a\x7f", "a\u202eb", "a\u2028b"),
    *("\ud83d", "\ufffe", "\ue000"),
)


class NameTests(AuthTestCase):
    """
    Tests of the names of users.
    """

    def test_refused(self) -> None:
        """
        A name of another kind is refused at the door, whoever vouches for it, and the refusal
        does not repeat it.
        """
        self.auth = makeAuthenticator(makeProject(anonymous=True, jwt=JWTConfig("HS256", SECRET)))
        for name in BAD_NAMES:
            token = forge({"alg": "HS256"}, {"sub": name}, SECRET)
            messages = [
                self.refused("invalid_arguments", projectId="shop", userId=name),
                self.tokenRefused(token),
            ]
            for message in messages:
                self.assertTrue(message.isprintable(), message)
                self.assertLess(len(message), 100)

    def test_allowed(self) -> None:
        """
        Names as issuers give them are let in.
        """
        self.make()
        for name in ("7", "auth0|5f7c8ec7", "ann@example.com", "Ännchen Müller", "安", "x" * 255):
            self.assertEqual(self.token(sign(sub=name)).userId, name)


class OriginTests(AuthTestCase):
    """
    Tests of browser origins.
    """

    def test_closed(self) -> None:
        """
        No page gets in, unless its origin is named; a program, which has none, does.
        """
        self.make()
        message = self.refused("origin_not_allowed", key=PUBLIC_KEY, origin="https://a.example")
        self.assertIn("https://a.example", message)
        self.assertIn("projects.shop.origins", message)
        for origin in ("null", "file://"):
            message = self.refused(
                "origin_not_allowed", projectId="shop", token=sign(), origin=origin
            )
            self.assertIn("over HTTP", message)
        self.refused("origin_not_allowed", key=PUBLIC_KEY, origin="")
        self.assertEqual(self.identify(key=PUBLIC_KEY).project, "shop")

    def test_ofTheProject(self) -> None:
        """
        Each project lets in its own pages only.
        """
        self.auth = makeAuthenticator(
            makeProject(origins=("https://shop.example",)),
            makeProject("blog", publicKey=BLOG_KEY, origins=("https://blog.example",)),
        )
        self.identify(key=PUBLIC_KEY, origin="https://shop.example")
        self.refused("origin_not_allowed", key=BLOG_KEY, origin="https://shop.example")
        self.assertTrue(self.auth.originAllowed("https://blog.example"))
        self.assertFalse(self.auth.originAllowed("https://evil.example"))

    def test_secretKey(self) -> None:
        """
        The secret key is refused from a page, even from one that may connect.
        """
        self.auth = makeAuthenticator(makeProject(origins=("*",)))
        message = self.refused("forbidden", key=SECRET_KEY, origin="https://shop.example")
        self.assertIn("public key", message)

    def test_match(self) -> None:
        """
        An origin matches as a whole, by one port, any port, or anything.
        """
        for pattern, origin in (
            ("https://a.example", "https://a.example"),
            ("http://localhost:8080", "http://localhost:8080"),
            ("http://localhost:*", "http://localhost:8080"),
            ("http://localhost:*", "http://localhost"),
            ("http://[::1]:*", "http://[::1]:3000"),
            ("http://[::1]:*", "http://[::1]"),
            ("*", "https://a.example"),
            ("https://*.a.example", "https://b.a.example"),
            ("https://*.a.example", "https://c.b.a.example"),
            ("https://*.a.example:8443", "https://b.a.example:8443"),
            ("https://*.a.example:*", "https://b.a.example:8443"),
            ("*", "null"),
        ):
            self.assertTrue(matchOrigin(("https://x.example", pattern), origin), (pattern, origin))

    def test_noMatch(self) -> None:
        """
        What only begins or ends like an allowed origin is none.
        """
        for pattern, origin in (
            ("https://a.example", "http://a.example"),
            ("https://a.example", "https://a.example:8443"),
            ("https://a.example", "https://a.example.evil.example"),
            ("https://a.example", "https://evil-a.example"),
            ("https://a.example", "https://b.a.example"),
            ("https://a.example", "https://a.example/"),
            ("http://localhost:*", "http://localhost.evil.example"),
            ("http://localhost:*", "http://localhost:80@evil.example"),
            ("http://localhost:*", "http://localhost:80.evil.example"),
            ("http://localhost:*", "http://localhost:"),
            ("http://localhost:*", "http://localhost:80\n"),
            ("http://localhost:*", "https://localhost:80"),
            ("http://[::1]:*", "http://[::2]:80"),
            ("https://*.a.example", "https://a.example"),
            ("https://*.a.example", "https://.a.example"),
            ("https://*.a.example", "https://evila.example"),
            ("https://*.a.example", "http://b.a.example"),
            ("https://*.a.example", "https://b.a.example:8443"),
            ("https://*.a.example", "https://b.a.example.evil.example"),
            ("https://*.a.example", "https://evil.example/b.a.example"),
            ("https://*.a.example", "null"),
            ("https://a.example", "null"),
            ("https://a.example", "*"),
        ):
            self.assertFalse(matchOrigin((pattern,), origin), (pattern, origin))
        self.assertFalse(matchOrigin((), "https://a.example"))


class BearerTests(AuthTestCase):
    """
    Tests for L{Authenticator.bearer}.
    """

    def setUp(self) -> None:
        self.make()

    def test_sorted(self) -> None:
        """
        A key is a key, what has a token's three parts is a token, and anything else is a
        key that nobody knows.
        """
        token = sign()
        for value, expected in (
            (PUBLIC_KEY, Credentials(key=PUBLIC_KEY)),
            (SECRET_KEY, Credentials(key=SECRET_KEY)),
            (token, Credentials(token=token)),
            ("nonsense", Credentials(key="nonsense")),
            ("", Credentials(key="")),
        ):
            self.assertEqual(self.auth.bearer(value), expected)

    def test_dottedKey(self) -> None:
        """
        A key that looks like a token is still a key.
        """
        self.auth = makeAuthenticator(makeProject(secretKey="sk_a.b.c"))
        self.assertEqual(self.auth.bearer("sk_a.b.c"), Credentials(key="sk_a.b.c"))
