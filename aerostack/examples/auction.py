"""
The auction: the database decides which bid counts, and the daemon sends it to all subscribers.
"""

from __future__ import annotations

from typing import Any

from aerostack.examples.validation import Given, choice, number, text

LOTS = {
    "lamp": ("A brass desk lamp", 40),
    "globe": ("A globe of 1928", 120),
    "radio": ("A valve radio", 75),
}
"""The lots, and their first prices."""


async def look(sdk: Any, given: Given) -> Any:
    """
    Give the state of a lot.  The first request creates it.
    """
    lot = choice(given, "lot", LOTS)
    await sdk.db.query(
        "CREATE TABLE IF NOT EXISTS auction_lots"
        " (id TEXT PRIMARY KEY, title TEXT, price INTEGER, bidder TEXT, bids INTEGER)"
    )
    await sdk.db.query(
        "INSERT INTO auction_lots VALUES (?, ?, ?, NULL, 0) ON CONFLICT (id) DO NOTHING",
        [lot, *LOTS[lot]],
    )
    found = await sdk.db.query("SELECT * FROM auction_lots WHERE id = ?", [lot])
    return found["results"][0]


# [bid]
async def bid(sdk: Any, given: Given) -> Any:
    """
    Bid for a lot.
    """
    lot, bidder = choice(given, "lot", LOTS), text(given, "bidder", 40)
    amount = number(given, "amount", 1_000_000)
    # The condition and the change are one statement: of two bids at the same time, the second sees
    # the first.
    done = await sdk.db.query(
        "UPDATE auction_lots SET price = ?, bidder = ?, bids = bids + 1"
        " WHERE id = ? AND price < ? RETURNING id, title, price, bidder, bids",
        [amount, bidder, lot, amount],
    )
    for accepted in done["results"]:
        await sdk.socket.emit("bid", accepted, f"auction/{lot}", persist=True)
    return {"accepted": bool(done["results"])}


# [/bid]
