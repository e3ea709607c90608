"""Administration of accounts, passwords, lock-out, own sessions and API keys."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from api.core.clock import Clock
from api.core.models import api_keys
from tests.api.conftest import ADMIN_PASSWORD, Bridge, Start
from tests.api.fake_bot import parse_events
from tests.api.redis_server import RedisServer
from tests.api.test_staff import COOKIE, code, login, me

NEW = {"username": "li.si", "display_name": "李四", "role": "handler", "units": ["运营部", "网点负责人"]}
PASSWORD = "a-long-enough-one"


async def create(bridge: Bridge, **changes: Any) -> dict[str, Any]:
    made = await bridge.http.post("/v1/staff", json={**NEW, **changes}, headers=bridge.key())
    assert made.status_code == 201, made.text
    return dict(made.json())


@asynccontextmanager
async def browser(bridge: Bridge, username: str, password: str) -> AsyncIterator[httpx.AsyncClient]:
    """A browser of its own that is logged in."""
    async with httpx.AsyncClient(base_url=bridge.url, timeout=15) as http:
        answer = await http.post("/v1/staff/login", json={"username": username, "password": password})
        assert answer.status_code == 200, answer.text
        yield http


@asynccontextmanager
async def settled(bridge: Bridge, **changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Logged in with a password of their own."""
    made = await create(bridge, **changes)
    async with browser(bridge, made["username"], made["password"]) as http:
        body = {"old": made["password"], "new": PASSWORD}
        assert (await http.post("/v1/staff/me/password", json=body)).status_code == 204
        yield http


@pytest.mark.parametrize(
    "name", ["bot", "System", "settings", "oidc", "customer", "internal", "playbook", "key:x", "?x"]
)
async def test_names_that_stand_for_something_else_are_refused(bridge: Bridge, name: str) -> None:
    made = await bridge.http.post("/v1/staff", json={**NEW, "username": name}, headers=bridge.key())
    assert code(made) == (422, "invalid_request")


async def change(bridge: Bridge, username: str, **body: Any) -> httpx.Response:
    return await bridge.http.patch(f"/v1/staff/{username}", json=body, headers=bridge.key())


# Accounts


async def test_a_new_account_must_choose_a_password_first(bridge: Bridge) -> None:
    made = await create(bridge)
    assert (made["units"], made["unit"], made["password_temporary"]) == (["运营部", "网点负责人"], "运营部", True)
    async with browser(bridge, "li.si", made["password"]) as http:
        assert code(await http.get("/v1/tickets")) == (403, "password_change_required")
        assert (await http.get("/v1/staff/me")).json()["password_temporary"] is True
        body = {"old": made["password"], "new": PASSWORD}
        assert (await http.post("/v1/staff/me/password", json=body)).status_code == 204
        assert (await http.get("/v1/tickets")).status_code == 200


@pytest.mark.parametrize("username", ["admin", "li.si"])
async def test_a_username_is_never_given_twice(bridge: Bridge, username: str) -> None:
    await create(bridge)
    await change(bridge, "li.si", active=False)
    again = await bridge.http.post("/v1/staff", json={**NEW, "username": username}, headers=bridge.key())
    assert code(again) == (409, "account_exists")


@pytest.mark.parametrize(
    "wrong",
    [
        {"role": "internal"},
        {"role": "emperor"},
        {"username": "a b"},
        {"username": ""},
        {"password": "x"},
        {"units": [""]},
    ],
)
async def test_what_is_no_account_is_refused(bridge: Bridge, wrong: dict[str, Any]) -> None:
    assert code(await bridge.http.post("/v1/staff", json={**NEW, **wrong}, headers=bridge.key()))[0] == 422
    assert len((await bridge.http.get("/v1/staff", headers=bridge.key())).json()["staff"]) == 1


