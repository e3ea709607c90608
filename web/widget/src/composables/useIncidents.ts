import { runningIncidents, type PublicIncident } from '@tingsu/client'
import { computed, onScopeDispose, ref, shallowRef } from 'vue'

const EVERY_MS = 5 * 60_000

/** What the bank announces above the chat. The chat works without it, so a failure keeps what was known. */
export function useIncidents(base: string) {
  const running = shallowRef<PublicIncident[]>([])
  const closed = ref(new Set<string>())
  let timer: ReturnType<typeof setInterval> | undefined

  /** From the first look at the chat on; further calls do nothing. */
  function watchIncidents(): void {
    if (timer !== undefined) return
    timer = setInterval(() => void refresh(), EVERY_MS)
    void refresh()
  }

  async function refresh(): Promise<void> {
    try {
      running.value = await runningIncidents(base)
    } catch {
      // The next round asks again.
    }
  }

  function close(incident: PublicIncident): void {
    closed.value.add(key(incident))
  }

  onScopeDispose(() => clearInterval(timer))

  return { incidents: computed(() => running.value.filter((one) => !closed.value.has(key(one)))), watchIncidents, close }
}

/** News about a closed incident is shown again. */
function key(incident: PublicIncident): string {
  return `${incident.incident_no} ${incident.message}`
}
