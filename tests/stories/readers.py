"""
Readers of a table with a rule, for tests.
"""

from __future__ import annotations

from typing import Any

import jwt
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.access.tables import Access
from aerostack.core.rows.changes import INSERT, UPDATE, Change, Row
from aerostack.core.rows.columns import Columns, ColumnType
from aerostack.settings.projects import JWTConfig
from aerostack.settings.tables import TableConfig
from aerostack.testing import TOKEN_SECRET, Frame, MemoryClient, World, makeProject
from tests.answers import types

TOPIC = "table/orders/p"
SHAPE: Columns = {
    "id": ColumnType.NUMBER,
    "owner": ColumnType.TEXT,
    "price": ColumnType.NUMBER,
    "card": ColumnType.TEXT,
}
RULE = TableConfig(("token",), ("card",), "owner = :sub")


class ReaderCase(SynchronousTestCase):
    """
    A table C{orders} with a rule.
    """

    rule: TableConfig | None = RULE

    def setUp(self) -> None:
        rules = {} if self.rule is None else {"orders": self.rule}
        project = makeProject(jwt=JWTConfig("HS256", TOKEN_SECRET))
        self.world = World({"p": project}, access=rules)
        self.world.tracker.shape = SHAPE
        self.seq = 0

    def token(self, sub: str, **claims: Any) -> str:
        return jwt.encode({"sub": sub, **claims}, TOKEN_SECRET, "HS256")

    def connect(self, sub: str, **claims: Any) -> MemoryClient:
        return self.world.connect(projectId="p", token=self.token(sub, **claims))

    def subscribed(self, sub: str, **fields: Any) -> MemoryClient:
        client = self.connect(sub)
        self.assertEqual(
            types(client.ask(type="subscribe", topic="orders", **fields)), ["subscribed"]
        )
        return client

    def change(self, data: Row, old: Row | None = None, operation: str | None = None) -> Change:
        self.seq += 1
        operation = operation or (INSERT if old is None else UPDATE)
        return Change(self.seq, "orders", operation, data, old, 7)

    def tell(self, data: Row, old: Row | None = None, operation: str | None = None) -> None:
        self.world.tracker.change(self.change(data, old, operation))

    def reload(self, rule: TableConfig) -> None:
        """
        Apply another rule.
        """
        feeds = self.world.feeds
        feeds.reload(feeds.allowed, feeds.projects, Access(self.world.projects, {"orders": rule}))
        for client in self.clients:
            client.session.reauthorize()

    clients: tuple[MemoryClient, ...] = ()


def row(id: int, owner: str, price: int = 1) -> Row:
    """
    Return an order.
    """
    return {"id": id, "owner": owner, "price": price, "card": f"card-{id}-{owner}-{price}"}


def brief(frames: list[Frame]) -> list[tuple[Any, ...]]:
    """
    Return a short form of the changes among frames.
    """
    return [
        (frame["operation"], frame["data"].get("id"), frame["data"].get("price"))
        + (("moved",) if frame.get("moved") else ())
        for frame in frames
        if frame["type"] == "db_change"
    ]
