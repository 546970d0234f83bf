"""
Tests of the tokens that L{aerostack.auth.authenticator} believes and refuses.
"""

from __future__ import annotations

import base64
import json
import warnings
from typing import Any

import jwt
from hypothesis import given
from hypothesis import strategies as st

from aerostack.core.access.permissions import Action, Role
from aerostack.core.topics.topics import Topic
from aerostack.errors import RealtimeError
from tests.auth.tokens import (
    EC,
    ED,
    NOW,
    OTHER_RSA,
    RSA,
    SECRET,
    AuthTestCase,
    forge,
    makeAuthenticator,
    makeProject,
    pem,
    sign,
    webKey,
)


class SignatureTests(AuthTestCase):
    """
    Tests of who signed a token.
    """

    def test_algorithms(self) -> None:
        """
        A token signed with the configured algorithm and key is believed, with each kind of
        algorithm.
        """
        for algorithm, key, public in (
            ("HS256", SECRET, SECRET),
            ("RS256", RSA, pem(RSA)),
            ("PS256", RSA, pem(RSA)),
            ("ES256", EC, pem(EC)),
            ("EdDSA", ED, pem(ED)),
        ):
            self.make(algorithm, public)
            identity = self.token(sign(key, algorithm))
            self.assertEqual((identity.role, identity.userId), (Role.TOKEN, "ann"), algorithm)

    def test_otherKey(self) -> None:
        """
        A token signed with another key is refused.
        """
        self.make("RS256", pem(RSA))
        self.tokenRefused(sign(OTHER_RSA, "RS256"))
        self.make()
        self.tokenRefused(sign(SECRET + "!"))
        self.tokenRefused(sign(""))

    def test_none(self) -> None:
        """
        A token without a signature is refused, however its header spells C{none}.
        """
        for algorithm, key in (("HS256", SECRET), ("RS256", pem(RSA))):
            self.make(algorithm, key)
            for name in ("none", "None", "NONE", "nOnE", "", algorithm):
                self.tokenRefused(forge({"alg": name}, {"sub": "ann"}, None))
            self.tokenRefused(jwt.encode({"sub": "ann"}, None, "none"))

    def test_confusion(self) -> None:
        """
        The public key is no HMAC secret, in none of the forms in which it is known.
        """
        public = pem(RSA)
        self.make("RS256", public)
        for secret in (public, public.strip(), public.encode() + b"\0"):
            for algorithm in ("HS256", "RS256"):
                self.tokenRefused(forge({"alg": algorithm}, {"sub": "ann"}, secret))

    def test_otherAlgorithm(self) -> None:
        """
        Only the configured algorithm counts, also where the key would fit another.
        """
        self.make("RS256", pem(RSA))
        self.tokenRefused(sign(RSA, "PS256"))
        self.tokenRefused(sign(RSA, "RS384"))
        self.tokenRefused(forge({"alg": "RS256"}, {"sub": "ann"}, SECRET))
        self.make()
        with warnings.catch_warnings():
            # It finds our secret short for this hash.
            warnings.simplefilter("ignore")
            self.tokenRefused(jwt.encode({"sub": "ann"}, SECRET, "HS512"))

    def test_keyInHeader(self) -> None:
        """
        A key that the token brings along itself is not looked at.
        """
        self.make("RS256", pem(RSA))
        header = {"alg": "RS256", "jwk": webKey("RS256", OTHER_RSA), "jku": "https://evil.example"}
        self.tokenRefused(forge(header, {"sub": "ann"}, OTHER_RSA))

    def test_tampered(self) -> None:
        """
        A token of which anything was changed is refused.
        """
        self.make()
        head, body, signature = sign().split(".")
        root = base64.urlsafe_b64encode(b'{"sub":"root"}').rstrip(b"=").decode()
        for token in (
            f"{head}.{root}.{signature}",
            f"{head}.{body}.",
            f"{head}.{body}",
            f"{head}.{body}.{signature[:-4]}",
            f".{body}.{signature}",
            f"{head}..{signature}",
            f"{head}.{body}.{signature}.x",
        ):
            self.tokenRefused(token)

    def test_critical(self) -> None:
        """
        An extension that we do not know, but must, refuses the token (RFC 7515, 4.1.11).
        """
        self.make()
        header = {"alg": "HS256", "crit": ["strict"], "strict": True}
        self.tokenRefused(forge(header, {"sub": "ann"}, SECRET))

    def test_shown(self) -> None:
        """
        However much a token says of itself, the refusal repeats little of it.
        """
        self.make()
        header = {"alg": "HS256", "crit": ["eyJ" * 50_000]}
        message = self.tokenRefused(forge(header, {"sub": "ann"}, SECRET))
        self.assertIn("eyJeyJ", message)
        self.assertLess(len(message), 300)

    def test_deep(self) -> None:
        """
        A token that is nested without end is refused, before and after its signature is
        checked.
        """
        self.make()
        nested = base64.urlsafe_b64encode(b'{"a":' * 50_000 + b"1" + b"}" * 50_000).decode()
        head, body, signature = sign().split(".")
        for token in (f"{nested}.{body}.{signature}", f"{head}.{nested}.{signature}"):
            self.tokenRefused(token.replace("=", ""))

    @given(st.one_of(st.text(max_size=60), st.lists(st.binary(max_size=30), max_size=4)))
    def test_anything(self, found: str | list[bytes]) -> None:
        """
        Whatever comes as a token is refused, and nothing else happens.
        """
        self.make()
        if isinstance(found, list):
            found = ".".join(base64.urlsafe_b64encode(p).rstrip(b"=").decode() for p in found)
        self.tokenRefused(found or ".")

    def test_noTokens(self) -> None:
        """
        A project without C{jwt} takes no token at all.
        """
        self.auth = makeAuthenticator(makeProject(anonymous=True))
        self.tokenRefused(sign())
        self.tokenRefused(jwt.encode({"sub": "ann"}, None, "none"))


