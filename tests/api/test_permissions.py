"""Who may do what: a table of every route and role, each tried for real; a route that is not in the table fails here."""

import re
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from fastapi.routing import APIRoute

from api.core.scopes import Scope, scope_of
from tests.api.conftest import KEYS, Bridge

A, S, H, U, M, B = "agent", "supervisor", "handler", "auditor", "admin", "bot"
STAFF = {A, S, H, U, M}
NOBODY: set[str] = set()
EVERYBODY = {*STAFF, B, "nobody"}

# Customers prove themselves by their conversation's token, which no role is; staff who may read it stand here.
MAY: dict[str, set[str]] = {
    "POST /v1/conversations": EVERYBODY,
    "POST /v1/conversations/{conversation_id}/messages": NOBODY,
    "GET /v1/conversations/{conversation_id}/messages": {A, S, U, M},
    "GET /v1/conversations/{conversation_id}/events": {A, S, U, M},
    "POST /v1/conversations/{conversation_id}/attachments": NOBODY,
    "GET /v1/conversations/{conversation_id}/attachments/{attachment_id}": NOBODY,
    "POST /v1/conversations/{conversation_id}/satisfaction": NOBODY,
    "GET /v1/public/tickets/{ticket_no}": EVERYBODY,
    "GET /v1/public/incidents": EVERYBODY,
    "POST /v1/tickets": {A, S, H, M, B},
    "GET /v1/tickets": STAFF,
    "GET /v1/tickets/export": {S, U, M},
    "GET /v1/tickets/{ticket_no}": STAFF,
    # Each type of event has its roles: test_every_event_has_its_roles.
    "POST /v1/tickets/{ticket_no}/events": {A, S, H, M, B},
    "GET /v1/handoff/events": {M},
    "POST /v1/handoff/ack": {M},
    "GET /v1/handoff/reconciliations": {U, M},
    "POST /v1/handoff/reconciliations": {M},
    "POST /v1/webhooks": {M},
    "GET /v1/webhooks": {M},
    "GET /v1/webhooks/{webhook_id}": {M},
    "PATCH /v1/webhooks/{webhook_id}": {M},
    "DELETE /v1/webhooks/{webhook_id}": {M},
    "POST /v1/webhooks/{webhook_id}/rotate": {M},
    "POST /v1/webhooks/{webhook_id}/test": {M},
    "GET /v1/webhooks/{webhook_id}/deliveries": {M},
    "POST /v1/webhooks/{webhook_id}/replay": {M},
    "POST /v1/tickets/{ticket_no}/related/{other_no}/dismiss": {A, S, H, M},
    "POST /v1/tickets/{ticket_no}/attachments": {A, S, H, M},
    "GET /v1/tickets/{ticket_no}/attachments/{attachment_id}": STAFF,
    "POST /v1/tickets/{ticket_no}/consent/withdraw": {A, S, H, M},
    "POST /v1/conversations/{conversation_id}/consent/withdraw": NOBODY,
    "GET /v1/public/consent-notice": EVERYBODY,
    "POST /v1/privacy/exports": {U, M},
    "POST /v1/privacy/deletions": {U, M},
    "POST /v1/privacy/holds": {U, M},
    "DELETE /v1/privacy/holds/{ticket_no}": {U, M},
    "GET /v1/notices": STAFF,
    "POST /v1/notices/{notice_id}/acknowledge": {A, S, H, M},
    "GET /v1/conversations": STAFF,
    "POST /v1/alerts/{alert_id}/acknowledge": {A, S, M},
    "POST /v1/understand": {*STAFF, B},
    "POST /v1/staff/login": EVERYBODY,
    "POST /v1/staff/logout": EVERYBODY,
    "GET /v1/staff/oidc": EVERYBODY,
    # Answer 404 to everybody where no provider is set up: tests/api/test_oidc.py.
    "GET /v1/staff/oidc/login": EVERYBODY,
    "GET /v1/staff/oidc/callback": EVERYBODY,
    "GET /v1/staff/oidc/logout": EVERYBODY,
    "GET /v1/staff/me": STAFF,
    "POST /v1/staff/me/password": STAFF,
    "GET /v1/staff/me/sessions": STAFF,
    "DELETE /v1/staff/me/sessions/{session_id}": STAFF,
    "GET /v1/desk/events": STAFF,
    "PUT /v1/branches/{code}": {S, M},
    "GET /v1/branches": STAFF,
    "GET /v1/branches/export": STAFF,
    "POST /v1/branches/import": {S, M},
    "GET /v1/branches/{code}": STAFF,
    "GET /internal/branches": {B},
    "POST /v1/incidents": {S, M},
    "GET /v1/incidents": STAFF,
    "GET /v1/incidents/export": STAFF,
    "POST /v1/incidents/import": {S, M},
    "GET /v1/incidents/{incident_no}": STAFF,
    "PATCH /v1/incidents/{incident_no}": {S, M},
    "POST /v1/incidents/{incident_no}/confirm": {S, M},
    "POST /v1/incidents/{incident_no}/dismiss": {S, M},
    "GET /v1/staff": {S, U, M},
    "POST /v1/staff": {M},
    "PATCH /v1/staff/{username}": {M},
    "POST /v1/staff/{username}/password": {M},
    "POST /v1/staff/{username}/unlock": {M},
    "DELETE /v1/staff/{username}/sessions": {M},
    "GET /v1/api-keys": {M},
    "POST /v1/api-keys": {M},
    "DELETE /v1/api-keys/{key_id}": {M},
    "GET /v1/audit": {U, M},
    "GET /healthz": EVERYBODY,
    "GET /readyz": EVERYBODY,
    "GET /metrics": EVERYBODY,
    "GET /": EVERYBODY,
    "GET /docs": EVERYBODY,
}

