import { ApiError, CustomerClient, type Credentials, type Message, type Outgoing, type Owner } from '@tingsu/client'
import { computed, onScopeDispose, ref, shallowRef } from 'vue'
import { loadCredentials, saveCredentials } from './storage'
import { merge, openChoices, unconfirmed, type Pending } from './timeline'

type Status = 'new' | 'resuming' | 'opening' | 'open' | 'error'

/** The bot answers in well under a second; a dot that stays longer says something that is not true. */
const TYPING_MS = 12_000
const RETRY_MS = 4_000

/** One conversation with the bank: its messages, what is on the way, and the verbs of a customer. */
export function useConversation(base: string) {
  const status = ref<Status>('new')
  const messages = shallowRef<Message[]>([])
  const pending = shallowRef<Pending[]>([])
  const owner = ref<Owner>('bot')
  const ticketNo = ref<string | null>(null)
  const connected = ref(true)
  const typing = ref(false)
  const problem = ref('')

  let client: CustomerClient | null = null
  let close: () => void = () => undefined
  let typingTimer: ReturnType<typeof setTimeout> | undefined
  let retryTimer: ReturnType<typeof setTimeout> | undefined

  /** Goes on with an earlier conversation of this browser, if there is one; tries again while the bank cannot be reached. */
  async function resume(): Promise<void> {
    const credentials = loadCredentials(base)
    if (!credentials) return
    status.value = 'resuming'
    try {
      await attach(credentials)
      problem.value = ''
    } catch (error) {
      if (error instanceof ApiError && !error.isTemporary) {
        saveCredentials(base, null)
        status.value = 'new'
      } else {
        problem.value = '网络不通，正在重试…'
        retryTimer = setTimeout(() => void resume(), RETRY_MS)
      }
    }
  }

  async function start(): Promise<void> {
    if (status.value === 'opening') return
    status.value = 'opening'
    problem.value = ''
    try {
      const credentials = await CustomerClient.open(base)
      saveCredentials(base, credentials)
      await attach(credentials)
    } catch (error) {
      status.value = 'error'
      problem.value = sentence(error)
    }
  }

  async function attach(credentials: Credentials): Promise<void> {
    client = new CustomerClient(base, credentials)
    await refresh()
    status.value = 'open'
    close = client.events({
      lastEventId: () => lastSeq()?.toString(),
      onEvent: ({ event, data }) => receive(event, data as Record<string, unknown> | null),
      onState: (state) => {
        const back = state === 'open' && !connected.value
        connected.value = state === 'open'
        if (back) void refresh().then(flush)
      },
    })
  }

  function lastSeq(): number | undefined {
    return messages.value.at(-1)?.seq
  }

  async function refresh(): Promise<void> {
    if (!client) return
    const history = await client.history()
    add(history.messages)
    owner.value = history.owner
    ticketNo.value = history.ticket_no ?? null
  }

  function receive(event: string, data: Record<string, unknown> | null): void {
    if (!data) return
    if (event === 'message') add([data as unknown as Message])
    else if (event === 'typing') showTyping(data['active'] === true)
    else if (event === 'owner') owner.value = data['owner'] as Owner
    else if (event === 'ticket') ticketNo.value = (data['ticket_no'] as string | undefined) ?? null
  }

  function add(arrived: Message[]): void {
    messages.value = merge(messages.value, arrived)
    pending.value = unconfirmed(pending.value, messages.value)
    if (arrived.some((message) => message.role !== 'customer')) showTyping(false)
  }

  function showTyping(on: boolean): void {
    clearTimeout(typingTimer)
    typing.value = on
    if (on) typingTimer = setTimeout(() => (typing.value = false), TYPING_MS)
  }

  function say(text: string): void {
    enqueue({ client_id: newId(), text }, text)
  }

  function choose(choiceId: string, label: string): void {
    // A second click on the same button is the same message.
    if (pending.value.some((one) => 'choice_id' in one.outgoing && one.outgoing.choice_id === choiceId)) return
    enqueue({ client_id: `choice-${choiceId}`, choice_id: choiceId }, label)
  }

  function enqueue(outgoing: Outgoing, text: string): void {
    pending.value = [...pending.value, { outgoing, text, state: 'sending' }]
    void deliver(outgoing)
  }

  async function deliver(outgoing: Outgoing): Promise<void> {
    if (!client) return
    // Before sending: the answer may arrive before the bridge's receipt does.
    showTyping(owner.value === 'bot' || owner.value === 'queued')
    try {
      await client.send(outgoing)
      if (!connected.value) await refresh()
    } catch (error) {
      showTyping(false)
      const temporary = !(error instanceof ApiError) || error.isTemporary
      if (temporary) retryLater()
      else fail(outgoing, sentence(error))
    }
  }

  function fail(outgoing: Outgoing, reason: string): void {
    pending.value = pending.value.map((one) =>
      one.outgoing.client_id === outgoing.client_id ? { ...one, state: 'failed', reason } : one,
    )
  }

  function retryLater(): void {
    clearTimeout(retryTimer)
    retryTimer = setTimeout(flush, RETRY_MS)
  }

  /** Sends everything that is still waiting, oldest first; client_id keeps the bridge from storing it twice. */
  async function flush(): Promise<void> {
    for (const one of pending.value) if (one.state === 'sending') await deliver(one.outgoing)
  }

  function again(one: Pending): void {
    pending.value = pending.value.filter((other) => other !== one)
    enqueue(one.outgoing, one.text)
  }

  function drop(one: Pending): void {
    pending.value = pending.value.filter((other) => other !== one)
  }

  async function rate(score: number, resolved: boolean): Promise<void> {
    await client?.rate(score, resolved)
  }

  function forget(): void {
    close()
    saveCredentials(base, null)
    messages.value = []
    pending.value = []
    ticketNo.value = null
    status.value = 'new'
  }

  onScopeDispose(() => {
    close()
    clearTimeout(typingTimer)
    clearTimeout(retryTimer)
  })

  return {
    status, messages, pending, owner, ticketNo, connected, typing, problem,
    choicesOf: computed(() => openChoices(messages.value)),
    resume, start, say, choose, again, drop, rate, forget,
  }
}

/** randomUUID exists on HTTPS pages only; a bank's intranet may have none. */
function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function sentence(error: unknown): string {
  return error instanceof Error ? error.message : '系统繁忙，请稍后再试'
}