async def test_no_answer_holds_a_password(bridge: Bridge) -> None:
    await create(bridge)
    listed = await bridge.http.get("/v1/staff", headers=bridge.key())
    assert "argon2" not in listed.text
    assert "password_hash" not in listed.text


@pytest.mark.parametrize("body", [{"role": "agent"}, {"active": False}, {"role": "auditor", "display_name": "x"}])
async def test_the_last_administrator_stays_one(bridge: Bridge, body: dict[str, Any]) -> None:
    assert code(await change(bridge, "admin", **body)) == (409, "last_admin")
    await create(bridge, role="admin")
    assert (await change(bridge, "admin", **body)).status_code == 200


async def test_nobody_changes_their_own_rights(bridge: Bridge) -> None:
    async with settled(bridge, role="admin") as http:
        for body in ({"role": "admin"}, {"units": ["x"]}, {"active": False}):
            assert code(await http.patch("/v1/staff/li.si", json=body)) == (403, "own_rights")
        assert (await http.patch("/v1/staff/li.si", json={"display_name": "李思"})).json()["display_name"] == "李思"


async def test_changes_hold_in_open_sessions_at_once(bridge: Bridge) -> None:
    async with settled(bridge, role="supervisor") as http:
        assert (await http.get("/v1/tickets/export")).status_code == 200
        await change(bridge, "li.si", role="agent")
        assert (await http.get("/v1/tickets/export")).status_code == 403
        await change(bridge, "li.si", active=False)
        assert (await http.get("/v1/tickets")).status_code == 401
        await change(bridge, "li.si", active=True)
        assert (await http.get("/v1/tickets")).status_code == 401


async def test_a_stream_ends_with_its_session(bridge: Bridge) -> None:
    async with settled(bridge) as http:
        text = ""
        async with asyncio.timeout(8), http.stream("GET", "/v1/desk/events") as stream:
            assert stream.status_code == 200
            await bridge.http.delete("/v1/staff/li.si/sessions", headers=bridge.key())
            await bridge.file()
            async for chunk in stream.aiter_text():
                text += chunk
        assert parse_events(text) == []


async def test_a_reset_ends_all_sessions_and_gives_a_one_time_password(bridge: Bridge) -> None:
    async with settled(bridge) as http:
        answer = await bridge.http.post("/v1/staff/li.si/password", headers=bridge.key())
        assert (await http.get("/v1/staff/me")).status_code == 401
        assert code(await login(bridge, "li.si", PASSWORD)) == (401, "wrong_credentials")
        assert (await login(bridge, "li.si", answer.json()["password"])).json()["password_temporary"] is True


# Passwords


@pytest.mark.parametrize("new", ["short", "elevenchars", "my-Li.Si-account", "aaaaaaaaaaaaaa", "abababababab"])
async def test_weak_passwords_are_refused(bridge: Bridge, new: str) -> None:
    made = await create(bridge)
    async with browser(bridge, "li.si", made["password"]) as http:
        refused = await http.post("/v1/staff/me/password", json={"old": made["password"], "new": new})
        assert code(refused) == (422, "weak_password")
        assert made["password"] not in refused.text


async def test_the_old_password_has_to_be_known(bridge: Bridge) -> None:
    async with settled(bridge) as http:
        wrong = {"old": "not-this-one", "new": "another-good-one"}
        answers = [code(await http.post("/v1/staff/me/password", json=wrong)) for _ in range(10)]
        assert answers == [(403, "wrong_old_password")] * 9 + [(429, "rate_limited")]


async def test_a_new_password_ends_the_other_sessions(bridge: Bridge) -> None:
    async with settled(bridge) as here, browser(bridge, "li.si", PASSWORD) as there:
        body = {"old": PASSWORD, "new": "another-good-one"}
        assert (await here.post("/v1/staff/me/password", json=body)).status_code == 204
        assert (await here.get("/v1/staff/me")).status_code == 200
        assert (await there.get("/v1/staff/me")).status_code == 401


