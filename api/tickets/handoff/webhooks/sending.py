"""One attempt to deliver: signed, to a checked address, with an end to every wait."""

import asyncio
import secrets
import ssl
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
from standardwebhooks import Webhook

from api.core.settings import Settings
from api.tickets.handoff.webhooks.targets import Target, TargetRefusedError, Targets, TargetUnknownError

_CONNECT = 5.0  # seconds
_BODY = 4096  # bytes of an answer that are read, so that the connection can be used again; nobody looks at them
_BODY_SECONDS = 1.0
_GONE = 410
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt. `error` is a code of ours; `outage`: the receiver as a whole seems to be away."""

    status: int | None = None
    error: str | None = None
    outage: bool = False
    retry_after: float | None = None  # seconds, as the receiver wishes

    @property
    def delivered(self) -> bool:
        return self.error is None

    @property
    def gone(self) -> bool:
        return self.status == _GONE


def new_secret() -> str:
    return "whsec_" + b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    trusted = ssl.create_default_context()
    if ca_file is not None:
        trusted.load_verify_locations(ca_file)
    return trusted


class Sender:
    """Sends for one app. Receivers' certificates are checked against the system's store and `webhook_ca_file`."""

    def __init__(self, settings: Settings) -> None:
        self.targets = Targets(settings.webhook_allow)
        self._seconds = settings.webhook_timeout
        self._tls = _trust(settings.webhook_ca_file)

    def client(self) -> httpx.AsyncClient:
        """One for each webhook: a connection is never shared between two receivers behind one address."""
        timeout = httpx.Timeout(self._seconds, connect=_CONNECT)
        return httpx.AsyncClient(verify=self._tls, timeout=timeout, trust_env=False, follow_redirects=False)

    async def send(
        self, client: httpx.AsyncClient, url: str, signing: list[str], event_id: str, body: bytes
    ) -> Outcome:
        """Never raises for what the other side does."""
        try:
            async with asyncio.timeout(self._seconds):
                target = await self.targets.check(url)
                return await self._post(client, target, _headers(signing, event_id, body), body)
        except TargetRefusedError:
            return Outcome(error="target_refused")
        except TargetUnknownError:
            return Outcome(error="dns", outage=True)
        except (TimeoutError, httpx.TimeoutException):
            return Outcome(error="timeout", outage=True)
        except (httpx.HTTPError, OSError) as error:
            return Outcome(error="tls" if _is_tls(error) else "connection", outage=True)

    async def _post(self, client: httpx.AsyncClient, target: Target, headers: dict[str, str], body: bytes) -> Outcome:
        """To the first address that answers; nothing is sent before a connection stands."""
        for address in target.addresses[:-1]:
            with suppress(httpx.ConnectError, httpx.ConnectTimeout):
                return await _post_to(client, target.url, address, headers, body)
        return await _post_to(client, target.url, target.addresses[-1], headers, body)


async def _post_to(
    client: httpx.AsyncClient, url: httpx.URL, address: str, headers: dict[str, str], body: bytes
) -> Outcome:
    """The name is not resolved again, so that it cannot stand for another address now (DNS rebinding)."""
    request = client.build_request(
        "POST",
        url.copy_with(host=address),
        headers={**headers, "Host": url.netloc.decode()},
        content=body,
        extensions={"sni_hostname": url.raw_host.decode()},
    )
    response = await client.send(request, stream=True)
    try:
        return _judged(response)
    finally:
        with suppress(TimeoutError, httpx.HTTPError):
            await _skim(response)
        await response.aclose()


async def _skim(response: httpx.Response) -> None:
    async with asyncio.timeout(_BODY_SECONDS):
        seen = 0
        async for chunk in response.aiter_raw():
            seen += len(chunk)
            if seen > _BODY:
                return


def _judged(response: httpx.Response) -> Outcome:
    status = response.status_code
    if 200 <= status < 300:
        return Outcome(status)
    error = "redirect" if 300 <= status < 400 else f"http_{status}"
    return Outcome(status, error, outage=status in (429, 502, 503, 504), retry_after=_retry_after(response))


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds or a date; None for anything else."""
    told = response.headers.get("retry-after", "").strip()
    if told.isascii() and told.isdigit():
        return float(told[:9])
    with suppress(ValueError, TypeError):
        moment = parsedate_to_datetime(told)
        return max(0.0, (moment - datetime.now(moment.tzinfo or UTC)).total_seconds())
    return None


def _headers(signing: list[str], event_id: str, body: bytes) -> dict[str, str]:
    """Real time: receivers compare the timestamp with their own clocks, whatever TINGSU_CLOCK shows."""
    now, text = datetime.now(UTC), body.decode()
    return {
        "Content-Type": "application/json",
        "User-Agent": "tingsu-webhook/1",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(event_id, now, text) for secret in signing),
    }


def _is_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
