import { call, json } from './http'
import { openStream, type StreamOptions } from './stream'
import type { StaffMember, Ticket, TicketPage } from './types'

export interface TicketFilter {
  state?: string | undefined
  cause?: string | undefined
  level_min?: number | undefined
  q?: string | undefined
  overdue?: boolean | undefined
  cursor?: string | undefined
}

/** The staff's side; the session cookie travels by itself. */
export const staff = {
  login: (username: string, password: string): Promise<StaffMember> =>
    call('/v1/staff/login', json('POST', { username, password })),
  logout: (): Promise<unknown> => call('/v1/staff/logout', json('POST', {})),
  me: (): Promise<StaffMember> => call('/v1/staff/me'),
  tickets: (filter: TicketFilter): Promise<TicketPage> => call(`/v1/tickets?${query(filter)}`),
  ticket: (number: string): Promise<Ticket> => call(`/v1/tickets/${encodeURIComponent(number)}`),
  comment: (number: string, text: string): Promise<Ticket> =>
    call(`/v1/tickets/${encodeURIComponent(number)}/events`, json('POST', { type: 'comment', text })),
  events: (options: Omit<StreamOptions, 'headers'>): (() => void) =>
    openStream('/v1/desk/events', { ...options, headers: () => ({}) }),
}

function query(filter: TicketFilter): string {
  const given = Object.entries(filter).filter(([, value]) => value !== undefined && value !== '')
  return new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString()
}
