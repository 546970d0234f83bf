"""
The rows of the JavaScript client while a program alters the table.
"""

from __future__ import annotations

from aerostack.settings.projects import ProjectConfig
from aerostack.testing import makeProject
from tests.live.postgres import PostgresDaemonTests
from tests.net import Child
from tests.web import HERE, Workshop, program


class LostRowsTests(PostgresDaemonTests):
    """
    Tests with a table on PostgreSQL and an application on Node.js.
    """

    def projects(self) -> dict[str, ProjectConfig]:
        return {"p": makeProject(anonymous=True)}

    async def test_rows(self) -> None:
        """
        After a TRUNCATE of many rows, a new type of a column and a new column, the application
        shows the table's rows, although no change says so.
        """
        self.execute(
            "CREATE TABLE orders (id integer PRIMARY KEY, n integer)",
            "INSERT INTO orders SELECT i, i FROM generate_series(1, 1500) i",
        )
        workshop = Workshop(self.directory / "workshop", [HERE / "apps" / "rows.js"])
        app = Child.spawn(
            self.reactor,
            [str(workshop.folder / "rows.js"), f"http://127.0.0.1:{self.port}"],
            program=program("node"),
        )
        self.addCleanup(app.kill)
        await app.wrote('rows 1500 {"id":1500,"n":1500}\n')
        self.execute("TRUNCATE orders")
        await app.wrote("gap table_lost\n")
        await app.wrote("rows 0 undefined\n")
        self.execute("INSERT INTO orders VALUES (7, 7)")
        await app.wrote('rows 1 {"id":7,"n":7}\n')
        self.execute("ALTER TABLE orders ALTER n TYPE text USING 'A' || n")
        await app.wrote('rows 1 {"id":7,"n":"A7"}\n')
        self.execute("ALTER TABLE orders ADD COLUMN kind text DEFAULT 'new'")
        await app.wrote('rows 1 {"id":7,"n":"A7","kind":"new"}\n')
        self.assertNotIn("error", app.output + app.errors)
