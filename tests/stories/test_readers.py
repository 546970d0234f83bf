"""
A client gets the changes of a table that it may read, and no others, whatever happens.
"""

from __future__ import annotations

from typing import Any

from twisted.logger import LogLevel, globalLogPublisher

from aerostack.core.rows.changes import DELETE
from aerostack.core.rows.columns import ColumnType
from aerostack.settings.tables import TableConfig
from aerostack.testing import SECRET_KEY, Frame, MemoryClient
from tests.answers import outcomes, types
from tests.stories.readers import SHAPE, TOPIC, ReaderCase, brief, row


class WithoutRuleTests(ReaderCase):
    """
    Tests for tables without a rule.
    """

    rule = None

    def test_default(self) -> None:
        """
        A user with a token cannot read a table or have it watched; other clients get all of it.
        """
        client = self.connect("ann")
        [error] = client.ask(type="subscribe", topic="orders")
        self.assertEqual((error["code"], error["topic"]), ("forbidden", TOPIC))
        self.assertIn("default_read", error["message"])
        self.assertEqual(self.world.tracker.watched, {})
        self.assertEqual(types(client.ask(type="subscribe", topic="chat/x")), ["subscribed"])
        others = [self.world.connect(), self.world.connect(key=SECRET_KEY)]
        for other in others:
            other.ask(type="subscribe", topic="orders")
        self.tell(row(1, "ann"))
        for other in others:
            self.assertEqual([f["data"] for f in other.take()], [row(1, "ann")])


class LiveTests(ReaderCase):
    """
    Tests for live changes.
    """

    def test_own(self) -> None:
        """
        Two users of one table get only changes of their own rows, without the hidden column.
        """
        ann, bob = self.subscribed("ann"), self.subscribed("bob")
        self.tell(row(1, "ann"))
        self.tell(row(2, "bob"))
        self.tell(row(1, "ann", 5), row(1, "ann"))
        self.tell(row(2, "bob"), row(2, "bob"), DELETE)
        frames = ann.take()
        self.assertEqual(brief(frames), [("INSERT", 1, 1), ("UPDATE", 1, 5)])
        self.assertEqual(frames[1]["old"], {"id": 1, "owner": "ann", "price": 1})
        frames = bob.take()
        self.assertEqual(brief(frames), [("INSERT", 2, 1), ("DELETE", 2, 1)])
        self.assertEqual(frames[1]["old"], {"id": 2, "owner": "bob", "price": 1})

    def test_moved(self) -> None:
        """
        A row that changes its owner comes to the old owner as a DELETE with its last visible
        state, and to the new owner without its previous state.
        """
        ann, bob = self.subscribed("ann"), self.subscribed("bob")
        self.tell(row(1, "bob", 9), row(1, "ann", 3))
        [left], [came] = ann.take(), bob.take()
        self.assertEqual(
            brief([left, came]), [("DELETE", 1, 3, "moved"), ("INSERT", 1, 9, "moved")]
        )
        self.assertEqual((left["data"]["owner"], left["old"]["owner"]), ("ann", "ann"))
        self.assertNotIn("old", came)

    def test_filter(self) -> None:
        """
        A filter can only restrict the readable rows.
        """
        ann = self.subscribed("ann", filter={"price": {"gt": 5}})
        eve = self.subscribed("eve", filter={"owner": {"in": ["ann", "eve"]}})
        for each in (row(1, "ann", 9), row(2, "ann", 1), row(3, "bob", 9), row(4, "eve")):
            self.tell(each)
        self.assertEqual(brief(ann.take()), [("INSERT", 1, 9)])
        self.assertEqual(brief(eve.take()), [("INSERT", 4, 1)])

    def test_shared(self) -> None:
        """
        Connections whose tokens have the same values for the rule share all work, whatever else
        their tokens say.
        """
        for name in ("Ann", "Anna"):
            client = self.connect("ann", name=name)
            client.ask(type="subscribe", topic="orders")
        self.subscribed("bob")
        groups = [members for _, members in self.world.hub.registry.groups(TOPIC)]
        self.assertEqual(sorted(map(len, groups)), [1, 2])

    def test_server(self) -> None:
        """
        The secret key gets all rows, without hidden columns.
        """
        server = self.world.connect(key=SECRET_KEY)
        server.ask(type="subscribe", topic="orders")
        self.tell(row(1, "ann"))
        self.tell(row(2, "bob"), row(2, "ann"))
        frames = server.take()
        self.assertEqual(brief(frames), [("INSERT", 1, 1), ("UPDATE", 2, 1)])
        self.assertNotIn("card", str(frames))

    def test_hidden(self) -> None:
        """
        To every client, a hidden column is like a column that does not exist.
        """
        ann = self.connect("ann")
        for fields in (
            {"filter": {"card": "x"}},
            {"filter": {"card": {"is_null": True}}},
            {"columns": ["id", "card"]},
        ):
            [error] = ann.ask(type="subscribe", topic="orders", **fields)
            [other] = ann.ask(
                type="subscribe",
                topic="orders",
                **{
                    name: {"none": next(iter(asked.values()))}
                    if isinstance(asked, dict)
                    else ["id", "none"]
                    for name, asked in fields.items()
                },
            )
            self.assertEqual(error["code"], "invalid_filter")
            self.assertEqual(
                error["message"].replace("card", "none"), other["message"], error["message"]
            )
            self.assertEqual(error["message"].count("card"), 1)

    def test_chosen(self) -> None:
        """
        A client that chooses columns gets only these.
        """
        ann = self.subscribed("ann", columns=["id", "price"])
        self.tell(row(1, "ann", 2), row(1, "ann", 1))
        [frame] = ann.take()
        self.assertEqual(
            (frame["data"], frame["old"]), ({"id": 1, "price": 2}, {"id": 1, "price": 1})
        )

    def test_event(self) -> None:
        """
        An event that a server emits on a table's topic reaches all subscribers.
        """
        ann, bob = self.subscribed("ann"), self.subscribed("bob")
        server = self.world.connect(key=SECRET_KEY)
        server.ask(type="publish", topic="orders", event="sale", data=1)
        self.assertEqual([types(each.take()) for each in (ann, bob)], [["event"], ["event"]])


