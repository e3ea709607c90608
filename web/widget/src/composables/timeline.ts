import type { Message, Outgoing } from '@tingsu/client'

/** A message that the bridge has not confirmed yet. */
export interface Pending {
  outgoing: Outgoing
  text: string
  state: 'sending' | 'failed'
  reason?: string
}

/** Adds messages in order of their sequence number; one that is already there is replaced, never doubled. */
export function merge(known: readonly Message[], arrived: readonly Message[]): Message[] {
  const bySeq = new Map(known.map((message) => [message.seq, message]))
  for (const message of arrived) bySeq.set(message.seq, message)
  return [...bySeq.values()].sort((a, b) => a.seq - b.seq)
}

/** What is still on its way: a pending message disappears when the bridge shows it. */
export function unconfirmed(pending: readonly Pending[], known: readonly Message[]): Pending[] {
  const confirmed = new Set(known.map((message) => message.client_id))
  return pending.filter((one) => !confirmed.has(one.outgoing.client_id))
}

/** Only the newest message of the assistant offers its choices; older ones stay visible but are done. */
export function openChoices(messages: readonly Message[]): number | null {
  const last = messages.at(-1)
  if (!last || last.role === 'customer') return null
  for (const message of [...messages].reverse()) {
    if (message.role === 'customer') return null
    if (message.choices?.length) return message.seq
  }
  return null
}
