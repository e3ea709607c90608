import { afterEach, describe, expect, it, vi } from 'vitest'
import { ApiError } from '../src/errors'
import { call } from '../src/http'

function answer(status: number, body: unknown): void {
  vi.stubGlobal('fetch', () => Promise.resolve(new Response(JSON.stringify(body), { status })))
}

describe('call', () => {
  afterEach(() => vi.unstubAllGlobals())

  it('says when the network is gone, and that trying again helps', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('failed')))
    const error = await call('/x').catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ApiError)
    expect((error as ApiError).isTemporary).toBe(true)
  })

  it('carries the message written for people', async () => {
    answer(422, { error: { code: 'consent_required', message: '请先同意' } })
    await expect(call('/x')).rejects.toMatchObject({ code: 'consent_required', message: '请先同意', isTemporary: false })
  })

  it('has words of its own when the answer has none', async () => {
    answer(502, null)
    await expect(call('/x')).rejects.toMatchObject({ status: 502, message: '系统繁忙，请稍后再试', isTemporary: true })
  })

  it('returns the body', async () => {
    answer(201, { token: 't' })
    await expect(call('/x')).resolves.toEqual({ token: 't' })
  })
})
