import { ApiError, OFFLINE } from './errors'

const TIMEOUT_MS = 15_000

/** One JSON call; every failure is an ApiError with a message for people. */
export async function call<T>(url: string, init: RequestInit = {}, timeout = TIMEOUT_MS): Promise<T> {
  let response: Response
  try {
    response = await fetch(url, { ...init, signal: AbortSignal.timeout(timeout) })
  } catch {
    throw OFFLINE
  }
  const body: unknown = await response.json().catch(() => null)
  if (response.ok) return body as T
  const error = (body as { error?: { code?: string; message?: string } } | null)?.error
  throw new ApiError(response.status, error?.code ?? 'unknown', error?.message ?? '系统繁忙，请稍后再试')
}

export function json(method: string, body: unknown, headers: Record<string, string> = {}): RequestInit {
  return { method, body: JSON.stringify(body), headers: { 'Content-Type': 'application/json', ...headers } }
}
