import { createRouter, createWebHistory } from 'vue-router'
import LoginPage from './pages/LoginPage.vue'
import TicketListPage from './pages/TicketListPage.vue'
import TicketPage from './pages/TicketPage.vue'
import { session } from './composables/session'

export const router = createRouter({
  history: createWebHistory('/desk/'),
  routes: [
    { path: '/', redirect: '/tickets' },
    { path: '/login', component: LoginPage },
    { path: '/tickets', component: TicketListPage },
    { path: '/tickets/:number', component: TicketPage, props: true },
    { path: '/:rest(.*)*', redirect: '/tickets' },
  ],
})

router.beforeEach(async (to) => {
  if (to.path === '/login') return true
  return (await session.known()) ? true : { path: '/login', query: { next: to.fullPath } }
})
