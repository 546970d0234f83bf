"""
The code of the product's first document, in the examples as it stands there.
"""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.web import EXAMPLES, Workshop

REACT = """
function LiveFeed() {
  const { realtime } = useAerostack()
  const [events, setEvents] = useState([])

  useEffect(() => {
    const channel = realtime.channel('orders')

    channel
      .on('INSERT', ({ data }) => setEvents(prev => [data, ...prev]))
      .on('UPDATE', ({ data }) => setEvents(prev =>
        prev.map(e => e.id === data.id ? data : e)
      ))
      .subscribe()

    return () => channel.unsubscribe()
  }, [realtime])

  return (
    <ul>
      {events.map(e => <li key={e.id}>{e.status}</li>)}
    </ul>
  )
}
"""

CHANNEL = """
const channel = realtime.channel('orders')

channel
  .on('INSERT', ({ data }) => setEvents(prev => [data, ...prev]))
  .on('UPDATE', ({ data }) => setEvents(prev =>
    prev.map(e => e.id === data.id ? data : e)
  ))
  .subscribe()

return () => channel.unsubscribe()
"""

SERVER = """
// Server: emit events to a channel

// After any operation, notify subscribers:
await sdk.db.query('UPDATE orders SET status = ? WHERE id = ?', ['shipped', orderId])

// For custom events, emit manually:
sdk.socket.emit('order:updated', { id: orderId, status: 'shipped' }, 'orders')
"""

STATUS = """
realtime.onStatusChange((status) => {
  // 'idle' | 'connecting' | 'connected' | 'reconnecting' | 'disconnected'
  console.log('Connection status:', status)
})
"""

CHAT = """
const channel = realtime.channel('chat/engineering')
channel.on('message', ({ data }) => {
  addMessage(data)
})
channel.subscribe()
"""

SAY = """
// Send a message from any client
sdk.socket.emit('message', { text, author, timestamp }, 'chat/engineering')
"""


def flat(code: str) -> str:
    """
    Code without its indentation.
    """
    return "\n".join(line.strip() for line in code.strip().splitlines())


class SeedTests(SynchronousTestCase):
    """
    Tests for the examples' files.
    """

    def test_verbatim(self) -> None:
        """
        Each piece stands in one of the examples, but for how far it is indented.
        """
        for name, code in (
            ("orders/LiveFeed.jsx", REACT),
            ("orders/app.js", CHANNEL),
            ("orders/ship.mjs", SERVER),
            ("shared.js", STATUS),
            ("chat/smallest.js", CHAT),
            ("chat/smallest.js", SAY),
        ):
            self.assertIn(flat(code), flat((EXAMPLES / name).read_text()), name)

    def test_compiles(self) -> None:
        """
        The React component compiles in an application with strict rules, and so does the same one
        with types.
        """
        names = ["LiveFeed.jsx", "LiveFeed.tsx"]
        files = [EXAMPLES / "orders" / name for name in names]
        workshop = Workshop(Path(self.mktemp()).absolute(), files)
        # As compilers do by default, this one reads JavaScript and leaves its types alone.
        workshop.check(*names, checkJs=False)

    def test_typed(self) -> None:
        """
        The component with types differs from the other one in types only.
        """
        plain, typed = (
            (EXAMPLES / "orders" / f"LiveFeed.{kind}").read_text() for kind in ("jsx", "tsx")
        )
        untyped = typed.replace("<Order[]>", "").replace("<Order>", "")
        self.assertEqual(re.sub(r"(?s)interface Order \{.*?\}\n\n", "", untyped), plain)
