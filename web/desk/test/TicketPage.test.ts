import { flushPromises, mount } from '@vue/test-utils'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createMemoryHistory, createRouter } from 'vue-router'
import TicketPage from '../src/pages/TicketPage.vue'

vi.mock('../src/composables/live', () => ({ useLive: () => ({ connected: true }) }))

const PLAIN = {
  ticket_no: 'TS1', state: 'new', cause_l1: 'C5', level: 1, level_peak: 2, route: '网点负责人', created_at: '2026-11-25T10:00:00+08:00',
  clock_started_at: '2026-11-25T10:00:00+08:00', clocks: [], promises: [], events: [], missing_fields: [], level_course: [],
  explanation_levels: {}, urged_count: 0, is_agent: false, anonymous: false, satisfaction: null,
}

async function page(more: Record<string, unknown>): Promise<string> {
  vi.stubGlobal('fetch', () => Promise.resolve(new Response(JSON.stringify({ ...PLAIN, ...more }))))
  const router = createRouter({ history: createMemoryHistory(), routes: [{ path: '/:all(.*)', component: {} }] })
  const wrapper = mount(TicketPage, { props: { number: 'TS1' }, global: { plugins: [router] } })
  await flushPromises()
  return wrapper.text()
}

describe('the ticket page', () => {
  afterEach(() => vi.unstubAllGlobals())

  it('says nothing of what there is not', async () => {
    const text = await page({})
    expect(text).toContain('TS1')
    for (const word of ['匿名', '没有问到', '承诺', '代为投诉', '情绪变化', '解释效果', '催办次数', '重新计时', '满意度']) expect(text).not.toContain(word)
  })

  it('shows how the draft came about, what was promised, and what was new', async () => {
    const due = { from: '2026-12-10T23:59:59+08:00', to: '2026-12-13T23:59:59+08:00' }
    const text = await page({
      anonymous: true, is_agent: true, agent_kind: 'agent', authorization: 'promised', representative_count: 6,
      missing_fields: ['branch', 'amount'], level_course: [1, 2], explanation_levels: { X02: 1 }, urged_count: 2,
      clock_started_at: '2026-11-28T10:00:00+08:00', satisfaction: { score: 4, resolved: true },
      promises: [{ kind: 'callback', text: '联系客户', due_at: '2026-11-26T23:59:59+08:00', made_at: PLAIN.created_at, met_at: null, overdue: true }],
      events: [{ seq: 1, type: 'merge', actor: 'bot', at: PLAIN.created_at, data: { new_facts: ['amount'], facts: { amount: '200' }, clock_restarted: true, due_at: due } }],
    })
    for (const word of [
      '客户要求匿名', '没有问到：网点、金额（元）', '代理人，答应提供授权原件', '群体人数6', '1 不满 → 2 激动', 'X02 之后 1 不满', '催办次数2', '11/28 10:00 起重新计时',
      '4 分，认为已解决', '回电', '已超期', '新的事实：金额（元） 200；重新计时：12/10 23:59 → 12/13 23:59',
    ]) expect(text).toContain(word)
  })
})
