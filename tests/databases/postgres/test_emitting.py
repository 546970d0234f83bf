"""
Tests for L{aerostack.databases.postgres.emitting}.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

import psycopg
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.errors import InsufficientPrivilege
from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases.migrations import migrate
from aerostack.databases.postgres import emitsql
from aerostack.databases.postgres.connection import Unsuitable
from aerostack.databases.postgres.dialect import POSTGRES
from aerostack.databases.postgres.emitsql import SIGNATURE
from aerostack.databases.postgres.emitting import PostgresEmittedEvents
from aerostack.databases.postgres.survey import survey
from aerostack.interfaces.emitting import IEmittedEvents
from tests.databases.contracts.emitted import ONE, EmittedContract
from tests.databases.postgres.case import _INVENTORY
from tests.postgres import ADMIN, OWNER, ROLE, freshDatabase

EMIT = "SELECT aerostack.emit(%s, %s, %s::jsonb, %s, %s)"

EARLIER = (
    "CREATE SCHEMA aerostack",
    emitsql.RELATIONS["_aerostack.emitted"],
    emitsql.RELATIONS["_aerostack.emitted_xid"],
    emitsql.RELATIONS["_aerostack.emitted_places"],
    *emitsql.TRIGGERS,
    """CREATE FUNCTION aerostack.emit(topic text, event text, data jsonb DEFAULT 'null',
      persist boolean DEFAULT false) RETURNS void LANGUAGE sql SECURITY DEFINER AS
      'INSERT INTO _aerostack.emitted (xid, topic, event, data, persist)
      VALUES (pg_current_xact_id(), topic, event, data::text, persist)'""",
    "REVOKE ALL ON FUNCTION aerostack.emit FROM PUBLIC",
    f"GRANT USAGE ON SCHEMA aerostack TO {OWNER}",
    f"GRANT EXECUTE ON FUNCTION aerostack.emit TO {OWNER} WITH GRANT OPTION",
)
"""What a daemon made before events had keys, and what an operator has granted."""


