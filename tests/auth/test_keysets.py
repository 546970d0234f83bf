"""
Tests for L{aerostack.auth.keysets}, and for tokens whose keys come from there.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.auth import keysets
from aerostack.auth.authenticator import Authenticator, Credentials
from aerostack.auth.keysets import AT_ONCE, COOLDOWN, RETRY, KeysAwaited, KeySets
from aerostack.core.access.permissions import Identity
from aerostack.errors import RealtimeError
from aerostack.settings.projects import JWTConfig, ProjectConfig
from tests.auth.tokens import EC, ED, NOW, OTHER_RSA, RSA, sign, webKey

URL = "https://login.test/jwks.json"
REFRESH = 600.0

FIRST = webKey("RS256", RSA, kid="one", use="sig", alg="RS256")
SECOND = webKey("RS256", OTHER_RSA, kid="two", use="sig", alg="RS256")


class KeySetsTests(SynchronousTestCase):
    """
    Tests for L{KeySets}.
    """

    algorithm = "RS256"

    def setUp(self) -> None:
        self.clock = Clock()
        self.asked: list[Deferred[bytes]] = []
        self.changes = 0
        self.sets = KeySets(self.clock, self.fetch)
        self.authenticator = Authenticator({"p": self.project()}, keySets=self.sets)
        self.authenticator.keysChanged = self.changed

    def project(self, url: str = URL) -> ProjectConfig:
        """
        A project whose tokens have keys of a provider.
        """
        jwt = JWTConfig(self.algorithm, jwksUrl=url, jwksRefresh=REFRESH)
        return ProjectConfig("p", jwt=jwt)

    def fetch(self, url: str) -> Deferred[bytes]:
        """
        Note that a set was asked for.
        """
        self.assertEqual(url, URL)
        self.asked.append(Deferred())
        return self.asked[-1]

    def changed(self) -> None:
        """
        Count a change of the keys.
        """
        self.changes += 1

    def answer(self, *keys: dict[str, Any]) -> None:
        """
        Let the provider answer what was asked last.
        """
        self.asked[-1].callback(json.dumps({"keys": keys}).encode())

    def fail(self, said: str = "it cannot be reached") -> None:  # type: ignore[override]
        """
        Let what was asked last fail.
        """
        self.asked[-1].errback(ValueError(said))

    def identify(self, token: str) -> str | None:
        """
        Bring a token; give its user.
        """
        return self.authenticator.identify(Credentials("p", token=token), NOW).userId

    def refusal(self, token: str) -> RealtimeError:
        """
        Bring a token that is refused.
        """
        return self.assertRaises(RealtimeError, self.identify, token)

    def test_first(self) -> None:
        """
        The set is fetched when the daemon begins.  A token that comes before it waits for it.
        """
        self.sets.start()
        token = sign(RSA, "RS256", "one")
        awaited = self.assertRaises(KeysAwaited, self.identify, token)
        self.assertNoResult(awaited.fetched)
        self.answer(FIRST)
        self.successResultOf(awaited.fetched)
        self.assertEqual(self.identify(token), "ann")
        self.assertEqual(len(self.asked), 1)

    def test_rotated(self) -> None:
        """
        A token with an unknown key has the set fetched again, and then holds; so does a token of
        the key before, as long as that is in the set.
        """
        self.sets.start()
        self.answer(FIRST)
        self.clock.advance(COOLDOWN)
        token = sign(OTHER_RSA, "RS256", "two")
        awaited = self.assertRaises(KeysAwaited, self.identify, token)
        other = self.assertRaises(KeysAwaited, self.identify, token)
        self.assertEqual(len(self.asked), 2)
        self.answer(FIRST, SECOND)
        self.successResultOf(awaited.fetched)
        self.successResultOf(other.fetched)
        self.assertEqual(self.identify(token), "ann")
        self.assertEqual(self.identify(sign(RSA, "RS256", "one")), "ann")
        self.assertEqual(self.changes, 2)

    def test_madeUp(self) -> None:
        """
        Tokens with keys that somebody made up are refused, and do not have the set fetched more
        often than every ten seconds.  What is remembered of them is bounded.
        """
        self.patch(keysets, "REMEMBERED", 10)
        self.sets.start()
        self.answer(FIRST)
        for number in range(100):
            error = self.refusal(sign(RSA, "RS256", f"x{number}"))
            self.assertEqual(error.code, "keys_unavailable")
        self.assertEqual(len(self.sets._sources[URL].unknown), 10)
        self.assertEqual(len(self.asked), 1)
        self.clock.advance(COOLDOWN)
        self.assertIsInstance(self.refusal(sign(RSA, "RS256", "y")), KeysAwaited)
        self.answer(FIRST)
        self.assertEqual(self.refusal(sign(RSA, "RS256", "y")).code, "invalid_token")
        self.assertEqual(len(self.asked), 2)
        self.assertEqual(self.changes, 1)

    def test_justFetched(self) -> None:
        """
        A token whose key the provider has begun to use just after a fetch is refused as one that
        may hold later, and holds when its client comes back.  A made-up key is refused for good
        once a fetch did not bring it.
        """
        self.sets.start()
        self.answer(FIRST)
        self.clock.advance(4)
        new, madeUp = sign(OTHER_RSA, "RS256", "two"), sign(RSA, "RS256", "x")
        for token in (new, madeUp):
            error = self.refusal(token)
            self.assertEqual((error.code, error.retryAfter), ("keys_unavailable", 6000))
        self.clock.advance(6)
        self.assertIsInstance(self.refusal(sign(RSA, "RS256", "y")), KeysAwaited)
        self.answer(FIRST, SECOND)
        self.assertEqual(self.identify(new), "ann")
        self.assertEqual(self.refusal(madeUp).code, "invalid_token")
        self.assertEqual(len(self.asked), 2)

    def test_withoutKid(self) -> None:
        """
        A token that names none of several keys is refused, without another fetch.
        """
        self.sets.start()
        self.answer(FIRST, SECOND)
        self.clock.advance(COOLDOWN)
        error = self.refusal(sign(RSA, "RS256"))
        self.assertEqual(error.code, "invalid_token")
        self.assertIn("no kid", error.message)
        self.assertEqual(len(self.asked), 1)

    def test_manyWait(self) -> None:
        """
        When the keys have come, clients go on in several turns, so that others are served between
        them.
        """
        self.sets.start()
        token = sign(RSA, "RS256", "one")
        crowd = [self.assertRaises(KeysAwaited, self.identify, token) for _ in range(120)]
        self.answer(FIRST)
        self.assertEqual(sum(each.fetched.called for each in crowd), AT_ONCE)
        self.assertEqual(len(self.clock.getDelayedCalls()), 2)
        self.clock.advance(0)
        self.assertTrue(all(each.fetched.called for each in crowd))

    def test_stoppedAmongMany(self) -> None:
        """
        When the daemon stops while clients go on, all of them are refused.
        """
        self.sets.start()
        token = sign(RSA, "RS256", "one")
        crowd = [self.assertRaises(KeysAwaited, self.identify, token) for _ in range(120)]
        self.answer(FIRST)
        self.sets.stop()
        self.assertTrue(all(each.fetched.called for each in crowd))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_sooner(self) -> None:
        """
        A reload that has a set fetched more often holds at once.
        """
        self.sets.start()
        self.answer(FIRST)
        self.sets.use({URL: 60.0})
        self.clock.advance(60)
        self.assertEqual(len(self.asked), 2)

    def test_refreshed(self) -> None:
        """
        The set is fetched again after its time; a key that is gone is trusted no more, and clients
        with such tokens are judged again.
        """
        self.sets.start()
        self.answer(FIRST)
        identity = self.authenticator.identify(
            Credentials("p", token=sign(RSA, "RS256", "one")), NOW
        )
        self.authenticator.reauthorize(identity)
        self.clock.advance(REFRESH)
        self.answer(SECOND)
        self.assertEqual(self.changes, 2)
        error = self.assertRaises(RealtimeError, self.authenticator.reauthorize, identity)
        self.assertEqual(error.code, "invalid_token")

    def test_down(self) -> None:
        """
        While the provider does not answer, the known keys go on, and tokens with others are refused
        as such that may hold later.  The daemon asks again.
        """
        self.sets.start()
        self.answer(FIRST)
        self.clock.advance(REFRESH)
        self.fail()
        self.assertEqual(self.identify(sign(RSA, "RS256", "one")), "ann")
        error = self.refusal(sign(OTHER_RSA, "RS256", "two"))
        self.assertEqual(
            (error.code, error.http, bool(error.retryAfter)), ("keys_unavailable", 503, True)
        )
        self.clock.advance(RETRY)
        self.answer(SECOND)
        self.assertEqual(self.identify(sign(OTHER_RSA, "RS256", "two")), "ann")

    def test_nonsense(self) -> None:
        """
        What is no key set counts as no answer.
        """
        self.sets.start()
        for number, data in enumerate((b"<html>", b"[]", b'{"keys": [1]}', b"[" * 100_000), 1):
            self.asked[-1].callback(data)
            self.assertEqual(self.refusal(sign(RSA, "RS256", "one")).code, "keys_unavailable")
            self.clock.advance(RETRY)
            self.assertEqual(len(self.asked), number + 1)

    def test_others(self) -> None:
        """
        Keys of other kinds, for other uses, for other algorithms, too weak, too large or with an id
        that is no text do no harm, and are not used; neither is a secret.
        """
        self.sets.start()
        self.answer(
            webKey("ES256", EC, kid="one"),
            {"kty": "oct", "kid": "one", "k": "c2VjcmV0"},
            {**SECOND, "kid": "one", "use": "enc"},
            {**SECOND, "kid": "one", "alg": "RS512"},
            {"kty": "RSA", "kid": "one", "n": "AQAB", "e": "AQAB"},
            {**SECOND, "kid": ["one"]},
            {**SECOND, "kid": {"one": 1}},
            {**SECOND, "kid": "one", "n": "_" * 4000},
            FIRST,
            {**SECOND, "kid": "one"},
        )
        self.assertEqual(self.identify(sign(RSA, "RS256", "one")), "ann")
        self.assertEqual(self.refusal(sign(OTHER_RSA, "RS256", "one")).code, "invalid_token")

    def test_kinds(self) -> None:
        """
        Keys on curves work as well; a token without a kid is verified by the only key.
        """
        for algorithm, key in (("ES256", EC), ("EdDSA", ED)):
            self.algorithm = algorithm
            self.setUp()
            self.sets.start()
            self.answer(webKey(algorithm, key, kid="one"))
            self.assertEqual(self.identify(sign(key, algorithm, "one")), "ann")
            self.assertEqual(self.identify(sign(key, algorithm)), "ann")

    def test_written(self) -> None:
        """
        A provider may write the same key in another way; tokens hold on.
        """
        self.sets.start()
        self.answer(FIRST)
        identity = self.authenticator.identify(
            Credentials("p", token=sign(RSA, "RS256", "one")), NOW
        )
        self.clock.advance(REFRESH)
        self.answer({**dict(reversed(FIRST.items())), "x5t": "abc"})
        self.authenticator.reauthorize(identity)

    def test_reload(self) -> None:
        """
        A reload keeps the keys of a URL that stays, and a URL that is gone is asked no more.
        """
        self.sets.start()
        self.answer(FIRST)
        self.authenticator.reload({"p": self.project()})
        self.assertEqual(self.identify(sign(RSA, "RS256", "one")), "ann")
        self.authenticator.reload({})
        self.clock.advance(10 * REFRESH)
        self.assertEqual(len(self.asked), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def moved(self) -> Identity:
        """
        A client whose key is in the configuration, until a reload names a URL instead.
        """
        jwt = JWTConfig(self.algorithm, jwks={"keys": [FIRST]})
        self.sets.start()
        self.authenticator.reload({"p": ProjectConfig("p", jwt=jwt)})
        credentials = Credentials("p", token=sign(RSA, "RS256", "one"))
        identity = self.authenticator.identify(credentials, NOW)
        self.authenticator.reload({"p": self.project()})
        self.authenticator.reauthorize(identity)
        return identity

    def test_moved(self) -> None:
        """
        A reload from keys in a file to a URL keeps the clients whose key the URL has, too.
        """
        identity = self.moved()
        self.answer(FIRST)
        self.authenticator.reauthorize(identity)

    def test_movedAway(self) -> None:
        """
        If the URL does not have the key, or cannot be fetched, the clients are judged again, and
        not kept.
        """
        for answer in (lambda: self.answer(SECOND), self.fail):
            self.setUp()
            identity = self.moved()
            answer()
            self.assertEqual(self.changes, 1)
            self.assertRaises(RealtimeError, self.authenticator.reauthorize, identity)

    def test_stopped(self) -> None:
        """
        When the daemon stops, what waits for keys is refused, and nothing is fetched.
        """
        self.sets.start()
        awaited = self.assertRaises(KeysAwaited, self.identify, sign(RSA, "RS256", "one"))
        self.sets.stop()
        self.successResultOf(awaited.fetched)
        self.assertEqual(self.refusal(sign(RSA, "RS256", "one")).code, "keys_unavailable")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_withoutFetching(self) -> None:
        """
        Where no sets are fetched, as for the command line, such tokens cannot be verified.
        """
        self.authenticator = Authenticator({"p": self.project()})
        self.assertEqual(self.refusal(sign(RSA, "RS256", "one")).code, "keys_unavailable")
