import { staff, type StaffMember } from '@tingsu/client'
import { readonly, ref } from 'vue'

const member = ref<StaffMember | null>(null)

/** Who is at the desk. The bridge decides what they may see; this only spares a round trip per page. */
export const session = {
  member: readonly(member),

  async known(): Promise<boolean> {
    member.value ??= await staff.me().catch(() => null)
    return member.value !== null
  },

  async login(username: string, password: string): Promise<void> {
    member.value = await staff.login(username, password)
  },

  async logout(): Promise<void> {
    await staff.logout().catch(() => undefined)
    member.value = null
  },

  expired(): void {
    member.value = null
  },
}
