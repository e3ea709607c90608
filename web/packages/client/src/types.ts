/** The shapes of the bridge's public contract (api.md). Names are the wire's own. */

export type Owner = 'bot' | 'queued' | 'human' | 'human_wrapup' | 'closed'
export type Role = 'customer' | 'bot' | 'agent' | 'system'

export interface Choice {
  choice_id: string
  label: string
}

export interface CardField {
  name: string
  label: string
  value: string
}

export interface Card {
  kind: 'read_back' | 'receipt'
  title: string
  fields: CardField[]
}

/** A file that was taken; name and size as they are kept. */
export interface Attachment {
  attachment_id: string
  name: string
  size: number
  media_type: string
}

export interface Message {
  seq: number
  role: Role
  text: string
  choices?: Choice[] | null
  card?: Card | null
  asks?: string | null
  client_id?: string | null
  choice_id?: string | null
  attachments?: Attachment[] | null
  created_at: string
}

export interface History {
  messages: Message[]
  owner: Owner
  ticket_no?: string | null
  /** The page is full: read on after its last message. */
  more?: boolean
}

export interface Credentials {
  conversation_id: string
  token: string
}

export interface PublicIncident {
  incident_no: string
  title: string
  message: string
  workaround: string | null
  services: string[]
  from: string
  to: string | null
}

export type Outgoing = { client_id: string; text: string } | { client_id: string; choice_id: string } | { client_id: string; attachment_ids: string[] }

export interface TicketRow {
  ticket_no: string
  state: string
  state_text?: string
  cause_l1: string | null
  cause_l2?: string | null
  cause_name?: string | null
  level: number
  level_peak: number
  branch_name: string | null
  summary: string | null
  route: string | null
  due_at: string | null
  overdue?: boolean
  created_at: string
}

export interface TicketPage {
  tickets: TicketRow[]
  next_cursor: string | null
}

export interface TicketEvent {
  seq: number
  type: string
  actor: string
  audience?: 'staff' | 'customer'
  at: string
  data: Record<string, unknown>
}

/** `due_at` null: it stands still. `provisional`: counted over a year whose working days are not published. */
export interface Clock {
  kind: string
  due_at: string | null
  provisional?: boolean
  basis?: string
  met_at?: string | null
  overdue?: boolean
}

/** Owed by word, beside the clocks; without `due_at` it is the customer's to keep. */
export interface TicketPromise {
  kind: string
  text: string
  due_at: string | null
  made_at: string
  met_at: string | null
  overdue: boolean
}

export type Ticket = TicketRow &
  Record<string, unknown> & {
    /** Entries in the thread; sent back as `expected_version` with what is decided on this sight of the ticket. */
    version?: number
    events: TicketEvent[]
    clocks: Clock[]
    promises: TicketPromise[]
  }

export interface StaffMember {
  username: string
  role: string
}
