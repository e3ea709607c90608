import type { Credentials } from '@tingsu/client'

/** What survives a reload. WeChat's web view may refuse or clear storage: then the conversation lives as long as the page. */
const memory = new Map<string, string>()

function read(key: string): string | null {
  try {
    return localStorage.getItem(key)
  } catch {
    return memory.get(key) ?? null
  }
}

function write(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(key)
    else localStorage.setItem(key, value)
  } catch {
    if (value === null) memory.delete(key)
    else memory.set(key, value)
  }
}

export function loadCredentials(base: string): Credentials | null {
  const stored = read(`tingsu:${base}:conversation`)
  try {
    return stored ? (JSON.parse(stored) as Credentials) : null
  } catch {
    return null
  }
}

export function saveCredentials(base: string, credentials: Credentials | null): void {
  write(`tingsu:${base}:conversation`, credentials ? JSON.stringify(credentials) : null)
}

export function loadDraft(base: string): string {
  return read(`tingsu:${base}:draft`) ?? ''
}

export function saveDraft(base: string, text: string): void {
  write(`tingsu:${base}:draft`, text || null)
}
