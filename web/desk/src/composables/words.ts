/** What codes of the wire read as on screen. */

export const CAUSES: Record<string, string> = {
  C1: '业务差错', C2: '口径不一致', C3: '等待时间长', C4: '流程繁琐', C5: '制度与营业安排', C6: '系统设备环境', C7: '服务态度',
  C8: '员工违规', C9: '营销与披露', C10: '收费与合同', C11: '资金与信息安全', C12: '催收', C99: '其他',
}

export const STATES: Record<string, string> = {
  new: '新建', accepted: '已受理', investigating: '核查中', waiting_customer: '待客户补充', waiting_third_party: '待外部',
  proposed: '待客户确认', closed_resolved: '已办结', closed_explained: '已解释办结', withdrawn: '已撤回', rejected: '不予受理',
  rejected_not_complaint: '非投诉', merged: '已合并', resolved: '已处理', closed: '已办结',
}

export const EVENTS: Record<string, string> = {
  create: '立案', created: '立案', merge: '同一事项再次反映', comment: '备注', contact: '联系客户', accept: '受理', reject: '退回',
  assign: '转派', extend: '延期', resolve: '处理结果', close: '办结', reopen: '重新打开', withdraw: '客户撤回', correct: '更正',
}

export const FIELDS: [name: string, label: string][] = [
  ['narrative_raw', '客户原话'], ['request', '诉求'], ['customer_quote', '诉求原话'], ['branch_name', '网点'], ['event_time', '发生时间'],
  ['event_time_text', '时间原话'], ['product', '业务'], ['amount', '金额（元）'], ['staff_described', '涉及人员'], ['name', '称呼'],
  ['phone', '联系电话'], ['card_tail', '卡尾号'], ['representative_count', '人数'], ['special_group', '特殊群体'], ['tags', '标签'],
  ['trigger_phrases', '情绪依据'], ['script_ids_used', '已用话术'], ['accepted_explanation', '是否接受解释'],
  ['intake_channel', '来源渠道'], ['std_code', '标准分类'], ['copied', '抄送'],
]

export const LEVELS = ['平静', '不满', '激动', '升级风险', '重大']

const VALUES: Record<string, string> = {
  unasked: '未询问', yes: '接受', no: '不接受', web: '网页', wechat: '微信', hotline: '热线', branch: '网点', transfer: '转办',
}

/** A field's value as staff read it; empty when there is nothing to show. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return value.join('、')
  if (value === true) return '是'
  if (value === null || value === undefined || value === false) return ''
  return VALUES[String(value)] ?? String(value)
}

export function moment(value: unknown): string {
  if (typeof value !== 'string' || !value) return '—'
  const date = new Date(value)
  if (Number.isNaN(date.getTime())) return value
  return date.toLocaleString('zh-CN', { month: 'numeric', day: 'numeric', hour: '2-digit', minute: '2-digit', timeZone: 'Asia/Shanghai' })
}

/** What staff should know before they trust the cause; empty when nothing else was likely. */
export function doubtOf(ticket: Record<string, unknown>): string {
  if (!ticket['cause_runner_up']) return ''
  const sure = typeof ticket['cause_confidence'] === 'number' ? `把握 ${Math.round(100 * ticket['cause_confidence'])}%，` : ''
  return `${sure}也可能是 ${String(ticket['cause_runner_up'])} ${String(ticket['cause_runner_up_name'] ?? '')}`.trim()
}

export function cause(l1: string | null | undefined, l2?: string | null): string {
  return l1 ? `${l2 ?? l1} ${CAUSES[l1] ?? ''}` : '未分类'
}
