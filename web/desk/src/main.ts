import { createApp } from 'vue'
import DeskApp from './DeskApp.vue'
import { router } from './router'
import './desk.css'

createApp(DeskApp).use(router).mount('#app')
