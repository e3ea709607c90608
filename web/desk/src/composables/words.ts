/** What codes of the wire read as on screen. */

export const CAUSES: Record<string, string> = {
  C1: '业务差错', C2: '口径不一致', C3: '等待时间长', C4: '流程繁琐', C5: '制度与营业安排', C6: '系统设备环境', C7: '服务态度',
  C8: '员工违规', C9: '营销与披露', C10: '收费与合同', C11: '资金与信息安全', C12: '催收', C99: '其他',
}

export const STATES: Record<string, string> = {
  new: '新建', accepted: '已受理', investigating: '核查中', waiting_customer: '待客户补充', waiting_third_party: '待外部',
  proposed: '已答复', closed_resolved: '已办结', closed_explained: '已说明办结', withdrawn: '已撤回',
  rejected_not_complaint: '不按投诉办理', merged: '已合并',
}

export const EVENTS: Record<string, string> = {
  create: '立案', created: '立案', merge: '同一事项再次反映', comment: '备注', contact: '联系客户', accept: '受理', reject: '退回',
  assign: '转派', extend: '延期', resolve: '处理结果', close: '办结', reopen: '重新打开', withdraw: '客户撤回', correct: '更正',
  urge: '客户催办', review: '客户申请核查', investigate: '开始核查', wait: '等待', resume: '恢复办理', assess: '认定',
  not_complaint: '不按投诉办理', classify: '认定复杂程度', recount: '重新计算时限', recuse: '回避', unrecuse: '解除回避', split: '拆出',
}

export const FIELDS: [name: string, label: string][] = [
  ['nature', '性质'], ['narrative_raw', '客户原话'], ['request', '诉求'], ['customer_quote', '诉求原话'], ['branch_name', '网点'], ['event_time', '发生时间'],
  ['event_time_text', '时间原话'], ['product', '业务'], ['amount', '金额（元）'], ['staff_described', '涉及人员'], ['name', '称呼'],
  ['phone', '联系电话'], ['card_tail', '卡尾号'], ['customer_type', '客户类型'], ['representative_count', '群体人数'], ['special_group', '特殊群体'], ['tags', '标签'],
  ['trigger_phrases', '情绪依据'], ['script_ids_used', '已用话术'], ['accepted_explanation', '是否接受解释'],
  ['business_category', '业务类别'], ['business_channel', '业务渠道'], ['incident_id', '关联事件'],
  ['intake_channel', '来源渠道'], ['std_code', '标准分类'], ['copied', '抄送'], ['extension_reason', '延期理由'], ['awaited', '等待的内容'], ['responsible', '负责部门'],
  ['recused_persons', '回避的人'], ['recused_units', '回避的部门'],
  ['outcome', '处理结果'], ['validity', '认定'],
]

export const PROMISES: Record<string, string> = {
  callback: '回电', first_contact: '首次联系', decision: '答复', authorization_original: '授权原件', evidence: '补充材料', review: '核查',
}

const ASKED: Record<string, string> = {
  ...Object.fromEntries(FIELDS), narrative: '经过', branch: '网点', authorization: '授权材料', cause: '原因', evidence: '材料',
}

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

/** A field's name as staff read it. */
export function labelOf(field: string): string {
  return ASKED[field] ?? field
}

/** The levels in the order in which they changed: 不满 → 激动. */
export function courseOf(levels: unknown): string {
  return Array.isArray(levels) ? levels.map((level) => `${String(level)} ${LEVELS[Number(level)] ?? ''}`.trim()).join(' → ') : ''
}

/** Each explanation with the level after it. */
export function explanationsOf(after: unknown): string {
  if (!after || typeof after !== 'object') return ''
  return Object.entries(after).map(([script, level]) => `${script} 之后 ${courseOf([level])}`).join('；')
}

/** Who speaks for whom, and what was said about the paper (3号令第十四条); empty when customers speak for themselves. */
export function agentOf(ticket: Record<string, unknown>): string {
  if (!ticket['is_agent']) return ''
  const who = ticket['agent_kind'] === 'heir' ? '继承人' : '代理人'
  const papers: Record<string, string> = { promised: '答应提供授权原件', none: '没有授权材料' }
  return `${who}，${papers[String(ticket['authorization'])] ?? '授权材料未问到'}`
}

export function ratingOf(rating: unknown): string {
  if (!rating || typeof rating !== 'object') return ''
  const { score, resolved, comment } = rating as Record<string, unknown>
  return [`${String(score)} 分`, resolved ? '认为已解决' : '认为未解决', shown(comment)].filter(Boolean).join('，')
}

/** What an entry of the thread brought that was new, and what it did to the term. */
export function newsOf(data: Record<string, unknown>): string {
  const facts = (data['facts'] ?? {}) as Record<string, unknown>
  const told = Object.entries(facts).map(([name, value]) => `${labelOf(name)} ${shown(value)}`)
  const names = Array.isArray(data['new_facts']) ? data['new_facts'].map(String).filter((name) => !(name in facts)).map(labelOf) : []
  const term = (data['due_at'] ?? {}) as Record<string, unknown>
  const moved = data['clock_restarted'] ? `重新计时：${moment(term['from'])} → ${moment(term['to'])}` : ''
  const news = [...told, ...names].join('、')
  return [news && `新的事实：${news}`, moved].filter(Boolean).join('；')
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
