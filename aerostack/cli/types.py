"""
C{types}: write the types of rows.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from aerostack.cli.options import CommandError, addAddress, addTimeout
from aerostack.cli.reach import reach
from aerostack.cli.typescript import writeTypes
from aerostack.client.blocking import BlockingSDK
from aerostack.core.rows.shapes import TableShapes
from aerostack.databases.postgres import rowshapes as postgres
from aerostack.databases.sqlite import rowshapes as sqlite

COERCION = "SELECT 1 = '1' AS coerced"
"""
Tells the databases apart.  Both take this statement, so a server's log has no error of it:
PostgreSQL makes a number of the text, and to SQLite a number and a text are never equal.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """
    Declare the options of the command.
    """
    parser.description = (
        "Writes the types of the rows of all tables, as the daemon sends them. It asks the daemon,"
        " with the project's secret key, by db.query."
    )
    parser.add_argument(
        "--ts", action="store_true", required=True, help="in TypeScript, the only language so far"
    )
    parser.add_argument(
        "--exact",
        action="store_true",
        help="also the rare values: numbers that come as strings because a double does not keep"
        " them, and nulls in lists",
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="the file to write; else it is shown"
    )
    addTimeout(parser)
    addAddress(parser, token=False)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    with reach(options, secret=True).sdk(options.timeout) as sdk:
        tables = _readTables(sdk)
    text = writeTypes(tables, options.exact)
    if options.output is None:
        sys.stdout.write(text)
        return
    try:
        options.output.write_text(text, "utf-8")
    except OSError as error:
        raise CommandError(f"{options.output} cannot be written: {error.strerror}") from None


def _readTables(sdk: BlockingSDK) -> TableShapes:
    """
    Ask what the rows look like.

    @raise ClientError: The daemon refuses, or cannot be reached.
    """

    def query(statement: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = sdk.db.query(statement)["results"]
        return rows

    if query(COERCION)[0]["coerced"]:
        return postgres.readShapes(query(postgres.STATEMENT), query(postgres.TYPES))
    return sqlite.readShapes(query(sqlite.STATEMENT))
