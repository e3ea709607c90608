import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

// launcher/test.py asks for a JUnit file, to count every suite in one line.
const junit = process.env['TINGSU_JUNIT']

export default defineConfig({
  plugins: [vue()],
  test: {
    environment: 'happy-dom',
    include: ['**/test/**/*.test.ts'],
    ...(junit ? { reporters: ['default', 'junit'], outputFile: { junit } } : {}),
  },
})