IDS = {"ticket_no": "TS000", "conversation_id": "{conversation}", "code": "YT001", "incident_no": "SJ20260101001",
       "username": "nobody-of-this-name", "session_id": "0" * 16}  # fmt: skip

# What an allowed caller gets for an empty or made-up request: never a refusal for lack of rights.
LET_IN = {200, 201, 202, 204, 303, 307, 404, 405, 409, 422, 503}

# Where rights are looked at after the body.
BODIES: dict[str, dict[str, Any]] = {
    "POST /v1/conversations/{conversation_id}/messages": {"client_id": "1", "text": "您好"},
    "POST /v1/conversations/{conversation_id}/satisfaction": {"score": 5, "resolved": True},
    "POST /v1/tickets/{ticket_no}/events": {"type": "comment", "text": "看过"},
}


def routes(app: Any) -> Iterator[str]:
    def walk(found: Any) -> Iterator[APIRoute]:
        for route in found:
            if isinstance(route, APIRoute):
                yield route
            elif hasattr(route, "original_router"):
                yield from walk(route.original_router.routes)

    for route in walk(app.routes):
        for method in sorted(route.methods):
            yield f"{method} {route.path}"


def headers(bridge: Bridge, who: str) -> dict[str, str]:
    return {"bot": bridge.internal, "nobody": {}}.get(who) or (bridge.key(who) if who in KEYS else {})


async def status(bridge: Bridge, who: str, route: str, conversation: str) -> int:
    method, path = route.split(" ")
    values = {**IDS, "conversation_id": conversation}
    address = re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], "1"), path)
    body = BODIES.get(route, {}) if method in ("POST", "PUT", "PATCH") else None
    async with bridge.http.stream(method, address, json=body, headers=headers(bridge, who)) as answer:
        return answer.status_code


def test_every_route_is_in_the_table(bridge: Bridge) -> None:
    assert set(routes(bridge.app)) == set(MAY), "put the new route into MAY, with those who may use it"


async def test_only_those_come_in_who_may(bridge: Bridge) -> None:
    conversation, wrong = (await bridge.talk()).id, {}
    for route, may in MAY.items():
        answers = {who: await status(bridge, who, route, conversation) for who in sorted(EVERYBODY)}
        let_in = {who for who, code in answers.items() if code not in (401, 403)}
        if let_in != may or not {answers[who] for who in let_in} <= LET_IN:
            wrong[route] = answers
    assert wrong == {}


LIMITED = sorted(route for route, may in MAY.items() if may not in (NOBODY, EVERYBODY, {B}))


async def test_a_limited_key_opens_only_the_routes_of_its_scope(bridge: Bridge) -> None:
    """Of an administrator's key, so that nothing but the scope stands in its way."""
    conversation = (await bridge.talk()).id
    keys = {}
    for number, scope in enumerate(Scope):
        body = {"name": f"limited-{number}", "role": "admin", "scopes": [scope]}
        made = await bridge.http.post("/v1/api-keys", json=body, headers=bridge.key())
        keys[scope] = {"X-API-Key": made.json()["key"]}
    for scope, route in ((scope, route) for scope in Scope for route in LIMITED):
        method, path = route.split(" ")
        address = re.sub(r"\{(\w+)\}", lambda found: {**IDS, "conversation_id": conversation}.get(found[1], "1"), path)
        async with bridge.http.stream(method, address, json={}, headers=keys[scope]) as answer:
            inside = answer.status_code != 403
            if not inside:
                await answer.aread()
                assert answer.json()["error"]["code"] == "missing_scope", route
                assert answer.json()["error"]["details"] == {"scope": scope_of(method, path)}
        assert inside == (scope_of(method, path) is scope), route


