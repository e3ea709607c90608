import { createParser } from 'eventsource-parser'

export interface StreamEvent {
  event: string
  id: string | undefined
  data: unknown
}

export interface StreamOptions {
  headers: () => Record<string, string>
  lastEventId: () => string | undefined
  onEvent: (event: StreamEvent) => void
  onState: (state: 'open' | 'lost') => void
}

const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 15_000
/** The bridge sends a comment every 15 s; twice that without a byte means that the line is dead. */
const SILENCE_MS = 35_000

/**
 * Server-sent events over fetch, because EventSource cannot send the Authorization header and a token in the address
 * ends up in logs. Reconnects with growing waits and resumes after the last event; returns a function that ends it.
 */
export function openStream(url: string, options: StreamOptions): () => void {
  let ended = false
  let wait = FIRST_WAIT_MS
  let controller = new AbortController()

  async function connect(): Promise<void> {
    while (!ended) {
      controller = new AbortController()
      try {
        await readOnce()
      } catch {
        // A lost line is the normal case here; the state below tells the customer.
      }
      if (ended) return
      options.onState('lost')
      await new Promise((resolve) => setTimeout(resolve, wait * (0.5 + Math.random())))
      wait = Math.min(wait * 2, LONGEST_WAIT_MS)
    }
  }

  async function readOnce(): Promise<void> {
    const last = options.lastEventId()
    const headers = { Accept: 'text/event-stream', ...options.headers(), ...(last ? { 'Last-Event-ID': last } : {}) }
    const response = await fetch(url, { headers, signal: controller.signal, cache: 'no-store' })
    if (!response.ok || !response.body) throw new Error(`stream: ${response.status}`)
    options.onState('open')
    wait = FIRST_WAIT_MS
    const parser = createParser({
      onEvent: ({ event, id, data }) => options.onEvent({ event: event ?? 'message', id, data: parse(data) }),
    })
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    for (;;) {
      const silence = setTimeout(() => controller.abort(), SILENCE_MS)
      const { done, value } = await reader.read().finally(() => clearTimeout(silence))
      if (done) return
      parser.feed(value)
    }
  }

  void connect()
  return () => {
    ended = true
    controller.abort()
  }
}

function parse(data: string): unknown {
  try {
    return JSON.parse(data)
  } catch {
    return null
  }
}
