import { useEffect, useState } from "react"
import { useAerostack } from "aerostack-rt/react"

interface Order {
  id: number
  status: string
}

function LiveFeed() {
  const { realtime } = useAerostack()
  const [events, setEvents] = useState<Order[]>([])

  useEffect(() => {
    const channel = realtime.channel<Order>('orders')

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

export { LiveFeed }
