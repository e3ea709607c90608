"""Single sign-on against a real provider, and everything that may be wrong with it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from api.core.clock import Clock
from tests.api.conftest import Bridge, Start
from tests.api.oidc_provider import provider, sign_in
from tests.api.redis_server import free_port
from tests.api.test_accounts import NEW
from tests.api.test_staff import code, login

ROLES = {
    "complaints-handlers": "handler", "complaints-admins": "admin",
    "complaints-supervisors": "supervisor", "complaints-auditors": "auditor",
}  # fmt: skip


@asynccontextmanager
async def together(start: Start, lie: str = "", code_life: str = "60", **changes: Any) -> AsyncIterator[Bridge]:
    """A bridge and its provider."""
    port = free_port()
    told = {"oidc_issuer": f"http://127.0.0.1:{port}", "oidc_client_id": "tingsu", "oidc_roles": ROLES}
    bridge = await start(**told, oidc_client_secret="a-secret-for-tests-only", **changes)
    with provider(port, bridge.url, LIE=lie, CODE_LIFE=code_life):
        yield bridge


@asynccontextmanager
async def stranger() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=15) as http:
        yield http


async def expect(bridge: Bridge, **changes: Any) -> None:
    """An account that waits for its owner's first single sign-on."""
    made = await bridge.http.post("/v1/staff", json={**NEW, "single_sign_on": True, **changes}, headers=bridge.key())
    assert made.status_code == 201, made.text
    assert "password" not in made.json()


async def audited(bridge: Bridge, subject: str) -> list[str]:
    found = await bridge.http.get("/v1/audit", params={"subject": subject}, headers=bridge.key("auditor"))
    return [entry["action"] for entry in reversed(found.json()["entries"])]


async def me(http: httpx.AsyncClient, bridge: Bridge) -> httpx.Response:
    return await http.get(f"{bridge.url}/v1/staff/me")


# In


async def test_an_expected_account_is_let_in(start: Start) -> None:
    async with together(start) as bridge, stranger() as http:
        await expect(bridge)
        answer = await sign_in(http, bridge.url, "li.si")
        assert (answer.status_code, answer.headers["location"]) == (303, "/desk/")
        shown = (await me(http, bridge)).json()
        assert (shown["username"], shown["role"], shown["units"]) == ("li.si", "handler", NEW["units"])
        assert await audited(bridge, "li.si") == ["staff.create", "staff.link", "staff.login_oidc"]
        again = await sign_in(http, bridge.url, "li.si")
        assert again.status_code == 303


async def test_an_account_of_the_provider_has_no_password_here(start: Start) -> None:
    async with together(start) as bridge:
        await expect(bridge)
        assert code(await login(bridge, "li.si", "?li.si")) == (401, "wrong_credentials")
        reset = await bridge.http.post("/v1/staff/li.si/password", headers=bridge.key())
        assert code(reset) == (409, "no_password")


async def test_unknown_staff_is_made_by_rule(start: Start) -> None:
    async with together(start, oidc_provision=True, oidc_units_claim="unit") as bridge, stranger() as http:
        assert (await sign_in(http, bridge.url, "wang.wu")).status_code == 303
        shown = (await me(http, bridge)).json()
        assert (shown["role"], shown["units"], shown["display_name"]) == ("admin", ["运营部"], "wang.wu 的姓名")
        assert await audited(bridge, "wang.wu") == ["staff.create", "staff.login_oidc"]


async def test_rights_follow_the_provider_at_each_login(start: Start) -> None:
    async with together(start) as bridge, stranger() as http:
        await expect(bridge, role="supervisor")
        await sign_in(http, bridge.url, "li.si")
        assert (await me(http, bridge)).json()["role"] == "handler"


async def test_logout_goes_to_the_provider_too(start: Start) -> None:
    async with together(start) as bridge, stranger() as http:
        await expect(bridge)
        await sign_in(http, bridge.url, "li.si")
        answer = await http.get(f"{bridge.url}/v1/staff/oidc/logout")
        where = urlsplit(answer.headers["location"])
        assert answer.status_code == 303
        assert where.path.endswith("/session/end")
        assert parse_qs(where.query)["post_logout_redirect_uri"] == [f"{bridge.url}/desk/"]
        assert (await http.get(answer.headers["location"])).status_code == 200
        assert (await me(http, bridge)).status_code == 401


