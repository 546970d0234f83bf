"""
The daemon's own tables in PostgreSQL.
"""

from __future__ import annotations

import psycopg
from psycopg.errors import ProgramLimitExceeded, RaiseException, ReadOnlySqlTransaction

from aerostack.databases.dialect import Dialect
from aerostack.databases.postgres.emitrows import EMITTED, takeEmitted
from aerostack.databases.postgres.messagerows import (
    MAKE_REPEATED,
    MESSAGES,
    insertMessages,
    selectRepeated,
)
from aerostack.databases.postgres.settings import READABLE, SCHEMA

_REVOCATIONS = f"{SCHEMA}.revocations"


_ANSWERS = f"{SCHEMA}.answers"


_PIECES = f"{SCHEMA}.answer_pieces"


_VALUES = f"{SCHEMA}.keyed_values"


_VERSIONS = f"{SCHEMA}.versions"


# These run at each start: another program may have dropped the tables.
_MAKE_REVOCATIONS = f"""
CREATE TABLE IF NOT EXISTS {_REVOCATIONS} (
    project text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    token_id text COLLATE "C" NOT NULL,
    issued_before bigint NOT NULL,
    until bigint NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (project, user_id, token_id)
)
"""


_FIRST_ANSWERS = f"""
CREATE TABLE IF NOT EXISTS {_ANSWERS} (
    id text COLLATE "C" PRIMARY KEY,
    name text NOT NULL,
    topic text NOT NULL,
    node text NOT NULL,
    owner text,
    epoch bigint NOT NULL,
    producer text,
    about text NOT NULL
)
"""


_MAKE_ANSWERS = f"""
CREATE TABLE IF NOT EXISTS {_ANSWERS} (
    id text COLLATE "C" PRIMARY KEY,
    name text NOT NULL,
    topic text NOT NULL,
    node text NOT NULL,
    owner text,
    epoch bigint NOT NULL,
    producer text,
    about text NOT NULL,
    run text NOT NULL DEFAULT ''
)
"""


_MAKE_PIECES = f"""
CREATE TABLE IF NOT EXISTS {_PIECES} (
    answer text COLLATE "C" NOT NULL,
    part text COLLATE "C" NOT NULL,
    place integer NOT NULL,
    kind text NOT NULL,
    base bigint NOT NULL,
    text text NOT NULL,
    PRIMARY KEY (answer, part, base)
)
"""


_MAKE_VALUES = f"""
CREATE TABLE IF NOT EXISTS {_VALUES} (
    room_id text COLLATE "C" NOT NULL,
    state_key text COLLATE "C" NOT NULL,
    event text NOT NULL,
    data text NOT NULL,
    user_id text,
    created_at bigint NOT NULL,
    PRIMARY KEY (room_id, state_key)
)
"""


POSTGRES = Dialect(
    mark="%s",
    messages=MESSAGES,
    revocations=_REVOCATIONS,
    answers=_ANSWERS,
    pieces=_PIECES,
    values=_VALUES,
    versions=_VERSIONS,
    begin="BEGIN",
    # Only roles that may write to the table can take this lock.
    exclude=f"LOCK TABLE {_VERSIONS} IN SHARE UPDATE EXCLUSIVE MODE",
    # A role that may not create schemas may still use one that was created for it.  Another
    # daemon may create the schema at the same moment; then it exists.
    before=(
        f"""
        DO $$ BEGIN
            IF to_regnamespace('{SCHEMA}') IS NULL THEN
                CREATE SCHEMA {SCHEMA};
            END IF;
        EXCEPTION WHEN duplicate_schema OR unique_violation THEN
            NULL;
        END $$
        """,
        f"""
        DO $$ BEGIN
            CREATE TABLE IF NOT EXISTS {_VERSIONS} (version integer PRIMARY KEY);
        EXCEPTION WHEN duplicate_table OR unique_violation THEN
            NULL;
        END $$
        """,
    ),
    migrations=(
        (
            # A copy of the database may have the tables without their rows.  Text is compared as
            # bytes, so that no locale, and no upgrade of one, changes its order.
            f"""
            CREATE TABLE IF NOT EXISTS {MESSAGES} (
                room_id text COLLATE "C" NOT NULL,
                created_at bigint NOT NULL,
                id text COLLATE "C" NOT NULL UNIQUE,
                user_id text,
                kind text NOT NULL,
                event text NOT NULL,
                data text NOT NULL,
                publish_id text,
                PRIMARY KEY (room_id, created_at)
            )
            """,
            f"CREATE INDEX IF NOT EXISTS messages_age ON {MESSAGES} (created_at)",
        ),
        (_MAKE_REVOCATIONS,),
        (_FIRST_ANSWERS, _MAKE_PIECES),
        # The run of the daemon that runs an answer.
        (f"ALTER TABLE {_ANSWERS} ADD COLUMN IF NOT EXISTS run text NOT NULL DEFAULT ''",),
        # The answer whose end a message keeps, and the state in which it has ended.
        (
            f'ALTER TABLE {MESSAGES} ADD COLUMN IF NOT EXISTS stream text COLLATE "C",'
            " ADD COLUMN IF NOT EXISTS state text",
            f"CREATE INDEX IF NOT EXISTS messages_stream ON {MESSAGES} (stream, created_at)"
            " WHERE stream IS NOT NULL",
        ),
        # Up to which time a message replaces others.
        (f"ALTER TABLE {MESSAGES} ADD COLUMN IF NOT EXISTS replaces bigint",),
        # The key of a message on a keyed topic, and the newest message of each key.
        (f"ALTER TABLE {MESSAGES} ADD COLUMN IF NOT EXISTS state_key text", _MAKE_VALUES),
    ),
    listing=(
        "SELECT schemaname || '.' || tablename FROM pg_tables"
        f" WHERE schemaname = '{SCHEMA}' AND tablename IN"
        " ('messages', 'revocations', 'answers', 'answer_pieces', 'keyed_values', 'versions')"
        " ORDER BY 1"
    ),
    finish=(_MAKE_REVOCATIONS, _MAKE_ANSWERS, _MAKE_PIECES, _MAKE_VALUES, READABLE),
    sharing=(MAKE_REPEATED,),
    after=(
        f"""
        DO $$ BEGIN
            IF NOT EXISTS (
                SELECT FROM pg_depend WHERE refclassid = 'pg_namespace'::regclass
                AND refobjid = to_regnamespace('{SCHEMA}')
            ) AND (
                SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = '{SCHEMA}'
            ) THEN
                DROP SCHEMA {SCHEMA};
            END IF;
        END $$
        """,
    ),
    # A trigger of another program may raise an exception, and a long topic not fit the index.
    refusing=(psycopg.IntegrityError, psycopg.DataError, RaiseException, ProgramLimitExceeded),
    insertMessages=insertMessages,
    selectRepeated=selectRepeated,
    emitted=EMITTED,
    emittedKey="key",
    takeEmitted=takeEmitted,
    passing=(psycopg.OperationalError, psycopg.InterfaceError, ReadOnlySqlTransaction),
    # The server may be far away.
    together=lambda cursor: cursor.connection.pipeline(),
    forbidden="\0",
)
