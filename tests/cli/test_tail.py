"""
Tests for L{aerostack.cli.tail}, with a daemon in memory.
"""

from __future__ import annotations

import io
import json
import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.cli.options import CommandError
from aerostack.cli.output import Output
from aerostack.cli.tail import Tail
from aerostack.client.errors import ClientError
from aerostack.settings.settings import TableConfig
from aerostack.testing import World


class TailTests(SynchronousTestCase):
    """
    Tests for L{Tail}.
    """

    def setUp(self) -> None:
        self.output, self.errors = io.StringIO(), io.StringIO()
        self.patch(sys, "stderr", self.errors)
        self.world = World()
        self.sdk = self.world.sdk()

    def follow(
        self,
        *topics: str,
        count: int | None = None,
        wishes: dict[str, Any] | None = None,
        **options: Any,
    ) -> Deferred[None]:
        """
        Follow some topics.
        """
        tail = Tail(topics, wishes or {}, Output(True, self.output), count)
        self.client = self.world.realtime(**options)
        done: Deferred[None] = Deferred.fromCoroutine(tail.follow(None, self.client))
        self.world.turn()
        return done

    def emit(self, *data: Any) -> None:
        """
        Emit events on C{chat/a}.
        """
        for each in data:
            self.sdk.socket.emit("e", each, "chat/a")
        self.world.turn()

    def test_notNews(self) -> None:
        """
        Answers and errors go to the person, not among the lines, and are not counted.
        """
        done = self.follow("chat/a", "nothing", count=2)
        self.assertEqual(self.output.getvalue(), "")
        self.assertEqual(
            self.errors.getvalue(),
            "aerostack-rt: watching chat/a/p\n"
            "aerostack-rt: nothing: There is no table nothing. [unknown_table]\n",
        )
        self.assertNoResult(done)

    def test_stopped(self) -> None:
        """
        What is stopped before the daemon was reached ends without a message.
        """
        client = self.world.realtime()
        tail = Tail(["chat/a"], {}, Output(True, self.output))
        done = Deferred.fromCoroutine(tail.follow(None, client))
        client.stopService()
        self.world.turn()
        self.assertEqual(self.errors.getvalue(), "")
        self.assertNoResult(done)

    def test_count(self) -> None:
        """
        The command ends after the number of lines that was asked for.
        """
        done = self.follow("chat/a", count=2)
        self.emit(1, 2, 3)
        self.assertEqual(self.output.getvalue().count("\n"), 2)
        self.successResultOf(done)

    def test_rewind(self) -> None:
        """
        The command begins with the newest frames that it was asked for.
        """
        self.follow("chat/a")
        self.emit(1, 2, 3)
        self.output.truncate(0)
        self.follow("chat/a", wishes={"rewind": 2})
        lines = self.output.getvalue().lstrip("\0").splitlines()
        self.assertEqual([json.loads(line)["data"] for line in lines], [2, 3])

    def test_none(self) -> None:
        """
        The command ends at once if no line was asked for.
        """
        self.successResultOf(self.follow("chat/a", count=0))
        self.assertEqual((self.output.getvalue(), self.errors.getvalue()), ("", ""))

    def test_comesBack(self) -> None:
        """
        A lost connection is opened again, the command says so once, and missed frames are shown.
        """
        done = self.follow("chat/a")
        self.world.reachable = False
        self.world.cut()
        self.emit(1)
        self.world.advance(20)
        self.world.reachable = True
        self.world.advance(60)
        self.emit(2)
        self.assertNoResult(done)
        self.assertEqual(self.output.getvalue().count('"type": "event"'), 2)
        said = self.errors.getvalue().splitlines()[1:]
        self.assertEqual(
            said,
            [
                "aerostack-rt: The connection is gone. [unreachable]; trying again",
                "aerostack-rt: The daemon cannot be reached. [unreachable]; trying again",
                "aerostack-rt: watching chat/a/p again, from where it left off",
            ],
        )

    def test_gap(self) -> None:
        """
        The command reports changes that are lost for good.
        """
        self.follow("chat/a")
        self.world.cut()
        self.world.restart()
        self.world.advance(60)
        self.assertIn("chat/a: something was missed that cannot be had", self.errors.getvalue())

    def test_table(self) -> None:
        """
        The command reports events of the table itself.
        """
        self.follow("orders")
        for tell in ("tableBack", "tableReshaped"):
            getattr(self.world.tracker.listener, tell)("orders")
            self.world.turn()
        said = self.errors.getvalue()
        self.assertIn("orders: the table is there again", said)
        self.assertIn("orders: columns were changed", said)
        self.assertNotIn("missed", said)

    def test_refused(self) -> None:
        """
        After a final refusal the command does not connect again, and says so once.
        """
        done = self.follow("chat/a", "chat/b", apiKey="pk_wrong_wrong_wrong")
        self.assertEqual(self.failureResultOf(done, ClientError).value.code, "unauthorized")
        self.assertEqual(self.errors.getvalue(), "")

    def test_nothingLeft(self) -> None:
        """
        The command ends if no topic can be watched.
        """
        done = self.follow("nothing", "chat/;")
        self.failureResultOf(done, CommandError)
        self.assertIn("[unknown_table]", self.errors.getvalue())
        self.assertIn("[invalid_topic]", self.errors.getvalue())

    def test_tokenOnly(self) -> None:
        """
        If only users with a token may read a table, the command says how to get one.
        """
        self.world = World(access={"orders": TableConfig(read=("token",))})
        done = self.follow("orders")
        self.failureResultOf(done, CommandError)
        self.assertIn("[forbidden]; give the --token of a user", self.errors.getvalue())

    def test_lines(self) -> None:
        """
        A person gets a line for each row of a snapshot, and no line for frames without news.
        """
        output = Output(False, self.output)
        output.pretty = True
        tail = Tail(["orders"], {}, output)
        rows = {"type": "snapshot", "topic": "table/orders/p", "rows": [{"id": 1}, {"id": 2}]}
        tail._received(rows)
        tail._received({"type": "commit", "topic": "table/orders/p"})
        self.assertEqual(
            [line.strip() for line in self.output.getvalue().splitlines()],
            ['ROW orders {"id": 1}', 'ROW orders {"id": 2}'],
        )
