"""
Tests for L{aerostack.auth.authenticator}; those about tokens are in C{test_tokens.py}.
"""

from __future__ import annotations

import hmac

from aerostack.auth import authenticator
from aerostack.auth.authenticator import Credentials
from aerostack.core.access.permissions import Action, Role
from aerostack.core.topics.topics import Topic
from aerostack.errors import RealtimeError
from aerostack.settings.projects import JWTConfig
from tests.auth.tokens import (
    BLOG_KEY,
    NOW,
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
)

BAD_NAMES = (
    *("x" * 256, " ann", "ann ", "a\nb", "a\x1b[2J", "a\x00", "a\x7f", "a\u202eb", "a\u2028b"),
    *("\ud83d", "\ufffe", "\ue000"),
)


class ProjectTests(AuthTestCase):
    """
    Tests of which project a client comes to.
    """

    def setUp(self) -> None:
        blog = makeProject(
            "blog", publicKey=BLOG_KEY, secretKey=None, jwt=JWTConfig("RS256", pem(RSA))
        )
        shop = makeProject(jwt=JWTConfig("HS256", SECRET), anonymous=True)
        self.auth = makeAuthenticator(shop, blog)

    def test_named(self) -> None:
        """
        The key, the token or the URL names the project, or several of them do.
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
        Credentials that name different projects are refused, and the message names both projects.
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
        A project that is not configured is refused, whatever names it.
        """
        self.refused("unknown_project", projectId="nope")
        self.refused("unknown_project", token=sign(projectId="nope"))

    def test_nobodyNames(self) -> None:
        """
        Credentials that name no project are refused, even if there is only one project.
        """
        self.refused("invalid_arguments")
        self.refused("invalid_arguments", token=sign())
        self.auth = makeAuthenticator(makeProject(anonymous=True, jwt=JWTConfig("HS256", SECRET)))
        self.refused("invalid_arguments")

    def test_onlyIssuer(self) -> None:
        """
        A token that names no project is for the only project that takes tokens.
        """
        self.auth = makeAuthenticator(
            makeProject(jwt=JWTConfig("HS256", SECRET)), makeProject("blog", publicKey=BLOG_KEY)
        )
        self.assertEqual(self.identify(token=sign()).project, "shop")

    def test_otherProjectsToken(self) -> None:
        """
        A project's token is refused by every other project.
        """
        self.refused("invalid_token", projectId="blog", token=sign())
        self.refused("invalid_token", token=sign(projectId="blog"))
        self.refused("invalid_token", key=BLOG_KEY, token=sign())

    def test_sharedSecret(self) -> None:
        """
        If two projects share a secret, a token that names its project opens only that one.
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
        Each key opens the project in its own role, without a user's name.
        """
        for key, role in ((PUBLIC_KEY, Role.PUBLIC), (SECRET_KEY, Role.SECRET)):
            identity = self.identify(key=key, userId="ann")
            self.assertEqual(
                (identity.project, identity.role, identity.userId), ("shop", role, None)
            )

    def test_unknown(self) -> None:
        """
        An unknown key, or one that is nearly right, is refused even with a good token.
        """
        for key in ("", "pk_", PUBLIC_KEY[:-1], PUBLIC_KEY + "x", PUBLIC_KEY.upper(), "schlüssel"):
            self.refused("unauthorized", key=key)
        self.refused("unauthorized", key="pk_other", token=sign())
        for key in ("\udcff", "\ud800"):
            self.refused("unauthorized", key=key)

    def test_nothing(self) -> None:
        """
        A client without a key and a token is refused unless the project is anonymous, and the
        message says what to bring.
        """
        message = self.refused("unauthorized", projectId="shop", userId="ann")
        self.assertIn("aerostack-key", message)
        self.auth = makeAuthenticator(makeProject(publicKey=None, secretKey=None))
        self.refused("unauthorized", projectId="shop")

    def test_noKeys(self) -> None:
        """
        A project without keys has no key that could be guessed.
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
        A token keeps its limits beside a public key. Beside the secret key it only gives the user
        and the end.
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
        A good key does not make up for a bad token.
        """
        for key in (PUBLIC_KEY, SECRET_KEY):
            self.refused("token_expired", key=key, token=sign(exp=NOW - 1))

    def test_hidden(self) -> None:
        """
        The repr of credentials, which may be logged, does not show them.
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
        The user's name in the URL is ignored if the project is not anonymous.
        """
        self.auth = makeAuthenticator(makeProject())
        for key in (PUBLIC_KEY, SECRET_KEY):
            self.assertIsNone(self.identify(key=key, userId="ann").userId)

    def test_urlBelieved(self) -> None:
        """
        The user's name in the URL is accepted in an anonymous project without tokens.
        """
        self.auth = makeAuthenticator(makeProject(anonymous=True))
        self.assertEqual(self.identify(key=PUBLIC_KEY, userId="ann").userId, "ann")
        identity = self.identify(projectId="shop", userId="ann")
        self.assertEqual((identity.role, identity.userId), (Role.ANONYMOUS, "ann"))
        for nobody in (None, ""):
            self.assertIsNone(self.identify(projectId="shop", userId=nobody).userId)

    def test_urlDoesNotPose(self) -> None:
        """
        In a project with tokens, a name from the URL gets a prefix, so that it cannot be a token's
        user.
        """
        self.auth = makeAuthenticator(makeProject(anonymous=True, jwt=JWTConfig("HS256", SECRET)))
        for credentials in ({"projectId": "shop"}, {"key": PUBLIC_KEY}, {"key": SECRET_KEY}):
            identity = self.identify(userId="ann", **credentials)
            self.assertEqual(identity.userId, "anonymous:ann")
        self.tokenRefused(sign(sub="anonymous:ann"))

    def test_tokenWins(self) -> None:
        """
        The token's user counts, and not the name in the URL.
        """
        self.auth = makeAuthenticator(makeProject(anonymous=True, jwt=JWTConfig("HS256", SECRET)))
        for key in (None, PUBLIC_KEY, SECRET_KEY):
            identity = self.identify(projectId="shop", key=key, token=sign(), userId="root")
            self.assertEqual(identity.userId, "ann")


class NameTests(AuthTestCase):
    """
    Tests of the names of users.
    """

    def test_refused(self) -> None:
        """
        A malformed name is refused from a token and from the URL, and the message does not repeat
        it.
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
        Names as issuers use them are accepted.
        """
        self.make()
        for name in ("7", "auth0|5f7c8ec7", "ann@example.com", "Ännchen Müller", "安", "x" * 255):
            self.assertEqual(self.token(sign(sub=name)).userId, name)


class BearerTests(AuthTestCase):
    """
    Tests for L{Authenticator.bearer}.
    """

    def setUp(self) -> None:
        self.make()

    def test_sorted(self) -> None:
        """
        A value with a token's three parts is a token unless it is a known key; every other value is
        a key.
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
