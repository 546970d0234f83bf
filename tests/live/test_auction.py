"""
The example of the auction, in a browser.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from aerostack.settings.settings import Config
from tests.live.daemon import gather
from tests.live.examples import ExampleTests, Page
from tests.live.postgres import PostgresDaemonTests
from tests.postgres import ROLE


class AuctionTests(ExampleTests):
    """
    Tests with two pages of the auction.
    """

    async def stands(self, page: Page, price: int, leader: str) -> None:
        """
        Wait until a page shows the state of the lot.
        """
        await page.reads("#price", f"€ {price}")
        await page.reads("#leader", leader)

    async def bid(self, bidder: str, amount: int) -> bool:
        """
        Bid from outside of the pages.

        @return: Whether the server accepted the bid.
        """
        body = {"lot": "lamp", "bidder": bidder, "amount": amount}
        status, answer, _ = await self.http(
            "POST", "/examples/api/auction/bid", json.dumps(body).encode()
        )
        self.assertEqual(status, 200, answer)
        return bool(answer["accepted"])

    async def test_sideBySide(self) -> None:
        """
        Every page shows an accepted bid.  A bid that is too low is not shown, and its bidder sees
        why.  The number of viewers is right after a page closes.
        """
        sarah, tom = await self.open("auction/?name=Sarah"), await self.open("auction/?name=Tom")
        for page in (sarah, tom):
            await self.stands(page, 40, "No bid yet.")
            await page.reads("#count", "2 users watching")
        await sarah.click("[data-more='5']")
        await self.stands(sarah, 45, "You lead.")
        await sarah.reads("#outcome", "Your bid of € 45 was accepted.")
        await self.stands(tom, 45, "Sarah leads.")
        # Tom's page does not know the higher bid when he bids.
        await tom.run("document.getElementById('amount').min = 0")
        await tom.run("document.getElementById('amount').value = 44")
        await tom.click("#bid button:last-child")
        await tom.reads("#outcome", "€ 44 is not enough any more.")
        await tom.click("[data-more='25']")
        await self.stands(sarah, 70, "Tom leads.")
        await sarah.reads("#outcome", "Tom has outbid you with € 70.")
        await tom.reads("#outcome", "Your bid of € 70 was accepted.")
        self.assertTrue(await self.bid("Ada", 80))
        self.assertTrue(await self.bid("Bea-01234567", 85))
        for page in (sarah, tom):
            await self.stands(page, 85, "Bea leads.")
        await sarah.reads("#bids span", "Bea", "Ada", "Tom", "You")
        await sarah.reads("#bids b", "€ 85", "€ 80", "€ 70", "€ 45")
        when = "return document.querySelector('#bids time').dateTime"
        self.assertRegex(await sarah.run(when), r"^\d{4}-\d\d-\d\dT")
        await self.picture("auction", sarah, tom)
        late = await self.open("auction/")
        await self.stands(late, 85, "Bea leads.")
        await late.reads("#bids span", "Bea", "Ada", "Tom", "Sarah")
        await sarah.reads("#count", "3 users watching")
        await late.close()
        await tom.close()
        await sarah.reads("#count", "1 user watching")
        self.assertEqual(await sarah.complaints(), [])

    async def test_atOnce(self) -> None:
        """
        Of many equal bids at the same moment exactly one wins.  Of different bids the highest
        wins, and every page shows it in the end.
        """
        pages = [await self.open("auction/"), await self.open("auction/")]
        for page in pages:
            await self.stands(page, 40, "No bid yet.")
        won = await gather(*(self.bid(f"b{n}", 50) for n in range(20)))
        self.assertEqual(won.count(True), 1)
        await gather(*(self.bid(f"c{n}", 51 + n) for n in range(20)))
        for page in pages:
            await self.stands(page, 70, "c19 leads.")
        (row,) = (await self.query("SELECT price, bidder FROM auction_lots"))["results"]
        self.assertEqual(row, {"price": 70, "bidder": "c19"})

    async def test_lots(self) -> None:
        """
        Each lot is an auction of its own.
        """
        page = await self.open("auction/?lot=globe")
        await self.stands(page, 120, "No bid yet.")
        await page.click("#lots a:first-child")
        await self.stands(page, 40, "No bid yet.")
        self.assertTrue(await self.bid("Ada", 41))
        await self.stands(page, 41, "Ada leads.")
        other = await self.open("auction/?lot=__proto__")
        await self.stands(other, 41, "Ada leads.")

    async def test_otherOrder(self) -> None:
        """
        Bids that arrive in another order than they were accepted, and malformed bids, do no harm.
        """
        page = await self.open("auction/")
        await self.stands(page, 40, "No bid yet.")
        self.assertTrue(await self.bid("Ada", 50))
        await self.stands(page, 50, "Ada leads.")
        late = {"id": "lamp", "title": "A lamp", "price": 45, "bidder": "Bea", "bids": 1}
        for data in (late, None, 7, {}, {"price": "999"}, {"price": 1e300}):
            await self.emit("bid", data, "auction/lamp", persist=True)
        await page.reads("#bids b", "€ 50", "€ 45")
        await page.reads("#trouble", "")
        for each in (page, await self.open("auction/")):
            await self.stands(each, 50, "Ada leads.")
            await each.reads("#bids b", "€ 50", "€ 45")


class PostgresTests(PostgresDaemonTests):
    """
    Tests for the auction's server on PostgreSQL.
    """

    def config(self) -> Config:
        config = super().config()
        return replace(config, server=replace(config.server, examples=True))

    async def post(self, action: str, **given: Any) -> Any:
        """
        Send a request to the server.
        """
        path, body = f"/examples/api/auction/{action}", json.dumps({"lot": "lamp", **given})
        status, answer, _ = await self.http("POST", path, body.encode())
        self.assertEqual(status, 200, answer)
        return answer

    async def test_atOnce(self) -> None:
        """
        Of many equal bids at the same moment exactly one wins.
        """
        self.execute(f"GRANT CREATE ON SCHEMA public TO {ROLE}")
        for _ in range(2):
            self.assertEqual((await self.post("look"))["price"], 40)
        won = await gather(*(self.post("bid", bidder=f"b{n}", amount=50) for n in range(10)))
        self.assertEqual(won.count({"accepted": True}), 1)
        lot = await self.post("look")
        self.assertEqual((lot["price"], lot["bids"]), (50, 1))
