"""The identity provider: discovery, authorization code with PKCE, and the identity token's proof (OpenID Connect Core).

Whatever is wrong with it, slow or gone, is one of the two errors here; nobody is let in then.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from api.core.errors import ApiError
from api.core.logging import get_logger
from api.core.settings import Settings

logger = get_logger("oidc")

_TIMEOUT = 5.0  # seconds; somebody waits at the login page
_FRESH = 3600.0  # seconds for which discovery and keys are kept
_LEEWAY = 60  # seconds by which two clocks may differ
# Asymmetric only: a token signed with the client's secret proves less, and "none" nothing.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


class OidcUnavailableError(ApiError):
    """The provider is slow, gone, or does not speak OpenID Connect."""

    status, code = 503, "oidc_unavailable"
    message = "统一身份认证暂时无法使用，请稍后再试；有本地账号的也可以用密码登录。"


class OidcRefusedError(ApiError):
    """The code or the token is not what it should be."""

    status, code = 401, "oidc_refused"
    message = "统一身份认证没有通过，请回到登录页重新登录。"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the provider says it is; `claims` of token and userinfo together."""

    subject: str
    claims: Mapping[str, Any]
    id_token: str


class OidcClient:
    """One provider. Made at first use, kept for the life of the app."""

    def __init__(self, settings: Settings) -> None:
        if settings.oidc_issuer is None or settings.oidc_client_id is None or settings.oidc_client_secret is None:
            raise ValueError("TINGSU_OIDC_ISSUER、TINGSU_OIDC_CLIENT_ID、TINGSU_OIDC_CLIENT_SECRET 要一起设置")
        self._issuer = settings.oidc_issuer.rstrip("/")
        self._id = settings.oidc_client_id
        self._secret = settings.oidc_client_secret.get_secret_value()
        self._scopes = settings.oidc_scopes
        self._http = httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False, headers={"Accept": "application/json"})
        self._found: dict[str, Any] = {}
        self._keys: KeySet | None = None
        self._until = 0.0

    async def close(self) -> None:
        await self._http.aclose()

    async def login_url(self, *, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        provider = await self._provider()
        question = {
            "response_type": "code", "client_id": self._id, "redirect_uri": redirect_uri, "scope": self._scopes,
            "state": state, "nonce": nonce, "code_challenge": create_s256_code_challenge(verifier),
            "code_challenge_method": "S256",
        }  # fmt: skip
        return f"{provider['authorization_endpoint']}?{urlencode(question)}"

    async def logout_url(self, id_token: str, after: str) -> str | None:
        """None when the provider has no logout of its own."""
        endpoint = (await self._provider()).get("end_session_endpoint")
        question = {"id_token_hint": id_token, "post_logout_redirect_uri": after, "client_id": self._id}
        return f"{endpoint}?{urlencode(question)}" if endpoint else None

    async def identity(self, *, code: str, redirect_uri: str, nonce: str, verifier: str) -> Identity:
        """Raises OidcRefusedError for a code or token that does not prove who it is."""
        provider = await self._provider()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        answer = await self._ask("POST", provider["token_endpoint"], data=form, auth=(self._id, self._secret))
        token, access = answer.get("id_token"), answer.get("access_token")
        if not isinstance(token, str) or not isinstance(access, str):
            raise OidcRefusedError
        claims = await self._proved(token, access, nonce)
        if endpoint := provider.get("userinfo_endpoint"):
            more = await self._ask("GET", endpoint, headers={"Authorization": f"Bearer {access}"})
            if more.get("sub") != claims["sub"]:
                raise OidcRefusedError
            claims = {**more, **claims}
        return Identity(str(claims["sub"]), claims, token)

    async def _proved(self, token: str, access: str, nonce: str) -> dict[str, Any]:
        for again in (False, True):
            keys = await self._key_set(again=again)
            try:
                read = jwt.decode(token, keys, algorithms=_ALGORITHMS)
                claims = CodeIDToken(
                    read.claims,
                    read.header,
                    {"iss": {"essential": True, "value": self._issuer}, "aud": {"essential": True, "value": self._id}},
                    {"nonce": nonce, "client_id": self._id, "access_token": access},
                )
                # The provider's clock is the real one, whatever ours was set to.
                claims.validate(now=int(time.time()), leeway=_LEEWAY)
            except (JoseError, ValueError) as error:
                # Once more with fresh keys: the provider may have changed them.
                if again:
                    logger.warning("token_refused", reason=type(error).__name__)
                    raise OidcRefusedError from error
            else:
                return dict(claims)
        raise OidcRefusedError

    async def _provider(self) -> dict[str, Any]:
        if time.monotonic() >= self._until:
            found = await self._ask("GET", f"{self._issuer}/.well-known/openid-configuration")
            needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
            if str(found.get("issuer", "")).rstrip("/") != self._issuer or not all(
                isinstance(found.get(name), str) for name in needed
            ):
                logger.warning("discovery_refused")
                raise OidcUnavailableError
            self._found, self._keys, self._until = found, None, time.monotonic() + _FRESH
        return self._found

    async def _key_set(self, *, again: bool) -> KeySet:
        if self._keys is None or again:
            found = await self._ask("GET", (await self._provider())["jwks_uri"])
            try:
                self._keys = KeySet.import_key_set(found)  # type: ignore[arg-type]  # checked by what it is for
            except (JoseError, ValueError, KeyError, TypeError) as error:
                raise OidcUnavailableError from error
        return self._keys

    async def _ask(self, method: str, url: str, **more: Any) -> dict[str, Any]:
        try:
            answer = await self._http.request(method, url, **more)
            found = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            logger.warning("provider_failed", reason=type(error).__name__)
            raise OidcUnavailableError from error
        if 400 <= answer.status_code < 500 and method == "POST":
            logger.warning("code_refused", status=answer.status_code)
            raise OidcRefusedError
        if answer.status_code != 200 or not isinstance(found, dict):
            logger.warning("provider_failed", status=answer.status_code)
            raise OidcUnavailableError
        return found
