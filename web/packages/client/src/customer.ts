import { call, json } from './http'
import { openStream, type StreamOptions } from './stream'
import type { Credentials, History, Outgoing } from './types'

/** The customer's side of one conversation. */
export class CustomerClient {
  constructor(
    private readonly base: string,
    private readonly credentials: Credentials,
  ) {}

  static open(base: string): Promise<Credentials> {
    return call(`${base}/v1/conversations`, json('POST', { channel: 'web', consent: true }))
  }

  /** Safe to repeat: the same client_id is stored once and gives the same seq. */
  send(message: Outgoing): Promise<{ seq: number }> {
    return call(`${this.url}/messages`, json('POST', message, this.authorization))
  }

  /** Everything after a sequence number, however many pages that is. */
  async history(after = 0): Promise<History> {
    const page = await call<History>(`${this.url}/messages?after=${after}`, { headers: this.authorization })
    const last = page.messages.at(-1)
    if (!page.more || !last) return page
    const rest = await this.history(last.seq)
    return { ...rest, messages: [...page.messages, ...rest.messages] }
  }

  rate(score: number, resolved: boolean, comment?: string): Promise<unknown> {
    return call(`${this.url}/satisfaction`, json('POST', { score, resolved, ...(comment ? { comment } : {}) }, this.authorization))
  }

  events(options: Omit<StreamOptions, 'headers'>): () => void {
    return openStream(`${this.url}/events`, { ...options, headers: () => this.authorization })
  }

  private get url(): string {
    return `${this.base}/v1/conversations/${this.credentials.conversation_id}`
  }

  private get authorization(): Record<string, string> {
    return { Authorization: `Bearer ${this.credentials.token}` }
  }
}
