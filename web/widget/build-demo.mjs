// The demonstration page is plain HTML: a bank's page knows nothing of our build.
import { cpSync } from 'node:fs'

cpSync('demo', '../dist/demo', { recursive: true })
