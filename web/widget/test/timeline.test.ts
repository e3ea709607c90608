import type { Message } from '@tingsu/client'
import { describe, expect, it } from 'vitest'
import { merge, openChoices, unconfirmed, type Pending } from '../src/composables/timeline'

function message(seq: number, over: Partial<Message> = {}): Message {
  return { seq, role: 'bot', text: `m${seq}`, created_at: '2026-11-24T12:00:00+08:00', ...over }
}

describe('merge', () => {
  it('keeps order and never doubles what arrives twice', () => {
    const merged = merge([message(1), message(3)], [message(2), message(3, { text: 'again' })])
    expect(merged.map((one) => one.seq)).toEqual([1, 2, 3])
    expect(merged[2]?.text).toBe('again')
  })
})

describe('unconfirmed', () => {
  it('drops a pending message once the bridge shows it', () => {
    const pending: Pending[] = [
      { outgoing: { client_id: 'a', text: '一' }, text: '一', state: 'sending' },
      { outgoing: { client_id: 'b', text: '二' }, text: '二', state: 'sending' },
    ]
    const left = unconfirmed(pending, [message(1, { role: 'customer', client_id: 'a' })])
    expect(left.map((one) => one.outgoing.client_id)).toEqual(['b'])
  })
})

describe('openChoices', () => {
  const offered = message(2, { choices: [{ choice_id: 'x', label: '确认提交' }] })

  it('offers the choices of the last answer', () => {
    expect(openChoices([message(1, { role: 'customer' }), offered])).toBe(2)
  })

  it('closes them once the customer has spoken', () => {
    expect(openChoices([offered, message(3, { role: 'customer' })])).toBeNull()
  })

  it('keeps them open behind a later bubble of the same answer', () => {
    expect(openChoices([offered, message(3)])).toBe(2)
  })
})
