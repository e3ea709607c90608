import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

export default defineConfig({
  // Every component's style goes into the shadow root; the bank's page and the widget cannot touch each other.
  plugins: [vue({ features: { customElement: true } })],
  define: { 'process.env.NODE_ENV': JSON.stringify('production') },
  build: {
    outDir: '../dist/widget',
    emptyOutDir: true,
    lib: { entry: 'src/main.ts', name: 'Tingsu', formats: ['iife'], fileName: () => 'tingsu-chat.js' },
  },
})
