import { call } from './http'
import type { PublicIncident } from './types'

/** What runs now and concerns customers; needs no login. */
export async function runningIncidents(base: string): Promise<PublicIncident[]> {
  const { incidents } = await call<{ incidents: PublicIncident[] }>(`${base}/v1/public/incidents`)
  return incidents
}
