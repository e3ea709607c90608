"""Passwords guessed many at once, behind one address, and where an address comes from."""

import asyncio
import threading
import time
from collections import Counter

import httpx
import pytest

from api.__main__ import server_config
from api.core.security import hashing
from api.desk import sessions as desk_sessions
from tests.api.conftest import ADMIN_PASSWORD, Bridge, Start
from tests.api.test_accounts import PASSWORD, create, settled
from tests.api.test_staff import code, login


async def burst(bridge: Bridge, *guesses: tuple[str, str]) -> Counter[int]:
    """All at once, each from a browser of its own."""
    async with httpx.AsyncClient(base_url=bridge.url, timeout=60, limits=httpx.Limits(max_connections=200)) as http:

        async def guess(username: str, password: str) -> int:
            body = {"username": username, "password": password}
            return (await http.post("/v1/staff/login", json=body)).status_code

        return Counter(await asyncio.gather(*(guess(*one) for one in guesses)))


@pytest.mark.parametrize("redis", ["real", None], ids=["with redis", "without redis"])
@pytest.mark.parametrize("username", ["li.si", "nobody"])
async def test_a_hundred_guesses_at_once_are_ten(start: Start, redis: str | None, username: str) -> None:
    bridge = await (start() if redis else start(redis_url=None))
    await create(bridge)
    assert await burst(bridge, *[(username, "wrong")] * 100) == {401: 10, 429: 90}


async def test_the_right_guess_after_ten_wrong_ones_is_refused_wherever_it_was_counted(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process counts for itself without Redis: the row decides, and does not say which guess was right."""

    async def everything(*_: object, **__: object) -> bool:
        return True

    made = await create(bridge)
    monkeypatch.setattr(bridge.app.state.context.redis, "allow", everything)
    reached, go_on, matches = asyncio.Event(), threading.Event(), desk_sessions.password_matches
    loop = asyncio.get_running_loop()

    def late(stored: str | None, password: str) -> bool:
        """The right one is looked at first, and comes back last."""
        if password == made["password"]:
            loop.call_soon_threadsafe(reached.set)
            go_on.wait(30)
        return matches(stored, password)

    monkeypatch.setattr(desk_sessions, "password_matches", late)
    right = asyncio.create_task(burst(bridge, ("li.si", made["password"])))
    await reached.wait()
    assert await burst(bridge, *[("li.si", "wrong")] * 40) == {401: 10, 429: 30}
    go_on.set()
    assert await right == {429: 1}
    accounts = (await bridge.http.get("/v1/staff", headers=bridge.key())).json()["staff"]
    assert [bool(account["locked_until"]) for account in accounts] == [False, True]


async def test_a_password_that_is_changed_meanwhile_opens_nothing(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await create(bridge)
    reached, go_on, loop = asyncio.Event(), threading.Event(), asyncio.get_running_loop()
    matches = desk_sessions.password_matches

    def slow(stored: str | None, password: str) -> bool:
        loop.call_soon_threadsafe(reached.set)
        go_on.wait(30)
        return matches(stored, password)

    monkeypatch.setattr(desk_sessions, "password_matches", slow)
    right = asyncio.create_task(burst(bridge, ("li.si", made["password"])))
    await reached.wait()
    assert (await bridge.http.post("/v1/staff/li.si/password", headers=bridge.key())).status_code == 200
    go_on.set()
    assert await right == {401: 1}


async def test_guesses_behind_one_address_do_not_keep_known_browsers_out(bridge: Bridge) -> None:
    async with settled(bridge) as known:
        await known.post("/v1/staff/logout")
        await create(bridge, username="zhao.liu")
        assert await burst(bridge, *[(f"nobody{number}", "wrong") for number in range(60)]) == {401: 50, 429: 10}
        assert code(await login(bridge, "zhao.liu", "wrong")) == (429, "login_address_locked")
        answer = await known.post("/v1/staff/login", json={"username": "li.si", "password": PASSWORD})
        assert answer.status_code == 200


async def test_passwords_are_looked_at_four_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes 64 MiB."""
    running, most = 0, 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1

    await asyncio.gather(*(hashing(work) for _ in range(20)))
    assert most == 4


async def test_redis_has_a_turn_for_everybody(bridge: Bridge) -> None:
    redis = bridge.app.state.context.redis
    found = await asyncio.gather(*(redis.allow("many", limit=150, seconds=900) for _ in range(300)))
    assert sum(found) == 150
    await asyncio.gather(*(redis.take_back("many", seconds=900) for _ in range(160)))
    assert not await redis.used_up("many", limit=150, seconds=900)
    assert redis._hits == {}


# Where from


@pytest.mark.parametrize(
    ("trusted", "seen"),
    [
        ((), "127.0.0.1"),
        (("127.0.0.1",), "203.0.113.7"),
        (("127.0.0.0/8",), "203.0.113.7"),
        (("10.0.0.1",), "127.0.0.1"),
    ],
    ids=["nobody", "the proxy", "its network", "another"],
)
@pytest.mark.only_on("sqlite", reason="no question of the database")
async def test_an_address_is_believed_of_trusted_proxies_only(
    start: Start, trusted: tuple[str, ...], seen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    bridge = await start(trusted_proxies=trusted)
    config = server_config(bridge.app, bridge.settings)
    config.load()
    told = {"X-Forwarded-For": "198.51.100.1, 203.0.113.7", "X-Forwarded-Proto": "https"}
    transport = httpx.ASGITransport(config.loaded_app, client=("127.0.0.1", 5000))
    async with httpx.AsyncClient(transport=transport, base_url=bridge.url, headers=told) as http:
        await http.post("/v1/staff/login", json={"username": "admin", "password": ADMIN_PASSWORD})
        [mine] = (await http.get("/v1/staff/me/sessions")).json()["sessions"]
    assert mine["address"] == seen


@pytest.mark.parametrize("wrong", ["*", "proxy.bank", "10.0.0.1/8"])
@pytest.mark.only_on("sqlite", reason="no question of the database")
async def test_everybody_is_no_proxy(start: Start, wrong: str) -> None:
    with pytest.raises(ValueError, match="TINGSU_TRUSTED_PROXIES"):
        await start(trusted_proxies=wrong)
