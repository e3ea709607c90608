"""Who may come in, with what, and how far."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from api.core.security import Role
from api.desk.staff import add
from tests.api.conftest import ADMIN_PASSWORD, Bridge, Start

COOKIE = "tingsu_session"


async def login(bridge: Bridge, username: str = "admin", password: str = ADMIN_PASSWORD) -> httpx.Response:
    return await bridge.http.post("/v1/staff/login", json={"username": username, "password": password})


async def me(bridge: Bridge, **headers: str) -> int:
    return (await bridge.http.get("/v1/staff/me", headers=headers)).status_code


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


# Sessions


async def test_login_opens_a_session(bridge: Bridge) -> None:
    answer = await login(bridge)
    assert answer.status_code == 200
    assert answer.json() == {
        "username": "admin", "display_name": "admin", "role": "admin", "unit": None, "units": [], "password_temporary": False,
    }  # fmt: skip
    assert await me(bridge) == 200


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(bridge: Bridge) -> None:
    cookie = (await login(bridge)).headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Secure" not in cookie


async def test_behind_tls_the_cookie_is_secure(start: Start) -> None:
    bridge = await start(cookie_secure=True)
    assert "Secure" in (await login(bridge)).headers["set-cookie"]


async def test_nobody_is_let_in_without_login(bridge: Bridge) -> None:
    refused = await bridge.http.get("/v1/tickets")
    assert code(refused) == (401, "unauthorized")


async def test_logout_ends_the_session_at_once(bridge: Bridge) -> None:
    token = (await login(bridge)).cookies[COOKIE]
    await bridge.http.post("/v1/staff/logout")
    bridge.http.cookies.set(COOKIE, token)
    assert await me(bridge) == 401


async def test_an_idle_session_ends(start: Start) -> None:
    bridge = await start(session_idle=timedelta(0))
    await login(bridge)
    assert await me(bridge) == 401


async def test_a_session_ends_after_its_longest_time(start: Start) -> None:
    bridge = await start(session_longest=timedelta(0))
    token = (await login(bridge)).headers["set-cookie"].split(";")[0].split("=")[1]
    bridge.http.cookies.set(COOKIE, token)
    assert await me(bridge) == 401


async def test_a_session_from_another_sites_page_does_not_count(bridge: Bridge) -> None:
    await login(bridge)
    assert await me(bridge, Origin="https://evil.example") == 401
    assert await me(bridge, Origin="null") == 401
    assert await me(bridge, Origin=bridge.url) == 200


# Passwords


@pytest.mark.parametrize(("username", "password"), [("admin", "wrong"), ("nobody", "wrong"), ("admin' OR 1=1", "x")])
async def test_a_wrong_login_does_not_say_what_was_wrong(bridge: Bridge, username: str, password: str) -> None:
    refused = await login(bridge, username, password)
    assert code(refused) == (401, "wrong_credentials")
    assert refused.json()["error"]["message"] == "账号或密码不对，请重新输入；忘记密码请联系管理员。"
    assert "set-cookie" not in refused.headers


@pytest.mark.parametrize("body", [{}, {"username": "admin"}, {"username": "", "password": "x"}])
async def test_a_login_without_both_is_refused(bridge: Bridge, body: dict[str, str]) -> None:
    assert code(await bridge.http.post("/v1/staff/login", json=body)) == (422, "invalid_request")


@pytest.mark.parametrize("redis", ["real", None], ids=["with redis", "without redis"])
async def test_after_ten_wrong_guesses_an_account_is_locked(start: Start, redis: str | None) -> None:
    bridge = await (start() if redis else start(redis_url=None))
    for _ in range(10):
        assert (await login(bridge, password="wrong")).status_code == 401
    locked = await login(bridge)
    assert code(locked) == (429, "login_locked")
    assert "解除锁定" in locked.json()["error"]["message"]
    nobody = [await login(bridge, "nobody", "wrong") for _ in range(11)]
    assert nobody[-1].json() == locked.json()
    assert nobody[-1].headers["Retry-After"] == "900"
    assert locked.headers["Retry-After"] == "900"


async def test_right_logins_are_not_counted(bridge: Bridge) -> None:
    answers = [(await login(bridge)).status_code for _ in range(12)]
    assert set(answers) == {200}


async def test_a_disabled_account_is_out_at_once(bridge: Bridge) -> None:
    await login(bridge)
    db = bridge.app.state.context.db
    await db.write(lambda connection: connection.exec_driver_sql("UPDATE staff SET active = false"))
    assert await me(bridge) == 401
    assert code(await login(bridge)) == (401, "wrong_credentials")


async def test_no_password_is_stored_in_the_clear(bridge: Bridge) -> None:
    await login(bridge)
    await bridge.stop()
    stored = b"".join(path.read_bytes() for path in bridge.settings.data_dir.iterdir() if path.is_file())
    assert ADMIN_PASSWORD.encode() not in stored


async def test_without_a_given_password_one_is_made_and_kept_private(start: Start) -> None:
    bridge = await start(admin_password=None)
    file = bridge.settings.data_dir / "admin-password.txt"
    assert file.stat().st_mode & 0o777 == 0o600
    assert (await login(bridge, password=file.read_text().strip())).status_code == 200


async def test_a_password_in_the_settings_replaces_the_old_one(start: Start) -> None:
    first = await start(admin_password="the-first-password")
    await first.stop()
    second = await start(admin_password="the-second-password")
    assert (await login(second, password="the-second-password")).status_code == 200
    assert (await login(second, password="the-first-password")).status_code == 401


@pytest.mark.parametrize("redis", ["real", None], ids=["with redis", "without redis"])
async def test_a_new_password_in_the_settings_throws_everybody_out_and_lets_the_operator_in(
    start: Start, redis: str | None
) -> None:
    more = {} if redis else {"redis_url": None}
    first = await start(admin_password="the-first-password", **more)
    token = (await login(first, password="the-first-password")).cookies[COOKIE]
    first.http.cookies.clear()
    for _ in range(10):
        await login(first, password="wrong")
    db = first.app.state.context.db
    await db.write(lambda connection: connection.exec_driver_sql("UPDATE staff SET active = false"))
    await first.stop()
    second = await start(admin_password="the-second-password", **more)
    assert await me(second, Cookie=f"{COOKIE}={token}") == 401
    assert (await login(second, password="the-second-password")).status_code == 200


# Keys


async def test_a_wrong_key_opens_nothing(bridge: Bridge) -> None:
    assert await me(bridge, **{"X-API-Key": "guess"}) == 401


async def test_a_key_wins_over_nothing_else(bridge: Bridge) -> None:
    """A wrong key is not forgiven because there is a session too."""
    await login(bridge)
    assert await me(bridge, **{"X-API-Key": "guess"}) == 401


async def test_a_key_without_a_role_is_an_admins(start: Start) -> None:
    bridge = await start(api_keys=("just-a-key",))
    answer = await bridge.http.get("/v1/staff/me", headers={"X-API-Key": "just-a-key"})
    assert answer.json()["role"] == "admin"


async def test_a_key_with_an_unknown_role_stops_the_start(start: Start) -> None:
    with pytest.raises(ValueError, match="TINGSU_API_KEYS"):
        await start(api_keys=("desk:emperor:key",))


async def test_the_bots_secret_is_no_staff(bridge: Bridge) -> None:
    refused = await bridge.http.get("/v1/tickets", headers=bridge.internal)
    assert code(refused) == (403, "forbidden")


async def test_a_staff_key_is_not_the_bot(bridge: Bridge) -> None:
    assert code(await bridge.http.get("/internal/branches", headers=bridge.key())) == (403, "forbidden")


# Roles

BRANCH = {"name": "城东支行", "hours": [{"days": "1-5", "open": "09:00", "close": "17:00"}]}
FILE = ("POST", "/v1/tickets", {"narrative_raw": "柜员让我等"})
EVERYBODY = {"agent", "supervisor", "handler", "auditor", "admin"}


@pytest.mark.parametrize(
    ("method", "path", "body", "may"),
    [
        ("GET", "/v1/tickets", None, EVERYBODY),
        ("GET", "/v1/conversations", None, EVERYBODY),
        ("GET", "/v1/branches", None, EVERYBODY),
        (*FILE, EVERYBODY - {"auditor"}),
        ("GET", "/v1/tickets/export", None, {"supervisor", "auditor", "admin"}),
        ("PUT", "/v1/branches/YT999", BRANCH, {"supervisor", "admin"}),
    ],
    ids=["list tickets", "list conversations", "list branches", "file", "export", "change a branch"],
)
async def test_roles(bridge: Bridge, method: str, path: str, body: Any, may: set[str]) -> None:
    let_in = set()
    for role in EVERYBODY:
        headers = {**bridge.key(role), "Idempotency-Key": role}
        answer = await bridge.http.request(method, path, json=body, headers=headers)
        assert answer.status_code in (200, 201, 403), answer.text
        let_in |= {role} if answer.status_code != 403 else set()
    assert let_in == may


@pytest.mark.parametrize(
    ("event", "may"),
    [
        ({"type": "comment", "text": "已电话联系"}, EVERYBODY - {"auditor"}),
        ({"type": "accept"}, {"supervisor", "handler", "admin"}),
        ({"type": "assign", "owner": "李四"}, {"supervisor", "handler", "admin"}),
    ],
    ids=lambda value: value.get("type") if isinstance(value, dict) else "",
)
async def test_roles_on_a_ticket(bridge: Bridge, event: dict[str, Any], may: set[str]) -> None:
    let_in = set()
    for number, role in enumerate(sorted(EVERYBODY)):
        ticket_no = (await bridge.file(phone=f"1390000000{number}")).json()["ticket_no"]
        answer = await bridge.http.post(f"/v1/tickets/{ticket_no}/events", json=event, headers=bridge.key(role))
        let_in |= {role} if answer.status_code == 201 else set()
    assert let_in == may


@pytest.mark.parametrize("role", ["agent", "handler"])
async def test_a_tip_about_staff_is_hidden(bridge: Bridge, role: str) -> None:
    number = (await bridge.file(cause_l1="C8")).json()["ticket_no"]
    listed = (await bridge.http.get("/v1/tickets", headers=bridge.key(role))).json()["tickets"]
    read = await bridge.http.get(f"/v1/tickets/{number}", headers=bridge.key(role))
    comment = {"type": "comment", "text": "我看看"}
    written = await bridge.http.post(f"/v1/tickets/{number}/events", json=comment, headers=bridge.key(role))
    assert listed == []
    assert code(read) == code(written) == (404, "ticket_not_found")


@pytest.mark.parametrize("level", [0, 3, 4])
async def test_an_angry_tip_about_staff_is_hidden_too(bridge: Bridge, level: int) -> None:
    number = (await bridge.file(cause_l1="C8", level=level)).json()["ticket_no"]
    read = await bridge.http.get(f"/v1/tickets/{number}", headers=bridge.key("agent"))
    assert code(read) == (404, "ticket_not_found")


async def test_what_turns_out_to_be_a_tip_is_hidden_from_then_on(bridge: Bridge) -> None:
    number = (await bridge.file(cause_l1="C7")).json()["ticket_no"]
    event = {"type": "correct", "fields": {"cause_l1": "C8"}}
    await bridge.http.post(f"/v1/tickets/{number}/events", json=event, headers=bridge.key("supervisor"))
    read = await bridge.http.get(f"/v1/tickets/{number}", headers=bridge.key("agent"))
    assert code(read) == (404, "ticket_not_found")


async def test_the_unit_concerned_sees_its_tips(bridge: Bridge) -> None:
    filed = (await bridge.file(cause_l1="C8")).json()
    context = bridge.app.state.context
    account = {"username": "jijian", "role": Role.HANDLER, "password": "long-enough-1", "unit": filed["route"]}
    await context.db.write(lambda connection: add(connection, **account, now=context.clock.now()))
    await login(bridge, "jijian", "long-enough-1")
    assert (await bridge.http.get(f"/v1/tickets/{filed['ticket_no']}")).status_code == 200


async def test_every_look_at_a_ticket_leaves_a_trace(bridge: Bridge) -> None:
    number = (await bridge.file()).json()["ticket_no"]
    await bridge.http.get(f"/v1/tickets/{number}", headers=bridge.key("auditor"))
    rows = await bridge.app.state.context.db.read(
        lambda connection: connection.exec_driver_sql(
            "SELECT who, subject, action FROM audit WHERE action = 'ticket.read'"
        ).all()
    )
    assert [tuple(row) for row in rows] == [("key:auditor", number, "ticket.read")]


@pytest.mark.parametrize(("role", "status"), [("agent", 200), ("auditor", 200), ("handler", 403)])
async def test_who_may_read_a_conversation(bridge: Bridge, role: str, status: int) -> None:
    talk = await bridge.talk()
    await talk.answered(await talk.say("交班让我等"))
    read = await bridge.http.get(f"/v1/conversations/{talk.id}/messages", headers=bridge.key(role))
    assert read.status_code == status