# Not in


@pytest.mark.parametrize("name", ["zhang.san", "nobody"])
async def test_who_has_no_account_is_refused(start: Start, name: str) -> None:
    async with together(start) as bridge, stranger() as http:
        assert code(await sign_in(http, bridge.url, name)) == (403, "oidc_unknown_staff")
        assert (await me(http, bridge)).status_code == 401


async def test_who_has_no_role_is_not_made(start: Start) -> None:
    async with together(start, oidc_provision=True) as bridge, stranger() as http:
        assert code(await sign_in(http, bridge.url, "nobody")) == (403, "oidc_unknown_staff")


@pytest.mark.parametrize("name", ["sun.qi", "zhou.ba"])
@pytest.mark.parametrize("known", [False, True])
async def test_who_has_no_unit_where_units_are_told_is_refused(start: Start, name: str, known: bool) -> None:
    """A supervisor of no unit would see every sealed matter."""
    async with together(start, oidc_provision=True, oidc_units_claim="unit") as bridge, stranger() as http:
        if known:
            await expect(bridge, username=name, role="supervisor")
        refused = await sign_in(http, bridge.url, name)
        assert code(refused) == (403, "oidc_no_units")
        assert "声明 unit" in refused.json()["error"]["message"]
        assert (await me(http, bridge)).status_code == 401
        assert await audited(bridge, name) == (["staff.create", "staff.oidc_refused"] if known else [])


@pytest.mark.parametrize(("name", "role"), [("qian.jiu", "auditor"), ("wu.shi", "admin")])
async def test_who_sees_everything_anyway_needs_no_unit(start: Start, name: str, role: str) -> None:
    async with together(start, oidc_provision=True, oidc_units_claim="unit") as bridge, stranger() as http:
        assert (await sign_in(http, bridge.url, name)).status_code == 303
        shown = (await me(http, bridge)).json()
        assert (shown["role"], shown["units"]) == (role, [])


@pytest.mark.parametrize("name", ["key:desk", "System"])
async def test_a_name_that_stands_for_something_else_gets_no_account(start: Start, name: str) -> None:
    async with together(start, oidc_provision=True) as bridge, stranger() as http:
        refused = await sign_in(http, bridge.url, name)
        assert code(refused) == (403, "oidc_unusable_name")
        assert "TINGSU_OIDC_USERNAME_CLAIM" in refused.json()["error"]["message"]
        assert await audited(bridge, name) == []


@pytest.mark.parametrize("provision", [False, True])
async def test_a_local_account_of_the_same_name_is_not_taken_over(start: Start, provision: bool) -> None:
    async with together(start, oidc_provision=provision) as bridge, stranger() as http:
        await bridge.http.post("/v1/staff", json=NEW, headers=bridge.key())
        assert code(await sign_in(http, bridge.url, "li.si")) == (403, "oidc_unknown_staff")


async def test_a_disabled_account_stays_out(start: Start) -> None:
    async with together(start) as bridge, stranger() as http:
        await expect(bridge)
        await bridge.http.patch("/v1/staff/li.si", json={"active": False}, headers=bridge.key())
        assert code(await sign_in(http, bridge.url, "li.si")) == (403, "oidc_unknown_staff")
        assert "staff.oidc_refused" in await audited(bridge, "li.si")


# Wrong


@pytest.mark.parametrize("lie", ["audience", "nonce", "issuer", "expired", "signature"])
@pytest.mark.only_on("sqlite", reason="refused before any database is asked")
async def test_a_token_that_proves_something_else_is_refused(start: Start, lie: str) -> None:
    async with together(start, lie) as bridge, stranger() as http:
        await expect(bridge)
        assert code(await sign_in(http, bridge.url, "li.si")) == (401, "oidc_refused")
        assert (await me(http, bridge)).status_code == 401


async def back(http: httpx.AsyncClient, bridge: Bridge, **question: str) -> httpx.Response:
    return await http.get(f"{bridge.url}/v1/staff/oidc/callback", params=question)