def test_every_scope_opens_something() -> None:
    opened = {scope_of(*route.split(" ")) for route in MAY}
    assert set(Scope) <= opened


# Objects


_NUMBER = count()


async def key_of(bridge: Bridge, role: str, *units: str) -> dict[str, str]:
    body = {"name": f"{role}-{next(_NUMBER)}", "role": role, "units": list(units)}
    made = await bridge.http.post("/v1/api-keys", json=body, headers=bridge.key())
    assert made.status_code == 201, made.text
    return {"X-API-Key": made.json()["key"]}


async def sees(bridge: Bridge, key: dict[str, str], number: str) -> bool:
    """The same for the ticket itself, the list, and a write."""
    read = await bridge.http.get(f"/v1/tickets/{number}", headers=key)
    listed = await bridge.http.get("/v1/tickets", headers=key)
    event = {"type": "comment", "text": "我看看"}
    written = await bridge.http.post(f"/v1/tickets/{number}/events", json=event, headers=key)
    found = {
        read.status_code == 200,
        any(ticket["ticket_no"] == number for ticket in listed.json()["tickets"]),
        written.status_code == 201,
    }
    assert len(found) == 1, (read.text, written.text)
    return found.pop()


@pytest.mark.parametrize(
    ("role", "units", "may"),
    [
        ("handler", [], True),
        ("handler", ["网点负责人"], True),
        ("handler", ["科技部", "网点负责人"], True),
        ("handler", ["科技部"], False),
        ("supervisor", [], True),
        ("supervisor", ["网点负责人"], True),
        ("supervisor", ["科技部"], False),
        ("agent", ["科技部"], True),
    ],
)
async def test_who_belongs_to_units_sees_what_these_handle(
    bridge: Bridge, role: str, units: list[str], may: bool
) -> None:
    filed = (await bridge.file()).json()
    assert filed["route"] == "网点负责人"
    assert await sees(bridge, await key_of(bridge, role, *units), filed["ticket_no"]) is may


async def test_a_copy_lets_the_unit_read(bridge: Bridge) -> None:
    filed = (await bridge.file(cause_l1="C1", level=4)).json()
    number = filed["ticket_no"]
    copied = (await bridge.http.get(f"/v1/tickets/{number}", headers=bridge.key())).json()["copied"]
    assert copied
    assert await sees(bridge, await key_of(bridge, "handler", copied[0]), number)


async def test_what_somebody_filed_or_owns_stays_theirs(bridge: Bridge) -> None:
    key = await key_of(bridge, "handler", "科技部")
    own = (await bridge.file(headers=key)).json()
    assert own["route"] != "科技部"
    assert await sees(bridge, key, own["ticket_no"])
    other = (await bridge.file(phone="13900000001")).json()["ticket_no"]
    assert not await sees(bridge, key, other)
    me = (await bridge.http.get("/v1/staff/me", headers=key)).json()["username"]
    event = {"type": "assign", "owner": me}
    assigned = await bridge.http.post(f"/v1/tickets/{other}/events", json=event, headers=bridge.key("supervisor"))
    assert assigned.status_code == 201, assigned.text
    assert await sees(bridge, key, other)


async def test_a_sealed_ticket_is_only_its_units(bridge: Bridge) -> None:
    filed = (await bridge.file(cause_l1="C8")).json()
    assert not await sees(bridge, await key_of(bridge, "handler", "科技部"), filed["ticket_no"])
    assert await sees(bridge, await key_of(bridge, "handler", "科技部", filed["route"]), filed["ticket_no"])


@pytest.mark.parametrize("role", sorted(STAFF))
async def test_roles_cannot_be_smuggled_in(bridge: Bridge, role: str) -> None:
    """Field level: whoever may file does not say who they are or what state the ticket is in."""
    body = {"narrative_raw": "x", "operator_id": "admin", "state": "closed", "restricted": True, "route": "x"}
    sent = {**bridge.key(role), "Idempotency-Key": "k"}
    answer = await bridge.http.post("/v1/tickets", json=body, headers=sent)
    assert answer.status_code in (403, 422)
