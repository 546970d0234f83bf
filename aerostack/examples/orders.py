"""
The orders: a table whose changes all subscribers get.
"""

from __future__ import annotations

from typing import Any

from aerostack.errors import RealtimeError
from aerostack.examples.validation import Given, choice, number


# [create]
async def create(sdk: Any, given: Given) -> Any:
    """
    Insert an order.  The first order creates the table.
    """
    await sdk.db.query("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, status TEXT)")
    await sdk.db.query("INSERT INTO orders (status) VALUES (?)", ["new"])
    return {}


# [/create]
# [update]
async def update(sdk: Any, given: Given) -> Any:
    """
    Change the status of an order.
    """
    orderId, status = number(given, "id", 2**53), choice(given, "status", ("paid", "shipped"))
    # After any operation, notify subscribers:
    done = await sdk.db.query("UPDATE orders SET status = ? WHERE id = ?", [status, orderId])
    if not done["meta"]["changes"]:
        raise RealtimeError("invalid_arguments", f"There is no order {orderId}.")
    # For custom events, emit manually:
    await sdk.socket.emit("order:updated", {"id": orderId, "status": status}, "orders")
    return {}


# [/update]
async def remove(sdk: Any, given: Given) -> Any:
    """
    Forget an order.
    """
    await sdk.db.query("DELETE FROM orders WHERE id = ?", [number(given, "id", 2**53)])
    return {}
