import { defineCustomElement } from 'vue'
import TingsuChat from './TingsuChat.vue'

if (!customElements.get('tingsu-chat')) customElements.define('tingsu-chat', defineCustomElement(TingsuChat))
