"""What an administrator does with a webhook."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
from pydantic_core import to_json
from sqlalchemy import Connection

from api.core import audit
from api.core.clock import rfc3339
from api.core.context import Context
from api.core.errors import ApiError, NotFoundError
from api.core.models import AnyRow
from api.core.security import Principal, new_id
from api.tickets.handoff.webhooks import repository
from api.tickets.handoff.webhooks.courier import Courier, secrets_of
from api.tickets.handoff.webhooks.repository import Which
from api.tickets.handoff.webhooks.schemas import ReplayIn, WebhookChange, WebhookIn
from api.tickets.handoff.webhooks.sending import Outcome, new_secret

_UNTOLD = frozenset({"id", "secret", "old_secret", "created_at", "created_by", "updated_at", "failures", "resume_at"})
_MOST = 50  # each has a queue with connections of its own


class WebhookNotFoundError(NotFoundError):
    """Unknown or deleted."""

    code, message = "webhook_not_found", "找不到这个推送，请检查编号；已删除的不能再用。"


class TooManyWebhooksError(ApiError):
    """The limit of webhooks is reached."""

    status, code = 409, "too_many_webhooks"
    message = f"最多 {_MOST} 个推送，请先删除不用的。"


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The webhooks of one app."""

    ctx: Context
    courier: Courier

    async def create(self, body: WebhookIn, by: Principal) -> tuple[AnyRow, str]:
        """The webhook and its secret. It gets what happens from now on; `replay` with `since` sends what was before."""
        await self.courier.sender.targets.check(body.url)
        secret, now = new_secret(), self.ctx.clock.now()
        values = {
            **body.model_dump(),
            "id": f"wh_{new_id()}",
            "active": True,
            "secret": secret,
            "failures": 0,
            "created_at": now,
            "created_by": by.id,
            "updated_at": now,
        }
        return await self.ctx.db.write(lambda connection: self._add(connection, values, by)), secret

    async def change(self, webhook_id: str, body: WebhookChange, by: Principal) -> AnyRow:
        changes = body.model_dump(exclude_unset=True)
        if "url" in changes:
            await self.courier.sender.targets.check(changes["url"])
        if changes.get("active"):
            changes |= {"inactive_reason": None, "failures": 0, "resume_at": None}

        def write(connection: Connection) -> AnyRow:
            _existing(connection, webhook_id)
            repository.change(connection, webhook_id, {**changes, "updated_at": self.ctx.clock.now()})
            self._trace(connection, by, "change", webhook_id, changes)
            return _existing(connection, webhook_id)

        return await self.ctx.db.write(write)

    async def remove(self, webhook_id: str, by: Principal) -> None:
        now = self.ctx.clock.now()

        def write(connection: Connection) -> None:
            _existing(connection, webhook_id)
            repository.remove(connection, webhook_id, now)
            self._trace(connection, by, "delete", webhook_id)

        await self.ctx.db.write(write)

    async def rotate(self, webhook_id: str, grace_hours: int, by: Principal) -> tuple[str, datetime | None]:
        """The new secret, and until when the old one signs as well."""
        secret, until = new_secret(), self.ctx.clock.now() + timedelta(hours=grace_hours)

        def write(connection: Connection) -> None:
            old = _existing(connection, webhook_id).secret if grace_hours else None
            changes = {"secret": secret, "old_secret": old, "old_secret_until": until if old else None}
            repository.change(connection, webhook_id, {**changes, "updated_at": self.ctx.clock.now()})
            self._trace(connection, by, "rotate", webhook_id, {"old_secret_until": changes["old_secret_until"]})

        await self.ctx.db.write(write)
        return secret, until if grace_hours else None

    async def test(self, webhook_id: str) -> Outcome:
        """One signed `webhook.test`, outside the queue: it is neither tried again nor kept."""
        webhook = await self.find(webhook_id)
        event_id, now = f"test_{new_id()}", self.ctx.clock.now()
        body = to_json({"id": event_id, "type": "webhook.test", "timestamp": rfc3339(now), "data": {}})
        sender = self.courier.sender
        async with sender.client() as client:
            return await sender.send(client, webhook.url, secrets_of(webhook, now), event_id, body)

    async def replay(self, webhook_id: str, body: ReplayIn, by: Principal) -> int:
        """How many deliveries wait again."""
        which = Which(**body.model_dump())

        def write(connection: Connection) -> int:
            count = repository.replay(connection, _existing(connection, webhook_id), which)
            self._trace(connection, by, "replay", webhook_id, {**body.model_dump(), "count": count})
            return count

        return await self.ctx.db.write(write)

    async def find(self, webhook_id: str) -> AnyRow:
        return await self.ctx.db.read(lambda connection: _existing(connection, webhook_id))

    def _add(self, connection: Connection, values: dict[str, Any], by: Principal) -> AnyRow:
        if len(repository.every(connection)) >= _MOST:
            raise TooManyWebhooksError
        repository.add(connection, values)
        self._trace(connection, by, "create", values["id"], values)
        return _existing(connection, values["id"])

    def _trace(
        self, connection: Connection, by: Principal, what: str, webhook_id: str, told: Mapping[str, Any] | None = None
    ) -> None:
        """Who let data out to whom: the host of an address, never the rest of it, and no secret."""
        shown = {name: value for name, value in (told or {}).items() if name not in _UNTOLD}
        if "url" in shown:
            shown["url"] = httpx.URL(shown["url"]).host
        audit.note(
            connection,
            who=by.id,
            action=f"webhook.{what}",
            subject=webhook_id,
            now=self.ctx.clock.now(),
            changes={name: (None, value) for name, value in shown.items()},
        )


def _existing(connection: Connection, webhook_id: str) -> AnyRow:
    found = repository.find(connection, webhook_id)
    if found is None:
        raise WebhookNotFoundError
    return found