async def test_a_key_has_no_password(bridge: Bridge) -> None:
    body = {"old": "x", "new": PASSWORD}
    assert code(await bridge.http.post("/v1/staff/me/password", json=body, headers=bridge.key())) == (
        409,
        "no_password",
    )


# Lock-out


@pytest.mark.parametrize("redis", ["real", None], ids=["with redis", "without redis"])
async def test_a_locked_account_is_told_of_and_unlocked(start: Start, redis: str | None) -> None:
    bridge = await (start() if redis else start(redis_url=None))
    await create(bridge)
    for _ in range(10):
        await login(bridge, "li.si", "wrong")
    assert code(await login(bridge, "li.si", "wrong")) == (429, "login_locked")
    accounts = (await bridge.http.get("/v1/staff", headers=bridge.key())).json()["staff"]
    assert [bool(account["locked_until"]) for account in accounts] == [False, True]
    notices = (await bridge.http.get("/v1/notices", headers=bridge.key())).json()["notices"]
    assert [notice["kind"] for notice in notices] == ["account_locked"]
    assert (await bridge.http.post("/v1/staff/li.si/unlock", headers=bridge.key())).status_code == 204
    assert (await login(bridge, "li.si", "wrong")).status_code == 401


async def test_the_lock_outlives_redis_and_ends_by_itself(start: Start) -> None:
    bridge = await start()
    made = await create(bridge)
    for _ in range(10):
        await login(bridge, "li.si", "wrong")
    await bridge.app.state.context.redis.client.flushall()
    assert (await login(bridge, "li.si", made["password"])).status_code == 429
    now = bridge.app.state.context.clock.now()
    object.__setattr__(bridge.app.state.context, "clock", Clock((now + timedelta(minutes=16)).isoformat(), None))
    assert (await login(bridge, "li.si", made["password"])).status_code == 200


async def test_guesses_elsewhere_do_not_keep_the_owner_out(bridge: Bridge) -> None:
    async with settled(bridge) as http:
        await http.post("/v1/staff/logout")
        for _ in range(11):
            await login(bridge, "li.si", "wrong")
        assert (await login(bridge, "li.si", PASSWORD)).status_code == 429
        answer = await http.post("/v1/staff/login", json={"username": "li.si", "password": PASSWORD})
        assert answer.status_code == 200


async def test_a_browser_known_for_one_account_is_strange_to_another(bridge: Bridge) -> None:
    async with settled(bridge) as http:
        for _ in range(10):
            await http.post("/v1/staff/login", json={"username": "admin", "password": "wrong"})
        refused = await http.post("/v1/staff/login", json={"username": "admin", "password": ADMIN_PASSWORD})
        assert refused.status_code == 429


# Sessions


async def test_sessions_are_listed_and_ended(bridge: Bridge) -> None:
    async with settled(bridge) as here, browser(bridge, "li.si", PASSWORD) as there:
        found = (await here.get("/v1/staff/me/sessions")).json()["sessions"]
        assert sorted(one["current"] for one in found) == [False, True]
        assert found[0]["address"] == "127.0.0.1"
        other = next(one["id"] for one in found if not one["current"])
        assert (await here.delete(f"/v1/staff/me/sessions/{other}")).status_code == 204
        assert (await there.get("/v1/staff/me")).status_code == 401
        assert (await here.delete(f"/v1/staff/me/sessions/{other}")).status_code == 404


async def test_nobody_ends_anothers_session(bridge: Bridge) -> None:
    await login(bridge)
    mine = (await bridge.http.get("/v1/staff/me/sessions")).json()["sessions"][0]["id"]
    async with settled(bridge) as http:
        assert (await http.delete(f"/v1/staff/me/sessions/{mine}")).status_code == 404
    assert await me(bridge) == 200