class RefusalTests(ReaderCase):
    """
    Tests for refusals.
    """

    def refused(self, client: MemoryClient) -> Frame:
        [error] = client.ask(type="subscribe", topic="orders")
        self.assertEqual((error["type"], error["topic"]), ("error", TOPIC))
        self.assertEqual(self.world.tracker.watched, {})
        self.assertEqual(len(self.world.hub.registry), 0)
        return error

    def test_others(self) -> None:
        """
        A client that may not read the table is refused before the table is watched.
        """
        self.world.tracker.asked = []
        self.assertEqual(self.refused(self.world.connect())["code"], "forbidden")
        self.assertEqual(self.world.tracker.asked, [])

    def test_unfit(self) -> None:
        """
        If the rule does not fit the table, no client may read it; only the operator learns why,
        once.
        """
        self.world.tracker.shape = {name: SHAPE[name] for name in ("id", "price", "card")}
        for sub in ("ann", "bob"):
            error = self.refused(self.connect(sub))
            self.assertEqual(error["code"], "rule_mismatch")
            self.assertNotIn("owner", error["message"])
        self.flushLoggedErrors()

    def test_unfitLogged(self) -> None:
        """
        The log says what does not fit.
        """
        events: list[Any] = []
        globalLogPublisher.addObserver(events.append)
        self.addCleanup(globalLogPublisher.removeObserver, events.append)
        self.world.tracker.shape = {"id": ColumnType.NUMBER, "card": ColumnType.TEXT}
        for sub in ("ann", "bob"):
            self.refused(self.connect(sub))
        [event] = [each for each in events if each["log_level"] is LogLevel.error]
        self.assertEqual(event["table"], "orders")
        self.assertIn("owner", event["reason"])

    def test_otherType(self) -> None:
        """
        The error names a claim that cannot be compared with its column.
        """
        self.world.tracker.shape = {**SHAPE, "owner": ColumnType.NUMBER}
        error = self.refused(self.connect("ann"))
        self.assertEqual(error["code"], "forbidden")
        self.assertIn("its claim sub", error["message"])

    def test_whileWaiting(self) -> None:
        """
        A subscription that waits for its table gets the permissions of the client's newest token.
        """
        self.world.tracker.asked = []
        client = self.connect("ann")
        client.send(type="subscribe", topic="orders")
        client.send(type="auth", token=self.token("bob"))
        self.world.tracker.asked.pop()()
        self.assertEqual(types(client.take()), ["subscribed"])
        self.tell(row(1, "ann"))
        self.tell(row(2, "bob"))
        self.assertEqual(brief(client.take()), [("INSERT", 2, 1)])

    def test_whileColumnsAreRead(self) -> None:
        """
        If a client's permissions shrink while the table's columns are being read, the subscription
        has the smaller ones.
        """
        self.world.tracker.reading = reading = []
        client = self.connect("ann")
        client.send(type="subscribe", topic="orders")
        client.send(type="auth", token=self.token("bob"))
        self.reload(TableConfig((), (), "owner = :sub"))
        reading.pop()()
        self.assertEqual(outcomes(client.take()), ["forbidden"])
        self.assertEqual(self.world.tracker.watched, {})


