import { mount } from '@vue/test-utils'
import { beforeEach, describe, expect, it } from 'vitest'
import MessageComposer from '../src/components/MessageComposer.vue'

describe('MessageComposer', () => {
  beforeEach(() => localStorage.clear())

  function composer(asks: string | null = null) {
    return mount(MessageComposer, { props: { base: '', asks } })
  }

  it('does not send while an input method composes', async () => {
    const wrapper = composer()
    await wrapper.find('textarea').setValue('jiao ban')
    await wrapper.find('textarea').trigger('keydown', { key: 'Enter', isComposing: true })
    await wrapper.find('textarea').trigger('keydown', { key: 'Enter', keyCode: 229 })
    expect(wrapper.emitted('send')).toBeUndefined()
  })

  it('does not send what is empty or longer than the bridge takes', async () => {
    const wrapper = composer()
    await wrapper.find('form').trigger('submit')
    await wrapper.find('textarea').setValue('长'.repeat(20_001))
    await wrapper.find('form').trigger('submit')
    expect(wrapper.emitted('send')).toBeUndefined()
    expect(wrapper.text()).toContain('超出 1 字')
  })

  it('breaks the line on Shift+Enter and sends on Enter', async () => {
    const wrapper = composer()
    await wrapper.find('textarea').setValue('中午交班没人办')
    await wrapper.find('textarea').trigger('keydown', { key: 'Enter', shiftKey: true })
    expect(wrapper.emitted('send')).toBeUndefined()
    await wrapper.find('textarea').trigger('keydown', { key: 'Enter' })
    expect(wrapper.emitted('send')).toEqual([['中午交班没人办']])
    expect(wrapper.find('textarea').element.value).toBe('')
  })

  it('keeps an unsent text over a reload', async () => {
    await composer().find('textarea').setValue('写到一半')
    expect(composer().find('textarea').element.value).toBe('写到一半')
  })

  it('offers digits when a phone number is asked for', () => {
    expect(composer('phone').find('textarea').attributes('inputmode')).toBe('numeric')
  })
})