class KeySetTests(AuthTestCase):
    """
    Tests of JSON Web Key Sets.
    """

    def makeSet(self, *keys: dict[str, Any], algorithm: str = "RS256") -> None:
        self.make(algorithm, None, jwks={"keys": list(keys)})

    def test_kid(self) -> None:
        """
        The token's C{kid} says which key of the set it is to be checked with.
        """
        self.makeSet(webKey("RS256", RSA, kid="a"), webKey("RS256", OTHER_RSA, kid="b"))
        self.assertEqual(self.token(sign(RSA, "RS256", "a")).userId, "ann")
        self.assertEqual(self.token(sign(OTHER_RSA, "RS256", "b")).userId, "ann")
        self.tokenRefused(sign(RSA, "RS256", "b"))

    def test_unknownKid(self) -> None:
        """
        Where there are several keys, a token that names none of them is refused.
        """
        self.makeSet(webKey("RS256", RSA, kid="a"), webKey("RS256", OTHER_RSA, kid="b"))
        self.assertIn("kid", self.tokenRefused(sign(RSA, "RS256", "c")))
        self.assertIn("kid", self.tokenRefused(sign(RSA, "RS256")))
        for kid in (5, [], {}, None):
            self.tokenRefused(forge({"alg": "RS256", "kid": kid}, {"sub": "ann"}, RSA))

    def test_withoutKid(self) -> None:
        """
        Where there is one key, neither it nor the token needs a name.
        """
        self.makeSet(webKey("RS256", RSA))
        self.assertEqual(self.token(sign(RSA, "RS256")).userId, "ann")
        self.assertEqual(self.token(sign(RSA, "RS256", "a")).userId, "ann")
        self.tokenRefused(sign(OTHER_RSA, "RS256"))

    def test_mixed(self) -> None:
        """
        Keys of other kinds, and those for encryption, may stand in the set, but no token is
        checked with them.
        """
        self.makeSet(
            webKey("ES256", EC, kid="ec"),
            webKey("RS256", RSA, kid="a"),
            webKey("RS256", OTHER_RSA, kid="enc", use="enc"),
        )
        self.assertEqual(self.token(sign(RSA, "RS256", "a")).userId, "ann")
        self.tokenRefused(sign(EC, "ES256", "ec"))
        self.tokenRefused(forge({"alg": "RS256", "kid": "ec"}, {"sub": "ann"}, SECRET))
        self.tokenRefused(sign(OTHER_RSA, "RS256", "enc"))

    def test_algorithms(self) -> None:
        """
        Elliptic keys and shared secrets come in sets too.
        """
        self.makeSet(webKey("ES256", EC, kid="a"), algorithm="ES256")
        self.assertEqual(self.token(sign(EC, "ES256", "a")).userId, "ann")
        self.makeSet(webKey("EdDSA", ED, kid="a"), algorithm="EdDSA")
        self.assertEqual(self.token(sign(ED, "EdDSA", "a")).userId, "ann")
        k = base64.urlsafe_b64encode(SECRET.encode()).rstrip(b"=").decode()
        self.makeSet({"kty": "oct", "k": k, "kid": "a"}, algorithm="HS256")
        self.assertEqual(self.token(sign(kid="a")).userId, "ann")

    def test_confusion(self) -> None:
        """
        A public key of the set is no HMAC secret.
        """
        self.makeSet(webKey("RS256", RSA, kid="a"))
        for secret in (pem(RSA), json.dumps(webKey("RS256", RSA, kid="a"))):
            self.tokenRefused(forge({"alg": "HS256", "kid": "a"}, {"sub": "ann"}, secret))


