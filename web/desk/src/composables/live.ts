import { staff, type StreamEvent } from '@tingsu/client'
import { onScopeDispose, ref } from 'vue'

/** Calls back when the bridge reports a change; `connected` is false while the line is down. */
export function useLive(onChange: (event: StreamEvent) => void, onBack: () => void) {
  const connected = ref(true)
  let last: string | undefined
  const close = staff.events({
    lastEventId: () => last,
    onEvent: (event) => {
      last = event.id ?? last
      onChange(event)
    },
    onState: (state) => {
      if (state === 'open' && !connected.value) onBack()
      connected.value = state === 'open'
    },
  })
  onScopeDispose(close)
  return { connected }
}