async def test_losing_redis_logs_nobody_out_and_lets_nobody_in(start: Start, tmp_path: Any) -> None:
    directory = tmp_path / "own-redis"
    directory.mkdir()
    server = RedisServer(directory)
    server.start()
    bridge = await start(redis_url=server.url)
    async with settled(bridge) as here, browser(bridge, "li.si", PASSWORD) as there:
        server.stop()
        assert (await here.get("/v1/staff/me")).status_code == 200
        await here.post("/v1/staff/logout")
        token = there.cookies[COOKIE]
        await bridge.http.delete("/v1/staff/li.si/sessions", headers=bridge.key())
        assert (await there.get("/v1/staff/me")).status_code == 401
        server.start()
        there.cookies.set(COOKIE, token)
        assert (await there.get("/v1/staff/me")).status_code == 401
    server.stop()


async def test_idle_is_counted_from_the_last_click(start: Start) -> None:
    bridge = await start(session_idle=timedelta(minutes=30))
    context = bridge.app.state.context
    began = context.clock.now()
    await login(bridge)
    for minutes, status in ((29, 200), (58, 200), (87, 200), (118, 401)):
        clock = Clock((began + timedelta(minutes=minutes)).isoformat(), None)
        object.__setattr__(context, "clock", clock)
        assert await me(bridge) == status, minutes


# Keys


async def new_key(bridge: Bridge, **body: Any) -> httpx.Response:
    return await bridge.http.post("/v1/api-keys", json={"name": "core", "role": "agent", **body}, headers=bridge.key())


async def test_a_key_is_shown_once_and_kept_as_a_hash(bridge: Bridge) -> None:
    made = (await new_key(bridge, scopes=["tickets:read"])).json()
    listed = await bridge.http.get("/v1/api-keys", headers=bridge.key())
    assert made["key"].startswith(made["prefix"])
    assert made["key"] not in listed.text
    db = bridge.app.state.context.db
    stored = await db.read(lambda connection: str(connection.execute(select(api_keys)).all()))
    assert made["prefix"] in stored
    assert made["key"] not in stored


async def test_a_missing_scope_is_named(bridge: Bridge) -> None:
    key = {"X-API-Key": (await new_key(bridge, scopes=["tickets:read"])).json()["key"]}
    assert (await bridge.http.get("/v1/tickets", headers=key)).status_code == 200
    refused = await bridge.file(headers=key)
    assert code(refused) == (403, "missing_scope")
    assert "tickets:write" in refused.json()["error"]["message"]


async def test_a_scope_gives_no_more_than_the_role(bridge: Bridge) -> None:
    key = {"X-API-Key": (await new_key(bridge, scopes=["tickets:export"])).json()["key"]}
    assert code(await bridge.http.get("/v1/tickets/export", headers=key)) == (403, "forbidden")


async def test_a_revoked_key_opens_nothing(bridge: Bridge) -> None:
    made = (await new_key(bridge)).json()
    key = {"X-API-Key": made["key"]}
    assert (await bridge.http.get("/v1/tickets", headers=key)).status_code == 200
    gone = [await bridge.http.delete(f"/v1/api-keys/{made['id']}", headers=bridge.key()) for _ in range(2)]
    assert [answer.status_code for answer in gone] == [204, 404]
    assert (await bridge.http.get("/v1/tickets", headers=key)).status_code == 401
    shown = (await bridge.http.get("/v1/api-keys", headers=bridge.key())).json()["api_keys"][0]
    assert shown["used_at"] is not None
    assert shown["revoked_at"] is not None


async def test_a_key_ends_when_it_should(bridge: Bridge) -> None:
    context = bridge.app.state.context
    now = context.clock.now()
    assert (await new_key(bridge, expires_at=(now - timedelta(days=1)).isoformat())).status_code == 409
    made = await new_key(bridge, expires_at=(now + timedelta(days=1)).isoformat())
    key = {"X-API-Key": made.json()["key"]}
    assert (await bridge.http.get("/v1/tickets", headers=key)).status_code == 200
    object.__setattr__(context, "clock", Clock((now + timedelta(days=2)).isoformat(), None))
    assert (await bridge.http.get("/v1/tickets", headers=key)).status_code == 401


