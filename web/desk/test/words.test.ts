import { describe, expect, it } from 'vitest'
import { agentOf, courseOf, explanationsOf, labelOf, newsOf, ratingOf } from '../src/composables/words'

describe('what a ticket tells', () => {
  it('names levels and what explanations did', () => {
    expect(courseOf([1, 2, 0])).toBe('1 不满 → 2 激动 → 0 平静')
    expect(courseOf(undefined)).toBe('')
    expect(explanationsOf({ X01: 2, X02: 1 })).toBe('X01 之后 2 激动；X02 之后 1 不满')
    expect(explanationsOf({})).toBe('')
  })

  it('says who speaks for whom only when somebody does', () => {
    expect(agentOf({ is_agent: false, authorization: 'promised' })).toBe('')
    expect(agentOf({ is_agent: true, agent_kind: 'heir', authorization: 'none' })).toBe('继承人，没有授权材料')
    expect(agentOf({ is_agent: true, authorization: null })).toBe('代理人，授权材料未问到')
  })

  it('tells new facts with their words, and the term when it began again', () => {
    const due = { from: '2026-12-10T23:59:59+08:00', to: '2026-12-13T23:59:59+08:00' }
    const news = newsOf({ new_facts: ['amount', 'evidence'], facts: { amount: '200' }, clock_restarted: true, due_at: due })
    expect(news).toBe('新的事实：金额（元） 200、材料；重新计时：12/10 23:59 → 12/13 23:59')
    expect(newsOf({ clock_restarted: true, due_at: due })).toBe('重新计时：12/10 23:59 → 12/13 23:59')
    expect(newsOf({ text: '备注' })).toBe('')
    expect(newsOf({ days: 10, due_at: '2026-12-10T23:59:59+08:00' })).toBe('')
  })

  it('names fields that were asked for, and ratings', () => {
    expect([labelOf('branch'), labelOf('event_time'), labelOf('surprise')]).toEqual(['网点', '发生时间', 'surprise'])
    expect(ratingOf({ score: 4, resolved: true, comment: null })).toBe('4 分，认为已解决')
    expect(ratingOf(null)).toBe('')
  })
})
