"""
Tests for L{aerostack.cli.typescript}.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from aerostack.cli.typescript import writeTypes
from aerostack.core.rows.shapes import ColumnShape, Kind, Shape
from tests.web import Workshop

TABLES = {
    "orders": (
        ColumnShape("id", Shape(Kind.WIDE), False),
        ColumnShape("status", Shape(Kind.TEXT, labels=("new", 'not "new"')), False),
        ColumnShape("unit price", Shape(Kind.FLOAT), True),
        ColumnShape("tags", Shape(Kind.LIST, element=Shape(Kind.TEXT)), False),
        ColumnShape("doc", Shape(Kind.JSON), True),
        ColumnShape("pair", Shape(Kind.OBJECT, fields=(("a", Shape(Kind.NUMBER)),)), False),
        ColumnShape("raw", Shape(Kind.BYTES), True),
        ColumnShape("nothing", Shape(Kind.OBJECT), False),
        ColumnShape("other", Shape(Kind.ANY), False),
        ColumnShape("at", Shape(Kind.MIXED), False),
    ),
    "shop.bills": (ColumnShape("paid", Shape(Kind.BOOLEAN), False),),
}

USE = """
import { RealtimeClient } from "aerostack-rt";
import { useChannel } from "aerostack-rt/react";
import type { Tables } from "./database.ts";

const realtime = new RealtimeClient({ projectId: "local" });
realtime.channel<Tables["orders"]>("orders").on("UPDATE", ({ data, old }) => {
  const total: number = data.id + (data["unit price"] ?? 0) + (data.pair.a ?? 0);
  console.log(total, old?.tags.length, data.raw?.base64, data.status === 'not "new"');
  // @ts-expect-error: there is no such status
  console.log(data.status === "lost");
  // @ts-expect-error: there is no such column
  console.log(data.total);
  // @ts-expect-error: the price may be null
  console.log(data["unit price"].toFixed(2));
});
export function useBills(): boolean[] {
  const { rows } = useChannel<Tables["shop.bills"]>("shop.bills", null, { snapshot: true });
  return rows.map(({ paid }) => paid);
}
"""


class TypeScriptTests(SynchronousTestCase):
    """
    Tests for L{writeTypes}.
    """

    def test_compiles(self) -> None:
        """
        The module compiles with strict rules, and its types find mistakes in an application.
        """
        files = {
            "database.ts": writeTypes(TABLES),
            "use.tsx": USE,
            "exact.ts": writeTypes(TABLES, True),
        }
        workshop = Workshop(Path(self.mktemp()).absolute(), files)
        workshop.check(*files, allowImportingTsExtensions=True)

    def test_exact(self) -> None:
        """
        With C{exact} the types have the strings of numbers that a double does not keep, and the
        nulls of lists.
        """
        plain, exact = writeTypes(TABLES), writeTypes(TABLES, True)
        for line, instead in (
            ("id: number;", "id: number | string;"),
            ('"unit price": number | null;', '"unit price": number | string | null;'),
            ("tags: string[];", "tags: (string | null)[];"),
        ):
            self.assertIn(f"    {line}\n", plain)
            self.assertIn(f"    {instead}\n", exact)

    def test_nothing(self) -> None:
        """
        A database without tables has a module without types.
        """
        self.assertTrue(writeTypes({}).endswith("\n\nexport interface Tables {\n}\n"))
