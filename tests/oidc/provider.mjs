// A certified OpenID Connect provider with its development login, for tests: any name may log in, and is what it is called.
// LIE makes it wrong in one way: audience, nonce, issuer, expired, signature.
import { SignJWT, decodeJwt, exportJWK, generateKeyPair } from 'jose'
import Provider from 'oidc-provider'

const { PORT, CALLBACK, AFTER_LOGOUT, LIE } = process.env
const issuer = `http://127.0.0.1:${PORT}`
const groups = {
  'li.si': ['complaints-handlers'],
  'wang.wu': ['complaints-admins', 'others'],
  'sun.qi': ['complaints-supervisors'],
  'zhou.ba': ['complaints-supervisors'],
  'qian.jiu': ['complaints-auditors'],
  'wu.shi': ['complaints-admins'],
  'key:desk': ['complaints-handlers'],
  System: ['complaints-handlers'],
  nobody: [],
}
const units = { 'sun.qi': {}, 'zhou.ba': { unit: [' ', ''] }, 'qian.jiu': {}, 'wu.shi': {} }

const keys = async () => {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  return { privateKey, jwk: { ...(await exportJWK(privateKey)), kid: 'one', alg: 'RS256', use: 'sig' } }
}
const mine = await keys()
const forged = await keys()

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'tingsu',
      client_secret: 'a-secret-for-tests-only',
      redirect_uris: [CALLBACK],
      post_logout_redirect_uris: [AFTER_LOGOUT],
    },
  ],
  jwks: { keys: [mine.jwk] },
  cookies: { keys: ['not-a-secret'] },
  pkce: { required: () => true },
  claims: { openid: ['sub'], profile: ['preferred_username', 'name', 'groups', 'unit'] },
  ttl: { AuthorizationCode: Number(process.env.CODE_LIFE ?? 60), Session: 600, Grant: 600, Interaction: 600, IdToken: 600, AccessToken: 600 },
  findAccount: (_, sub) => ({
    accountId: sub,
    claims: () => ({ sub, preferred_username: sub, name: `${sub} 的姓名`, groups: groups[sub] ?? [], ...(units[sub] ?? { unit: '运营部' }) }),
  }),
})

const LIES = {
  audience: { aud: 'somebody-else', azp: 'somebody-else' },
  nonce: { nonce: 'another' },
  issuer: { iss: 'https://evil.example' },
  expired: { exp: Math.floor(Date.now() / 1000) - 3600 },
  signature: {},
}

provider.use(async (ctx, next) => {
  await next()
  if (LIE && ctx.path === '/token' && ctx.body?.id_token) {
    const claims = { ...decodeJwt(ctx.body.id_token), ...LIES[LIE] }
    const key = LIE === 'signature' ? forged.privateKey : mine.privateKey
    const id_token = await new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'one' }).sign(key)
    ctx.body = { ...ctx.body, id_token }
  }
})

provider.listen(Number(PORT), '127.0.0.1', () => console.log('ready'))