class PastTests(ReaderCase):
    """
    Tests for missed changes and snapshots.
    """

    def missed(self, sub: str, since: str, **fields: Any) -> list[Frame]:
        client = self.connect(sub)
        answer, *missed = client.ask(type="subscribe", topic="orders", since=since, **fields)
        self.assertTrue(answer["recovered"], answer)
        return missed

    def test_resumed(self) -> None:
        """
        A client that resumes gets only changes of its own rows, from memory and from the database,
        without hidden columns.
        """
        clients = {}
        for sub in ("ann", "bob"):
            clients[sub] = self.connect(sub)
            clients[sub].positions = True
            [answer] = clients[sub].ask(type="subscribe", topic="orders")
        since = answer["pos"]
        for client in clients.values():
            client.die()
        self.tell(row(1, "ann"))
        self.tell(row(2, "bob"))
        self.tell(row(1, "bob", 5), row(1, "ann"))
        expected = {
            "ann": [("INSERT", 1, 1), ("DELETE", 1, 1, "moved")],
            "bob": [("INSERT", 2, 1), ("INSERT", 1, 5, "moved")],
        }
        for again in range(2):
            for sub in clients:
                frames = self.missed(sub, since)
                self.assertEqual(brief(frames), expected[sub], again)
                self.assertNotIn("card", str(frames))
            self.world.restart()

    def test_snapshot(self) -> None:
        """
        A snapshot has only the client's own rows, without hidden columns, and cannot be ordered by
        one.
        """
        for number, owner in enumerate(("ann", "bob", "ann", "eve"), 1):
            self.tell(row(number, owner))
        for sub, numbers in (("ann", [3, 1]), ("bob", [2]), ("nobody", [])):
            client = self.connect(sub)
            _, page = client.ask(
                type="subscribe", topic="orders", snapshot=True, order=[["id", "desc"]]
            )
            self.assertCountEqual([each["id"] for each in page["rows"]], numbers)
            self.assertNotIn("card", str(page))
        [error] = client.ask(type="subscribe", topic="orders", snapshot=True, order=["card"])
        self.assertEqual(error["code"], "invalid_filter")
        server = self.world.connect(key=SECRET_KEY)
        _, page = server.ask(type="subscribe", topic="orders", snapshot=True)
        self.assertEqual(len(page["rows"]), 4)
        self.assertNotIn("card", str(page))

    def test_renamedSince(self) -> None:
        """
        A row from the journal does not show a hidden column under the name that it had then.
        """
        client = self.connect("ann")
        client.positions = True
        [answer] = client.ask(type="subscribe", topic="orders")
        client.die()
        self.tell({"id": 1, "owner": "ann", "price": 1, "number": "card-1"})
        for _ in range(2):
            frames = self.missed("ann", answer["pos"])
            self.assertEqual([f["data"] for f in frames], [{"id": 1, "owner": "ann", "price": 1}])
            self.world.restart()