async def test_a_state_of_another_browser_is_refused(start: Start) -> None:
    """Somebody sends a link with their own code, so that the victim works in their account."""
    async with together(start) as bridge, stranger() as one, stranger() as other:
        began = await one.get(f"{bridge.url}/v1/staff/oidc/login")
        state = parse_qs(urlsplit(began.headers["location"]).query)["state"][0]
        await other.get(f"{bridge.url}/v1/staff/oidc/login")
        assert code(await back(other, bridge, state=state, code="x")) == (401, "oidc_refused")
        for question in ({}, {"state": ""}, {"code": "x"}, {"state": "made-up", "code": "x"}):
            assert code(await back(one, bridge, **question)) == (401, "oidc_refused")


async def test_a_login_comes_back_once(start: Start) -> None:
    async with together(start) as bridge, stranger() as http:
        await expect(bridge)
        answer = await sign_in(http, bridge.url, "li.si")
        question = dict(answer.request.url.params)
        http.cookies.set("tingsu_oidc", question["state"])
        assert code(await back(http, bridge, **question)) == (401, "oidc_refused")


async def test_a_made_up_code_is_refused(start: Start) -> None:
    async with together(start) as bridge, stranger() as http:
        began = await http.get(f"{bridge.url}/v1/staff/oidc/login")
        state = parse_qs(urlsplit(began.headers["location"]).query)["state"][0]
        assert code(await back(http, bridge, state=state, code="made-up")) == (401, "oidc_refused")


async def test_saying_no_at_the_provider_lets_nobody_in(start: Start) -> None:
    async with together(start) as bridge, stranger() as http:
        began = await http.get(f"{bridge.url}/v1/staff/oidc/login")
        state = parse_qs(urlsplit(began.headers["location"]).query)["state"][0]
        assert code(await back(http, bridge, state=state, error="access_denied")) == (401, "oidc_refused")


@pytest.mark.only_on("sqlite", reason="the provider's clock")
async def test_an_expired_code_is_refused(start: Start) -> None:
    async with together(start, code_life="1") as bridge:
        await expect(bridge)

        class Slow(httpx.AsyncClient):
            async def send(self, request: httpx.Request, **more: Any) -> httpx.Response:
                if request.url.path.endswith("/oidc/callback"):
                    await asyncio.sleep(2.1)  # the provider counts in whole seconds
                return await super().send(request, **more)

        async with Slow(timeout=15) as slow:
            assert code(await sign_in(slow, bridge.url, "li.si")) == (401, "oidc_refused")


async def test_a_login_that_took_too_long_begins_again(start: Start) -> None:
    async with together(start) as bridge, stranger() as http:
        began = await http.get(f"{bridge.url}/v1/staff/oidc/login")
        state = parse_qs(urlsplit(began.headers["location"]).query)["state"][0]
        context = bridge.app.state.context
        later = Clock((context.clock.now() + timedelta(minutes=11)).isoformat(), None)
        object.__setattr__(context, "clock", later)
        assert code(await back(http, bridge, state=state, code="x")) == (401, "oidc_refused")


async def test_a_provider_that_is_gone_is_told_and_passwords_still_work(start: Start) -> None:
    told = {"oidc_issuer": f"http://127.0.0.1:{free_port()}", "oidc_client_id": "tingsu"}
    bridge = await start(**told, oidc_client_secret="x")
    assert code(await bridge.http.get("/v1/staff/oidc/login")) == (503, "oidc_unavailable")
    assert (await login(bridge)).status_code == 200


async def test_something_else_at_the_issuers_address_is_no_provider(start: Start, bridge: Bridge) -> None:
    other = await start(oidc_issuer=bridge.url, oidc_client_id="tingsu", oidc_client_secret="x")
    assert code(await other.http.get("/v1/staff/oidc/login")) == (503, "oidc_unavailable")


async def test_without_a_provider_there_is_none(bridge: Bridge) -> None:
    assert (await bridge.http.get("/v1/staff/oidc")).json()["enabled"] is False
    for path in ("login", "callback"):
        assert code(await bridge.http.get(f"/v1/staff/oidc/{path}")) == (404, "oidc_off")


@pytest.mark.parametrize("wrong", [{"oidc_issuer": "https://x"}, {"oidc_roles": "x=emperor"}])
async def test_half_a_setting_stops_the_start(start: Start, wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="TINGSU_OIDC"):
        await start(**wrong)
