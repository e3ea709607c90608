import { mount } from '@vue/test-utils'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { effectScope, type EffectScope } from 'vue'
import IncidentLine from '../src/components/IncidentLine.vue'
import { useIncidents } from '../src/composables/useIncidents'

const OUTAGE = {
  incident_no: 'SJ20261125001',
  title: '手机银行登录异常',
  message: '正在抢修，您的资金不受影响。',
  workaround: null,
  services: ['手机银行'],
  from: '2026-11-25T09:10:00+08:00',
  to: null,
}

describe('useIncidents', () => {
  let scope: EffectScope
  const fetched = vi.fn<(url: string) => Promise<Response>>()

  beforeEach(() => {
    vi.useFakeTimers()
    vi.stubGlobal('fetch', fetched)
    tell(OUTAGE)
    scope = effectScope()
  })

  afterEach(() => {
    scope.stop()
    fetched.mockReset()
    vi.unstubAllGlobals()
    vi.useRealTimers()
  })

  function tell(...incidents: (typeof OUTAGE)[]): void {
    fetched.mockImplementation(() => Promise.resolve(new Response(JSON.stringify({ incidents }))))
  }

  async function watched() {
    const it = scope.run(() => useIncidents('https://bank'))
    if (!it) throw new Error('no scope')
    it.watchIncidents()
    await vi.advanceTimersByTimeAsync(0)
    return it
  }

  it('asks at once and every five minutes, however often it is started', async () => {
    const { incidents, watchIncidents } = await watched()
    watchIncidents()
    expect(fetched).toHaveBeenCalledOnce()
    expect(fetched.mock.calls[0]?.[0]).toBe('https://bank/v1/public/incidents')
    expect(incidents.value).toEqual([OUTAGE])
    tell()
    await vi.advanceTimersByTimeAsync(5 * 60_000)
    expect(incidents.value).toEqual([])
  })

  it('keeps what it knows when the bank cannot be reached', async () => {
    const { incidents } = await watched()
    fetched.mockImplementation(() => Promise.reject(new TypeError('failed')))
    await vi.advanceTimersByTimeAsync(5 * 60_000)
    expect(incidents.value).toEqual([OUTAGE])
  })

  it('leaves a closed incident closed until there is news of it', async () => {
    const { incidents, close } = await watched()
    close(OUTAGE)
    await vi.advanceTimersByTimeAsync(5 * 60_000)
    expect(incidents.value).toEqual([])
    tell({ ...OUTAGE, message: '已经恢复一部分。' })
    await vi.advanceTimersByTimeAsync(5 * 60_000)
    expect(incidents.value).toHaveLength(1)
  })

  it('asks no more once the chat is gone', async () => {
    await watched()
    scope.stop()
    await vi.advanceTimersByTimeAsync(60 * 60_000)
    expect(fetched).toHaveBeenCalledOnce()
  })
})

describe('IncidentLine', () => {
  it('says title and message, and can be closed', async () => {
    const wrapper = mount(IncidentLine, { props: { incident: OUTAGE } })
    expect(wrapper.find('span').text()).toBe('手机银行登录异常：正在抢修，您的资金不受影响。')
    await wrapper.find('button').trigger('click')
    expect(wrapper.emitted('close')).toHaveLength(1)
  })
})
