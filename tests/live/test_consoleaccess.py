"""
Accessibility of the console.
"""

from __future__ import annotations

from tests.live.axe import violations
from tests.live.consolepage import ConsoleTests

VIEWS = (
    "overview",
    "connections",
    "topics",
    "topics?topic=chat%2Fx",
    "streams",
    "refusals",
    "inspector",
    "why",
)


class AccessTests(ConsoleTests):
    """
    Tests with different devices and needs.
    """

    async def furnish(self) -> None:
        """
        Fill each view with entries that have long names.
        """
        for n in range(3):
            await self.present(f"user{n}-{'long' * 20}", "chat/x", {"cursor": {"line": n}})
        await self.subscribed(f"chat/{'endless' * 20}", "ann")
        await self.console.open()

    async def test_accessible(self) -> None:
        """
        axe finds no violation in any view, in light or dark mode.
        """
        await self.furnish()
        for view in VIEWS:
            await self.console.go(view)
            self.assertEqual(await violations(self.browser), [], view)
        await self.console.click("leave")
        await self.console.open(None)
        await self.console.reads("signin", "Secret key of the project")
        self.assertEqual(await violations(self.browser, "light"), [])

    async def test_phone(self) -> None:
        """
        No view is wider than a phone.
        """
        await self.furnish()
        await self.browser.look("phone")
        for view in VIEWS:
            await self.console.go(view)
            await self.console.reads("views", "Overview")
            if view.startswith("connections"):
                await self.console.rows("connections-table", 4)
            width = await self.browser.run("return document.documentElement.scrollWidth")
            self.assertEqual(width, 360, view)

    async def test_keyboard(self) -> None:
        """
        A user can do everything with the keyboard, and the focused element keeps the focus while
        the page updates.
        """
        focus = "return document.activeElement.id || document.activeElement.textContent.trim()"
        await self.furnish()
        await self.browser.press("Tab")
        self.assertEqual(await self.browser.run(focus), "skip")
        await self.browser.press("Enter")
        self.assertEqual(await self.browser.run(focus), "main")
        await self.console.open(None)
        await self.console.says("Live")
        # To the content, the start page, signing out, and the second view.
        await self.browser.press("Tab", "Tab", "Tab", "Tab", "Tab", "Enter")
        rows = await self.console.rows("connections-table", 4)
        self.assertEqual(await self.browser.run(focus), "connections-title")
        # The user, the topic, the button, the heads that sort, and the link in the first row.
        heads = "return document.querySelectorAll('#connections-table .sort').length"
        await self.browser.press(*["Tab"] * (4 + await self.browser.run(heads)))
        self.assertEqual(await self.browser.run(focus), rows[0][0])
        newcomer = await self.client("late")
        await self.console.rows("connections-table", 5)
        self.assertEqual(await self.browser.run(focus), rows[0][0])
        self.wires[0].drop()
        newcomer.drop()
        await self.console.rows("connections-table", 3)
        self.assertEqual(await self.browser.run("return document.activeElement.tagName"), "TBODY")
        await self.browser.press("Tab", "Enter")
        await self.browser.until("return !document.getElementById('why').hidden")
        self.assertEqual(await self.browser.run(focus), "why-title")
        user = "return document.querySelector('#why-form [name=user]').value"
        self.assertEqual(await self.browser.run(user), rows[1][0])

    async def test_rowsMove(self) -> None:
        """
        The focused element keeps the focus when its row moves, as in a sorted table whose numbers
        change.  Rows with the same key stay several rows.
        """
        await self.browser.open(self.page)
        focused = await self.browser.run(
            """
            return import("/console/tables.js").then(({Table, numbers}) => {
              const table = new Table({
                caption: "Moves", empty: "none", key: ({id}) => id,
                columns: [
                  {label: "Id", cell: ({id}) => ({text: `row ${id}`, href: "#"})},
                  numbers("Number", ({number}) => number),
                ],
              });
              document.body.append(table.element);
              table.element.querySelectorAll(".sort")[1].click();
              const show = (...numbers) =>
                table.update(numbers.map((number, id) => ({id, number})));
              show(3, 2, 1);
              const link = [...table.element.querySelectorAll("a")].at(-1);
              link.focus();
              const seen = [];
              for (const numbers of [[3, 1, 2], [1, 2, 3], [3, 2, 1]]) {
                show(...numbers);
                const rows = table.element.querySelector("tbody");
                seen.push([rows.textContent, document.activeElement === link]);
              }
              // Two rows of one key, such as two subscriptions of a connection, are two rows.
              table.update([{id: 1, number: 1}, {id: 1, number: 2}]);
              seen.push(table.element.querySelector("tbody").textContent);
              return seen;
            });
            """
        )
        self.assertEqual(
            focused,
            [
                ["row 03row 22row 11", True],
                ["row 23row 12row 01", True],
                ["row 03row 12row 21", True],
                "row 12row 11",
            ],
        )

    async def test_calm(self) -> None:
        """
        With reduced motion the charts move only every few seconds.
        """
        calm = {"name": "prefers-reduced-motion", "value": "reduce"}
        await self.browser.command("Emulation.setEmulatedMedia", features=[calm])
        await self.furnish()
        await self.browser.run(
            """
            window.drawn_ = 0;
            window.turns_ = 0;
            window.begun_ = performance.now();
            const charts = [...document.querySelectorAll(".plot")].at(-1);
            const watch = (element, count) =>
              new MutationObserver(count).observe(element, {subtree: true, childList: true,
                characterData: true, attributes: true});
            watch(charts, () => { drawn_ += 1; });
            watch(document.getElementById("about"), () => { turns_ += 1; });
            """
        )
        drawn, elapsed = await self.browser.until(
            "return turns_ >= 4 && [drawn_, performance.now() - begun_]"
        )
        self.assertLessEqual(drawn, 1 + elapsed / 10_000)

    async def test_longTable(self) -> None:
        """
        In a table of a thousand rows the console rewrites only the cells that changed.
        """
        await self.console.open()
        changes = await self.browser.run(
            """
            return import("/console/tables.js").then(({Table}) => {
              const table = new Table({
                caption: "Long", empty: "none", key: ({id}) => id,
                columns: [
                  {label: "Id", cell: ({id}) => ({text: `row ${id}`, href: "#overview"})},
                  {label: "Number", number: true, cell: ({number}) => number},
                ],
              });
              document.body.append(table.element);
              const rows = Array.from({length: 1000}, (_, id) => ({id, number: 0}));
              table.update(rows);
              const observer = new MutationObserver(() => {});
              observer.observe(table.element, {subtree: true, childList: true, attributes: true,
                characterData: true});
              const change = (next) => {
                table.update(next);
                return observer.takeRecords().length;
              };
              const other = rows.map((row) => (row.id % 500 ? row : {...row, number: 1}));
              return [
                change(rows),
                change(other),
                change(other.slice(1)),
                change([...other.slice(1), {id: "new", number: 2}]),
                table.element.querySelectorAll("tbody tr").length,
              ];
            });
            """
        )
        # No change; two texts; a removed row; a new row.
        self.assertEqual(changes, [0, 2, 1, 1, 1000])