@pytest.mark.parametrize("wrong", ["x", -1, 0])
async def test_a_key_with_another_tail_is_none(bridge: Bridge, wrong: Any) -> None:
    made = (await new_key(bridge)).json()["key"]
    forged = made + "x" if wrong == "x" else made[:wrong] if wrong else made[:12]
    assert (await bridge.http.get("/v1/tickets", headers={"X-API-Key": forged})).status_code == 401


@pytest.mark.parametrize("name", ["core", "admin"])
async def test_names_of_keys_are_never_used_twice(bridge: Bridge, name: str) -> None:
    """`admin` is a key of the settings."""
    await new_key(bridge)
    assert code(await new_key(bridge, name=name)) == (409, "key_name_taken")


async def test_an_unknown_scope_is_refused(bridge: Bridge) -> None:
    assert (await new_key(bridge, scopes=["everything"])).status_code == 422


# Rates


async def test_too_many_calls_are_refused_per_caller(start: Start) -> None:
    bridge = await start(key_calls_per_minute=3)
    answers = [(await bridge.http.get("/v1/tickets", headers=bridge.key())).status_code for _ in range(4)]
    assert answers == [200, 200, 200, 429]
    assert (await bridge.http.get("/v1/tickets", headers=bridge.key("agent"))).status_code == 200


# Traces


async def page(bridge: Bridge, **params: Any) -> dict[str, Any]:
    answer = await bridge.http.get("/v1/audit", params=params, headers=bridge.key("auditor"))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_what_happens_to_accounts_and_keys_is_chained(bridge: Bridge) -> None:
    async with settled(bridge):
        pass
    await change(bridge, "li.si", role="agent")
    await new_key(bridge)
    await login(bridge, "li.si", "wrong")
    found = await page(bridge, action="staff.", subject="li.si")
    assert [(entry["who"], entry["action"]) for entry in reversed(found["entries"])] == [
        ("key:admin", "staff.create"),
        ("li.si", "staff.login_password"),
        ("li.si", "staff.password"),
        ("key:admin", "staff.change"),
        ("li.si", "staff.wrong_password"),
    ]
    assert next(e for e in found["entries"] if e["action"] == "staff.change")["changes"] == {
        "role": ["handler", "agent"]
    }
    assert [entry["subject"] for entry in (await page(bridge, action="key.create"))["entries"]] == ["core"]
    everything = str(await page(bridge, limit=200))
    assert "argon2" not in everything
    assert PASSWORD not in everything


async def test_the_chain_is_read_by_pages_and_filters(bridge: Bridge) -> None:
    numbers = [(await bridge.file(phone=f"1390000000{n}")).json()["ticket_no"] for n in range(5)]
    seen, cursor = [], None
    while True:
        params = {"action": "ticket.create", "limit": 2, **({"cursor": cursor} if cursor else {})}
        found = await page(bridge, **params)
        seen += [entry["subject"] for entry in found["entries"]]
        if (cursor := found["next_cursor"]) is None:
            break
    assert seen == numbers[::-1]
    assert (await page(bridge, to="2020-01-01T00:00:00+08:00"))["entries"] == []
    assert len((await page(bridge, who="bot", subject=numbers[0]))["entries"]) == 1
    read = (await page(bridge, action="audit.read"))["entries"]
    assert len(read) == 5
    assert read[-1]["changes"] == {"action": [None, "ticket.create"]}


@pytest.mark.parametrize("params", [{"cursor": "x"}, {"from": "yesterday"}, {"limit": 0}, {"who": "x" * 81}])
async def test_a_wrong_question_to_the_chain_is_refused(bridge: Bridge, params: dict[str, Any]) -> None:
    answer = await bridge.http.get("/v1/audit", params=params, headers=bridge.key("auditor"))
    assert answer.status_code == 422