class ClaimTests(AuthTestCase):
    """
    Tests of what a token says.
    """

    def setUp(self) -> None:
        self.make()

    def test_expired(self) -> None:
        """
        A token is good until its C{exp}, and not at it.
        """
        self.assertEqual(self.token(sign(exp=NOW + 1)).expires, NOW + 1)
        for exp in (NOW, NOW - 1, 0, -5):
            self.tokenRefused(sign(exp=exp), "token_expired")

    def test_never(self) -> None:
        """
        A token without C{exp} has no end.
        """
        self.assertIsNone(self.token(sign()).expires)

    def test_notBefore(self) -> None:
        """
        A token is good from its C{nbf} on.
        """
        self.assertEqual(self.token(sign(nbf=NOW)).userId, "ann")
        self.assertIn("yet", self.tokenRefused(sign(nbf=NOW + 1)))

    def test_issuedLater(self) -> None:
        """
        When it was issued makes no difference.
        """
        self.assertEqual(self.token(sign(iat=NOW + 100)).userId, "ann")

    def test_leeway(self) -> None:
        """
        The issuer's clock may be off by the leeway, at both ends, and a live connection
        ends with it.
        """
        self.make(leeway=30.0)
        self.assertEqual(self.token(sign(exp=NOW - 29)).expires, NOW + 1)
        self.assertEqual(self.token(sign(nbf=NOW + 30)).userId, "ann")
        self.tokenRefused(sign(exp=NOW - 30), "token_expired")
        self.tokenRefused(sign(nbf=NOW + 31))

    def test_noTime(self) -> None:
        """
        A time that is none refuses the token: no number, infinite, beyond all bounds.
        """
        for name in ("exp", "nbf"):
            for value in (
                *("2030-01-01", "1e3", "", None, True, False, [], {}),
                *(float("inf"), float("-inf"), float("nan"), 10**400, -(10**400), 1e300),
            ):
                self.assertIn(name, self.tokenRefused(sign(**{name: value})))

    def test_subject(self) -> None:
        """
        A token must name its user, as a string that is not empty.
        """
        for sub in (..., "", None, 5, True, ["ann"], {"id": "ann"}):
            self.tokenRefused(sign(sub=sub))

    def test_claimsNoObject(self) -> None:
        """
        Claims that are no object are refused.
        """
        for claims in ([], "ann", 5, None):
            self.tokenRefused(forge({"alg": "HS256"}, claims, SECRET))

    def test_topics(self) -> None:
        """
        The claim C{topics} narrows what the token allows.
        """
        identity = self.token(sign(topics={"subscribe": ["chat/*"]}))
        identity.check(Action.SUBSCRIBE, Topic("chat/a", "shop"))
        for action in (Action.PUBLISH, Action.PRESENCE):
            self.assertRaises(RealtimeError, identity.check, action, Topic("chat/a", "shop"))

    def test_topicsMalformed(self) -> None:
        """
        A malformed claim refuses the token, instead of allowing everything.
        """
        for topics in ([], "chat/*", 5, {"subscribe": "chat/*"}, {"other": []}):
            self.assertIn("topics", self.tokenRefused(sign(topics=topics)))

    def test_audience(self) -> None:
        """
        Where an audience is configured, C{aud} must name it, alone or among others; where
        none is, it makes no difference.
        """
        self.assertEqual(self.token(sign(aud="other")).userId, "ann")
        self.make(audience="rt")
        for aud in ("rt", ["x", "rt"]):
            self.assertEqual(self.token(sign(aud=aud)).userId, "ann")
        for aud in (..., "other", [], ["x"], None, 5, {"rt": 1}, [5]):
            self.tokenRefused(sign(aud=aud))

    def test_issuer(self) -> None:
        """
        Where an issuer is configured, C{iss} must be it.
        """
        self.assertEqual(self.token(sign(iss="other")).userId, "ann")
        self.make(issuer="https://id.example.com")
        self.assertEqual(self.token(sign(iss="https://id.example.com")).userId, "ann")
        for iss in (..., "other", "https://id.example.com/", None, 5, ["https://id.example.com"]):
            self.tokenRefused(sign(iss=iss))

    def test_poseAsAnonymous(self) -> None:
        """
        A token's user cannot be called as anonymous users are.
        """
        self.tokenRefused(sign(sub="anonymous:ann"))