class EmittedTests(EmittedContract, SynchronousTestCase):
    """
    Events in a PostgreSQL database.
    """

    dialect = POSTGRES
    statement = EMIT
    refusal = psycopg.DataError

    def setUp(self) -> None:
        self.database = freshDatabase(self)
        self.daemon = self.connect(ROLE).cursor()
        migrate(self.daemon, POSTGRES)
        self.events = self.reader()
        self.writer = self.connect()

    def connect(self, user: str = OWNER) -> Any:
        connection = self.database.connect(user)
        self.addCleanup(connection.close)
        return connection

    def prepare(self, *rules: Any) -> None:
        super().prepare(*rules)
        self.grant()

    def grant(self, *roles: str) -> None:
        """
        Let roles emit, as an operator does.
        """
        for role in roles or (OWNER,):
            self.daemon.execute(f"GRANT USAGE ON SCHEMA aerostack TO {role}")
            self.daemon.execute(f"GRANT EXECUTE ON FUNCTION {SIGNATURE} TO {role}")

    def program(self) -> Any:
        return self.writer

    def reader(self) -> IEmittedEvents:
        return PostgresEmittedEvents()

    def restart(self) -> Any:
        self.end(self.daemon.connection)
        return self.connect(ROLE).cursor()

    def end(self, connection: Any) -> None:
        """
        Close a connection, and wait until the server has ended its session.
        """
        pid = connection.info.backend_pid
        connection.close()
        with closing(self.database.connect(ADMIN)) as admin:
            while admin.execute("SELECT FROM pg_stat_activity WHERE pid = %s", (pid,)).rowcount:
                pass

    def inventory(self) -> list[Any]:
        found: list[Any] = self.writer.execute(_INVENTORY).fetchall()
        return found

    def test_defaults(self) -> None:
        """
        The data and persist may be left out, and arguments be named; nulls are the defaults.
        """
        self.prepare()
        for call in (
            "'chat/a', 'e'",
            "topic => 'chat/a', event => 'e', persist => null",
            "'chat/a', 'e', null, false",
        ):
            self.writer.execute(f"SELECT aerostack.emit({call})")
        self.assertEqual([(e.data, e.persist) for e in self.read()], [("null", False)] * 3)
        self.assertEqual(self.writer.execute("SELECT aerostack.emit('a/b', 'c')").fetchone(), ("",))
        self.assertRefused("empty", None)
        self.assertRefused("empty", "chat/a", None)

    def test_surveyed(self) -> None:
        """
        What is in the database of the daemon is said with the names of the events that wait.
        """
        self.prepare()
        for topic, event in (("orders", "paid"), ("chat/a", "e"), ("orders", "paid")):
            self.emit(self.writer, topic, event)
        said = [str(each) for each in survey(self.daemon)]
        self.assertIn(
            "_aerostack.emitted (3 events that were never published: 2 of paid on orders, 1 of e on"
            " chat/a)",
            said,
        )
        self.names()
        self.assertIn("_aerostack.emitted", [str(each) for each in survey(self.daemon)])

    def test_rights(self) -> None:
        """
        No role may emit before it was granted that, and then it may not read, change or delete
        events, nor call anything else of the daemon's.
        """
        super().prepare()
        self.assertRaises(InsufficientPrivilege, self.emit, self.writer, "chat/a")
        self.daemon.execute(f"GRANT USAGE ON SCHEMA aerostack TO {OWNER}")
        self.assertRaises(InsufficientPrivilege, self.emit, self.writer, "chat/a")
        admin = self.connect(ADMIN)
        admin.execute("DROP ROLE IF EXISTS emitter")
        admin.execute("CREATE ROLE emitter LOGIN")
        self.addCleanup(self.database.server.execute, "DROP ROLE emitter")
        self.addCleanup(self.database.execute, "DROP OWNED BY emitter", user=ADMIN)
        self.grant("emitter")
        emitter = self.connect("emitter")
        self.emit(emitter, "chat/a")
        for statement in (
            "SELECT * FROM _aerostack.emitted",
            "DELETE FROM _aerostack.emitted",
            "INSERT INTO _aerostack.emitted_places (xid) VALUES (pg_current_xact_id())",
            "SELECT * FROM _aerostack.read_emitted(1, 1)",
            "CREATE FUNCTION aerostack.mine() RETURNS void LANGUAGE sql AS ''",
        ):
            self.assertRaises(InsufficientPrivilege, emitter.execute, statement)
        emitter.close()

    def test_grantsStay(self) -> None:
        """
        A daemon that starts again leaves the roles their right.
        """
        self.prepare()
        super().prepare()
        self.emit(self.writer, "chat/a", "one")
        self.assertEqual(self.names(), ["one"])

    def test_earlier(self) -> None:
        """
        Where a daemon of the version before has run, events get keys: its events stay, roles keep
        their right, calls without a key go on, and no open transaction is waited for.
        """
        for statement in EARLIER:
            self.daemon.execute(statement)
        self.writer.execute("SELECT aerostack.emit('chat/a', 'before', '1', true)")
        other = self.connect()
        other.execute("BEGIN")
        other.execute("SELECT aerostack.emit('chat/a', 'open')")
        super().prepare()
        other.execute("SELECT aerostack.emit('chat/a', 'still')")
        other.execute("COMMIT")
        self.writer.execute("SELECT aerostack.emit('chat/a', 'after')")
        self.writer.execute("SELECT aerostack.emit('state/a', 'set', '1', key => 'k')")
        self.assertEqual([event.key for event in self.read()], [None, None, None, None, "k"])
        self.assertEqual(self.names(), ["before", "open", "still", "after", "set"])
        granted = self.daemon.execute(
            "SELECT a.is_grantable FROM pg_proc AS p, aclexplode(p.proacl) AS a"
            " WHERE p.pronamespace = 'aerostack'::regnamespace AND a.grantee = %s::regrole",
            (OWNER,),
        ).fetchall()
        self.assertEqual(granted, [(True,)])
        # A daemon of that version that is still running has prepared the database once more.
        self.daemon.execute(EARLIER[-4])
        super().prepare()
        self.writer.execute("SELECT aerostack.emit('chat/a', 'again')")
        self.assertEqual(self.names(), ["again"])
        stranger = (
            "SELECT count(*) FROM pg_proc AS p, aclexplode(p.proacl) AS a WHERE a.grantee = 0"
        )
        where = " AND p.pronamespace = 'aerostack'::regnamespace"
        self.assertEqual(self.daemon.execute(stranger + where).fetchone(), (0,))

    def test_earlierUsed(self) -> None:
        """
        The daemon says what to do if an object depends on the function of the version before.
        """
        for statement in EARLIER:
            self.daemon.execute(statement)
        self.writer.execute("CREATE VIEW calls AS SELECT FROM aerostack.emit('chat/a', 'e')")
        error = self.assertRaises(Unsuitable, super().prepare)
        self.assertIn("calls depends on function aerostack.emit", str(error))
        self.writer.execute("SELECT aerostack.emit('chat/a', 'e')")

    def test_hostilePath(self) -> None:
        """
        A caller's objects, search path and settings do not come into what the function does.
        """
        self.prepare()
        for statement in (
            "CREATE SCHEMA mine",
            "CREATE FUNCTION mine.octet_length(text) RETURNS int LANGUAGE sql AS 'SELECT 1/0'",
            "CREATE FUNCTION mine.chr(int) RETURNS text LANGUAGE sql AS 'SELECT (1/0)::text'",
            "CREATE TEMP TABLE emitted (xid xid8, topic text, event text, data text)",
            "SET search_path = mine, pg_catalog",
            "SET standard_conforming_strings = off",
        ):
            self.writer.execute(statement)
        self.emit(self.writer, "chat/a", "one")
        self.assertRefused("cannot hold", "chat/;")
        self.assertEqual(self.names(), ["one"])

    def test_schemaOfOthers(self) -> None:
        """
        A schema of that name that another role owns is left alone.
        """
        self.writer.execute("CREATE SCHEMA aerostack")
        error = self.assertRaises(Unsuitable, self.prepare)
        self.assertIn(OWNER, str(error))
        self.assertEqual(self.events.remove(self.daemon), [])

    def test_schemaForbidden(self) -> None:
        """
        A role that may create no schema is told what to do; then an operator creates it.
        """
        self.database.execute(
            f'REVOKE CREATE ON DATABASE "{self.database.name}" FROM {ROLE}', user=ADMIN
        )
        error = self.assertRaises(Unsuitable, self.prepare)
        self.assertIn("CREATE SCHEMA aerostack AUTHORIZATION", str(error))
        self.database.execute(f"CREATE SCHEMA aerostack AUTHORIZATION {ROLE}", user=ADMIN)
        self.prepare()
        self.emit(self.writer, "chat/a", "one")
        self.assertEqual(self.names(), ["one"])

    def test_replica(self) -> None:
        """
        A session that switches triggers off emits all the same.
        """
        self.prepare()
        admin = self.connect(ADMIN)
        admin.execute("SET session_replication_role = replica")
        self.emit(admin, "chat/a", "one")
        self.assertEqual(self.names(), ["one"])

    def test_readOnly(self) -> None:
        """
        A transaction that only reads cannot emit.
        """
        self.prepare()
        self.writer.execute("BEGIN READ ONLY")
        error = self.assertRaises(psycopg.Error, self.emit, self.writer, "chat/a")
        self.assertIn("read-only", str(error))
        self.writer.execute("ROLLBACK")

    def test_prepared(self) -> None:
        """
        The events of a prepared transaction come when it is committed.
        """
        super().test_prepared()
        self.writer.execute("BEGIN")
        self.emit(self.writer, "chat/a", "later")
        self.writer.execute("PREPARE TRANSACTION 'emitted'")
        self.emit(self.writer, "chat/a", "now")
        self.assertEqual(self.names(), ["now"])
        self.writer.execute("COMMIT PREPARED 'emitted'")
        self.assertEqual(self.names(), ["later"])

    def test_serializable(self) -> None:
        """
        Transactions of the highest isolation that emit at the same time do not fail for that.
        """
        self.prepare()
        programs = [self.connect() for _ in range(3)]
        for number, program in enumerate(programs):
            program.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
            self.emit(program, "chat/a", f"e{number}")
        for program in reversed(programs):
            program.execute("COMMIT")
        self.assertEqual(self.names(), ["e2", "e1", "e0"])

    def test_noWaiting(self) -> None:
        """
        A transaction that emits waits for no other one, not even to be committed.
        """
        self.prepare()
        self.writer.execute("BEGIN")
        self.emit(self.writer, "chat/a", "open")
        other = self.connect()
        other.execute("SET lock_timeout = '5s'")
        other.execute("BEGIN")
        self.emit(other, "chat/a", "quick")
        other.execute("COMMIT")
        self.prepare()
        self.assertEqual(self.names(), ["quick"])
        self.writer.execute("COMMIT")

    def test_places(self) -> None:
        """
        The place of a transaction goes with its last event.
        """
        self.prepare()
        self.writer.execute("BEGIN")
        for number in range(3):
            self.emit(self.writer, "chat/a", f"e{number}")
        self.writer.execute("COMMIT")
        count = "SELECT count(*) FROM _aerostack.emitted_places"
        for left in (1, 1, 0):
            self.assertEqual(len(self.take(self.read(1))), 1)
            self.assertEqual(self.daemon.execute(count).fetchone(), (left,))

    def test_oneReads(self) -> None:
        """
        Of several daemons the first publishes, until its session ends, or events wait for long.
        """
        self.prepare()
        self.assertEqual(self.read(), [])
        self.emit(self.writer, "chat/a", "one")
        other, patient = self.connect(ROLE).cursor(), PostgresEmittedEvents()
        self.assertEqual(patient.read(other, 10, 1000), [])
        hasty = PostgresEmittedEvents(late=-1.0)
        self.assertEqual(len(hasty.read(other, 10, 1000)), 1)
        self.end(self.daemon.connection)
        self.assertEqual(len(patient.read(other, 10, 1000)), 1)
        self.daemon, self.events = self.connect(ROLE).cursor(), self.reader()
        self.assertEqual(self.read(), [])

    def test_notify(self) -> None:
        """
        The daemons are notified when the transaction is committed.
        """
        PostgresEmittedEvents(notify=True).prepare(self.daemon, ONE)
        self.grant()
        self.daemon.execute('LISTEN "_aerostack"')
        self.writer.execute("BEGIN")
        self.emit(self.writer, "chat/a", "one")
        self.assertEqual(list(self.daemon.connection.notifies(timeout=0)), [])
        self.writer.execute("COMMIT")
        (heard,) = self.daemon.connection.notifies(timeout=20, stop_after=1)
        self.assertEqual(heard.channel, "_aerostack")

    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("eecrst")), max_size=25))
    def test_order(self, steps: list[tuple[int, str]]) -> None:
        """
        However three programs emit, commit and roll back, and whenever the daemon reads and takes,
        the events come once, transaction by transaction in the order of the commits.
        """
        if not hasattr(self, "programs"):
            self.prepare()
            self.programs = [self.connect() for _ in range(3)]
        expected: list[str] = []
        seen: list[str] = []
        opened: list[list[str] | None] = [None, None, None]
        ending = [(which, "c") for which in range(3)]
        for number, (which, step) in enumerate([*steps, *ending, (0, "t")]):
            program, events = self.programs[which], opened[which]
            if step == "e":
                if events is None:
                    program.execute("BEGIN")
                    events = opened[which] = []
                self.emit(program, "chat/a", f"e{number}")
                events.append(f"e{number}")
            elif step == "s" and events:
                program.execute("SAVEPOINT here")
                self.emit(program, "chat/a", "gone")
                program.execute("ROLLBACK TO SAVEPOINT here")
            elif step in "cr" and events is not None:
                program.execute("COMMIT" if step == "c" else "ROLLBACK")
                expected += events if step == "c" else []
                opened[which] = None
            elif step == "t":
                # Only a part is taken, so that the rest is read again.
                events_ = self.read()
                taken = events_ if number >= len(steps) else events_[: len(events_) // 2]
                if taken:
                    self.take(taken)
                seen += [event.event for event in taken]
        self.assertEqual(seen, expected)
