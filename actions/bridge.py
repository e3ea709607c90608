"""The only speaker of HTTP to the bridge. Every call says what happens when the other side is slow, wrong or gone."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from contract.branch import Branch
from contract.incident import Incident
from contract.ticket import TicketCreate

_NOT_SHOWN = (httpx.codes.NOT_FOUND, httpx.codes.UNPROCESSABLE_ENTITY, httpx.codes.TOO_MANY_REQUESTS)
# The bot gives an action 2.5 s (bot/channels/bridge.py); an answer after that would find nobody waiting.
_TIMEOUT = httpx.Timeout(2.0, connect=1.0)


class BridgeUnavailableError(Exception):
    """The bridge did not answer or answered with a failure of its own: the turn fails as a whole and is tried again."""


class TicketRefusedError(Exception):
    """The bridge does not take a value of the ticket; trying the same again would not help."""


@dataclass(frozen=True, kw_only=True)
class FiledTicket:
    """What the customer is told of a ticket. `merged`: it joined an open one about the same matter; `clock_restarted`: with
    facts that were new there, so that its time runs from today (3号令).
    """

    ticket_no: str
    merged: bool
    clock_restarted: bool
    first_contact_due: str | None
    decision_due: str | None


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The public state of a ticket, in plain words; `days` counts the day of receipt as the first.

    `clock_restarted` speaks of the event that was just added.
    """

    ticket_no: str
    state: str
    state_text: str
    next_date: str | None
    next_kind: str | None
    due_at: str | None = None
    days: int | None = None
    extension_reason: str | None = None
    clock_restarted: bool = False


@dataclass(frozen=True)
class Directory:
    """What explanations may state: branches by code, and incidents that run, are to come, or ended lately.

    Whether an incident holds at a moment is asked of itself (`holds_at`); being in the list says nothing about now.
    """

    branches: Mapping[str, Branch]
    incidents: tuple[Incident, ...]


class Bridge:
    """The bridge's internal routes; one instance per process keeps the connections open."""

    def __init__(self, base_url: str, secret: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._client = httpx.AsyncClient(
            base_url=base_url, headers={"Authorization": f"Bearer {secret}"}, timeout=_TIMEOUT, transport=transport
        )
        self._directory = Directory({}, ())
        self._directory_version = -1

    @classmethod
    def from_environment(cls) -> "Bridge":
        return cls(os.environ["TINGSU_API_URL"], os.environ["TINGSU_INTERNAL_SECRET"])

    async def directory(self, version: int) -> Directory:
        """At least as new as `version`. Keeps the last one known when the bridge is gone."""
        if version > self._directory_version:
            try:
                answer = await self._call("GET", "/internal/branches")
            except BridgeUnavailableError:
                return self._directory
            self._directory = Directory(
                branches={row["code"]: Branch.model_validate(row) for row in answer["branches"]},
                incidents=tuple(Incident.model_validate(row) for row in answer["incidents"]),
            )
            self._directory_version = int(answer["version"])
        return self._directory

    async def branches(self, version: int) -> Mapping[str, Branch]:
        """The branches of the directory by code."""
        return (await self.directory(version)).branches

    async def file_ticket(self, ticket: TicketCreate, key: str) -> FiledTicket:
        """Files once per key; raises TicketRefusedError. A conflict means that a first try of this turn has filed it already."""
        body = ticket.model_dump_json(exclude_none=True)
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        response = await self._send("POST", "/v1/tickets", content=body, headers=headers)
        if response.status_code == httpx.codes.CONFLICT:
            return _filed(response.json()["error"].get("details") or {})
        if response.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
            raise TicketRefusedError
        return _filed(_checked(response))

    async def add_event(self, ticket_no: str, event: Mapping[str, Any], key: str) -> Progress | None:
        """Adds a comment, a correction, an urging, a review or a withdrawal; None when the ticket's state no longer allows it."""
        path = f"/v1/tickets/{ticket_no}/events"
        response = await self._send("POST", path, json=event, headers={"Idempotency-Key": key})
        if response.status_code in (httpx.codes.CONFLICT, httpx.codes.NOT_FOUND):
            return None
        return _progress(ticket_no, _checked(response))

    async def progress(self, ticket_no: str, phone_tail: str, *, conversation_id: str) -> Progress | None:
        """None for an unknown number, a wrong tail, and too many tries alike. The tail may be a placeholder."""
        path = f"/v1/public/tickets/{ticket_no}"
        params = {"phone_tail": phone_tail, "conversation_id": conversation_id}
        response = await self._send("GET", path, params=params)
        if response.status_code in _NOT_SHOWN:
            return None
        return _progress(ticket_no, _checked(response))

    async def _call(self, method: str, path: str) -> Any:
        return _checked(await self._send(method, path))

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return await self._client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise BridgeUnavailableError(f"{method} {path}: {type(error).__name__}") from error


def _checked(response: httpx.Response) -> Any:
    if response.is_success:
        return response.json()
    raise BridgeUnavailableError(f"{response.request.method} {response.request.url.path}: HTTP {response.status_code}")


def _filed(body: Mapping[str, Any]) -> FiledTicket:
    if "ticket_no" not in body:
        raise BridgeUnavailableError("POST /v1/tickets: an answer without a ticket number")
    clocks = {clock["kind"]: clock.get("due_at") for clock in body.get("clocks") or ()}
    return FiledTicket(
        ticket_no=body["ticket_no"],
        merged=bool(body.get("merged")),
        clock_restarted=bool(body.get("clock_restarted")),
        first_contact_due=clocks.get("first_contact"),
        decision_due=clocks.get("decision") or body.get("due_at"),
    )


def _progress(ticket_no: str, body: Mapping[str, Any]) -> Progress:
    return Progress(
        ticket_no=ticket_no,
        state=body["state"],
        state_text=body["state_text"],
        next_date=body.get("next_date"),
        next_kind=body.get("next_kind"),
        due_at=body.get("due_at"),
        days=body.get("days"),
        extension_reason=body.get("extension_reason"),
        clock_restarted=bool(body.get("clock_restarted")),
    )
