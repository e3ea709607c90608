"""The real app on a real socket with a real database (each test on both kinds) and a real Redis; only the bot is played."""

import asyncio
import functools
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fastapi.routing
import httpx
import httpx._transports.default
import pytest
from argon2 import PasswordHasher
from sqlalchemy import create_engine

from api.app import create_app
from api.core.protocol import Protocol
from api.core.settings import Settings
from api.tickets.handoff.webhooks import sending
from contract.playbook_loader import load_playbook
from tests.api import compiled, stores
from tests.api.fake_bot import FakeBot, Server, parse_events
from tests.api.postgres import postgres
from tests.api.receiver import Receiver
from tests.api.redis_server import RedisServer
from tests.api.stores import Store

ROOT = Path(__file__).resolve().parents[2]
INTERNAL = "internal-secret-for-tests"
ADMIN_PASSWORD = "correct-horse-battery"
KEYS = {role: f"{role}-key-for-tests" for role in ("agent", "supervisor", "handler", "auditor", "admin")}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "only_on(store, reason): needs this kind of database, sqlite or postgresql")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    stores.parametrise(metafunc)


@pytest.fixture(scope="session", autouse=True)
def quick_start() -> Iterator[None]:
    """Every test starts a bridge of its own: what is the same each time is done once, and passwords are hashed cheaply."""
    certificates = httpx._transports.default
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certificates, "create_ssl_context", functools.cache(certificates.create_ssl_context))
        patch.setattr("api.app.migrate", stores.migrate_what_is_old)
        patch.setattr("api.app.load_playbook", functools.cache(load_playbook))
        patch.setattr(sending, "_trust", functools.cache(sending._trust))
        patch.setattr("api.core.db.create_engine", compiled.sharing(create_engine))
        patch.setattr(fastapi.routing._EffectiveRouteContext, "from_api_route", _analysed_once())
        patch.setattr("api.core.security._PASSWORDS", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
        yield


def _analysed_once() -> Callable[..., Any]:
    """FastAPI looks into the signature of every endpoint again for each app; here all apps have the same routes."""
    analyse, known = fastapi.routing._EffectiveRouteContext.from_api_route, {}

    def analysed(*, original_route: Any, include_context: Any) -> Any:
        key = (id(original_route), include_context.prefix)
        if key not in known:
            known[key] = analyse(original_route=original_route, include_context=include_context)
        return known[key]

    return analysed


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One Redis server for the session."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server.url
    server.stop()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stores.make_sqlite_template(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """One PostgreSQL server for the session; its address without a database name."""
    with postgres() as address:
        stores.make_postgres_template(address)
        yield address


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """The test's own database, migrated and empty."""
    if request.param == "sqlite":
        yield Store("sqlite", template=request.getfixturevalue("sqlite_template"))
    else:
        with stores.postgres_database(request.getfixturevalue("postgres_server")) as made:
            yield made


@dataclass
class Talk:
    """One customer's conversation over HTTP."""

    http: httpx.AsyncClient
    id: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def post(self, **body: Any) -> httpx.Response:
        body = {"client_id": str(uuid.uuid4()), **body}
        return await self.http.post(f"/v1/conversations/{self.id}/messages", json=body, headers=self.headers)

    async def say(self, text: str, **more: Any) -> int:
        response = await self.post(text=text, **more)
        assert response.status_code == 202, response.text
        return int(response.json()["seq"])

    async def history(self, after: int = 0) -> dict[str, Any]:
        response = await self.http.get(
            f"/v1/conversations/{self.id}/messages", params={"after": after}, headers=self.headers
        )
        assert response.status_code == 200, response.text
        return dict(response.json())

    async def until(self, done: Callable[[dict[str, Any]], bool], seconds: float = 30.0) -> dict[str, Any]:
        page: dict[str, Any] = {}
        for _ in range(int(seconds / 0.02)):
            page = await self.history()
            if done(page):
                return page
            await asyncio.sleep(0.02)
        raise AssertionError(f"not reached: {page}")

    async def answered(self, seq: int, seconds: float = 30.0) -> dict[str, Any]:
        """The page once a bot message stands after `seq`."""
        return await self.until(
            lambda page: any(m["role"] == "bot" and m["seq"] > seq for m in page["messages"]), seconds
        )

    async def events(
        self, enough: Callable[[list[Any]], bool], last: int | None = None, seconds: float = 30.0
    ) -> list[Any]:
        headers = self.headers if last is None else {**self.headers, "Last-Event-ID": str(last)}
        text = ""
        async with (
            asyncio.timeout(seconds),
            self.http.stream("GET", f"/v1/conversations/{self.id}/events", headers=headers) as stream,
        ):
            assert stream.status_code == 200
            async for chunk in stream.aiter_text():
                text += chunk
                if enough(parse_events(text)):
                    return parse_events(text)
        raise AssertionError(text)


@dataclass
class Bridge:
    """A running app and how to speak to it."""

    app: Any
    url: str
    http: httpx.AsyncClient
    bot: FakeBot
    settings: Settings
    stop: Callable[[], Any] = field(repr=False, default=lambda: None)

    async def talk(self) -> Talk:
        response = await self.http.post("/v1/conversations", json={"channel": "web", "consent": True})
        assert response.status_code == 201, response.text
        body = response.json()
        return Talk(self.http, body["conversation_id"], body["token"])

    def key(self, role: str = "admin") -> dict[str, str]:
        return {"X-API-Key": KEYS[role]}

    @property
    def internal(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {INTERNAL}"}

    async def file(
        self, *, key: str | None = None, headers: dict[str, str] | None = None, **body: Any
    ) -> httpx.Response:
        body = {"narrative_raw": "柜员说交班让我等", "cause_l1": "C5", "phone": "13800138000", **body}
        sent = {"Idempotency-Key": key or str(uuid.uuid4()), **(headers or self.internal)}
        return await self.http.post("/v1/tickets", json=body, headers=sent)


Start = Callable[..., Any]


@pytest.fixture
async def start(tmp_path: Path, store: Store, redis_url: str) -> AsyncIterator[Start]:
    """Starts bridges on the test's database; each may have settings of its own. Everything is stopped at the end."""
    async with AsyncExitStack() as stack:
        bot = FakeBot()
        bot_server = Server(bot.app)
        bot_url = await bot_server.start()
        stack.push_async_callback(bot_server.stop)

        async def begin(**changes: Any) -> Bridge:
            values: dict[str, Any] = {
                "data_dir": tmp_path / "data",
                "playbook": ROOT / "playbook",
                "web_dist": tmp_path / "dist",
                "database_url": store.database_url,
                "redis_url": redis_url,
                "redis_prefix": f"{{{tmp_path.name}}}:",
                "bot_url": bot_url,
                "actions_url": bot_url,
                "internal_secret": INTERNAL,
                "admin_password": ADMIN_PASSWORD,
                "api_keys": tuple(f"{role}:{role}:{key}" for role, key in KEYS.items()),
                "notice_after": 60.0,  # a loaded machine is slow, too: who wants the notice of a delay asks for it
                "_env_file": None,
            }
            settings = Settings(**{**values, **changes})
            store.prepare(settings)
            app = create_app(settings)
            server = Server(app, http=Protocol)
            url = await server.start()
            http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=60))
            stopped = False

            async def stop() -> None:
                nonlocal stopped
                if not stopped:
                    stopped = True
                    app.state.context.bus.close_streams()
                    await server.stop()

            stack.push_async_callback(stop)
            return Bridge(app, url, http, bot, settings, stop)

        yield begin


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Where webhooks of this test may go."""
    started = await Receiver().start()
    yield started
    await started.server.stop()


@pytest.fixture
async def bridge(start: Start) -> Bridge:
    started: Bridge = await start()
    return started
