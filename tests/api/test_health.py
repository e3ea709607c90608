"""Alive, ready, counted; and one error shape for everything that is asked wrongly."""

import asyncio
import contextlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from api.core.errors import ApiError
from api.core.health import Watched
from tests.api.conftest import Bridge, Start
from tests.api.files.servers import played_clamd, s3
from tests.api.redis_server import free_port

OK = {"status": "ok"}


def error_of(response: httpx.Response) -> dict[str, Any]:
    """The one error shape (api.md), whatever went wrong."""
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "details"}
    assert any("一" <= char <= "鿿" for char in body["error"]["message"])
    return dict(body["error"])


def nobody_home() -> str:
    return f"http://127.0.0.1:{free_port()}"


# Alive and ready


async def test_alive_needs_nothing_else(start: Start) -> None:
    bridge = await start(bot_url=nobody_home(), redis_url=None)
    answer = await bridge.http.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_ready_names_every_part(bridge: Bridge) -> None:
    answer = await bridge.http.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert {name: check["status"] for name, check in answer.json()["checks"].items()} == {
        "database": "ok",
        "redis": "ok",
        "bot": "ok",
        "actions": "ok",
        "files": "ok",
    }


@pytest.mark.parametrize("part", ["bot", "actions"])
async def test_not_ready_without(start: Start, part: str) -> None:
    bridge = await start(**{f"{part}_url": nobody_home()})
    answer = await bridge.http.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "down")
    assert {name for name, check in answer.json()["checks"].items() if check["status"] == "down"} == {part}


@pytest.mark.parametrize("redis", [None, "redis://127.0.0.1:1/0"], ids=["never there", "gone"])
async def test_without_redis_it_is_ready_but_degraded(start: Start, redis: str | None) -> None:
    """Redis carries no data: taking the bridge out of service would turn a delay into an outage."""
    bridge = await start(redis_url=redis)
    answer = await bridge.http.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["checks"]["redis"]["status"] == "degraded"
    assert "推送最多慢一秒" in answer.json()["checks"]["redis"]["message"]


def bucket_of_nobody() -> dict[str, str]:
    names = {"evidence_s3_bucket": "b", "evidence_s3_key": "k", "evidence_s3_secret": "s"}
    return {"evidence_s3_url": nobody_home(), **names}


@pytest.mark.parametrize("part", ["files", "scanner"])
async def test_without_evidence_or_scanner_complaints_are_still_filed(start: Start, part: str) -> None:
    """A dead port: named, and the bridge stays in service."""
    gone = bucket_of_nobody() if part == "files" else {"clamav": f"127.0.0.1:{free_port()}"}
    bridge = await start(**gone)
    answer = await bridge.http.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert {name for name, check in answer.json()["checks"].items() if check["status"] != "ok"} == {part}
    assert "消息和工单不受影响" in answer.json()["checks"][part]["message"]
    assert (await bridge.file()).status_code == 201


async def test_a_directory_of_evidence_that_cannot_be_written_is_named(start: Start, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "evidence").write_text("in the way")
    bridge = await start()
    told = (await bridge.http.get("/readyz")).json()
    assert (told["status"], told["checks"]["files"]["status"]) == ("degraded", "degraded")


async def test_a_scanner_and_a_bucket_that_are_there(start: Start, tmp_path: Path) -> None:
    with played_clamd(lambda _: b"") as address, s3(tmp_path) as (bucket, server):
        place = {"evidence_s3_url": bucket.url, "evidence_s3_bucket": bucket.name}
        keys = {"evidence_s3_key": bucket.key, "evidence_s3_secret": bucket.secret}
        bridge = await start(clamav=address, **place, **keys)
        told = (await bridge.http.get("/readyz")).json()
        assert (told["status"], told["checks"]["files"], told["checks"]["scanner"]) == ("ok", OK, OK)
        server.stop()
        assert (await bridge.http.get("/readyz")).json()["checks"]["files"] == OK  # told some seconds ago
        bridge.app.state.watched["files"]._began -= 60
        assert (await bridge.http.get("/readyz")).json()["checks"]["files"]["status"] == "degraded"


async def test_what_hangs_is_asked_once_at_a_time() -> None:
    asked, go_on = [], threading.Event()

    def look() -> None:
        asked.append(1)
        go_on.wait(30)

    part = Watched(look, "不在")
    for told in await asyncio.gather(part.check(), part.check()):
        assert (told["status"], told["message"]) == ("degraded", "不在")
    part._began -= 60
    go_on.set()
    assert await part.check() == OK
    assert len(asked) == 1


async def test_without_redis_messages_are_answered(start: Start) -> None:
    bridge = await start(redis_url="redis://127.0.0.1:1/0")
    talk = await bridge.talk()
    await talk.answered(await talk.say("交班让我等"))


async def make_read_only(bridge: Bridge) -> None:
    """What a full or broken disk looks like to SQLite's writer, and a standby to a client of PostgreSQL."""
    db = bridge.app.state.context.db
    if db.is_sqlite:
        await db.write(lambda connection: connection.exec_driver_sql("PRAGMA query_only=ON"))
        return
    with psycopg.connect(bridge.settings.database_url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET default_transaction_read_only = on".encode())
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


async def test_not_ready_without_a_database(bridge: Bridge) -> None:
    await make_read_only(bridge)
    answer = await bridge.http.get("/readyz")
    assert (answer.status_code, answer.json()["checks"]["database"]["status"]) == (503, "down")


async def test_what_cannot_be_stored_is_not_accepted(bridge: Bridge) -> None:
    talk = await bridge.talk()
    await make_read_only(bridge)
    refused = await talk.post(text="交班让我等")
    assert (refused.status_code, error_of(refused)["code"]) == (503, "storage_unavailable")
    assert (await talk.history())["messages"] == []


async def test_a_shifted_clock_is_named(start: Start) -> None:
    bridge = await start(clock="2026-11-25T10:00:00+08:00")
    body = (await bridge.http.get("/readyz")).json()
    assert body["clock"]["now"].startswith("2026-11-25T10:0")


# Numbers


async def test_metrics_count_what_happens(bridge: Bridge) -> None:
    talk = await bridge.talk()
    await talk.answered(await talk.say("交班让我等"))
    await bridge.file()
    numbers = (await bridge.http.get("/metrics")).text
    assert 'tingsu_messages_total{role="customer"} 1.0' in numbers
    assert 'tingsu_messages_total{role="bot"} 1.0' in numbers
    assert 'tingsu_turns_total{outcome="answered"} 1.0' in numbers
    assert 'tingsu_tickets_total{outcome="created"} 1.0' in numbers


async def test_metrics_name_routes_and_no_ids(bridge: Bridge) -> None:
    talk = await bridge.talk()
    await talk.history()
    await bridge.http.get("/v1/nowhere/13900000000")
    numbers = (await bridge.http.get("/metrics")).text
    assert 'route="/v1/conversations/{conversation_id}/messages"' in numbers
    assert talk.id not in numbers
    assert "13900000000" not in numbers


async def test_metrics_count_failed_turns(bridge: Bridge) -> None:
    bridge.bot.failures = 1
    talk = await bridge.talk()
    await talk.answered(await talk.say("交班让我等"))
    assert 'tingsu_turns_total{outcome="failed"} 1.0' in (await bridge.http.get("/metrics")).text


# One error shape

JSON = {"Content-Type": "application/json"}
Ask = Callable[[Bridge], Any]
MISTAKES: dict[str, tuple[Ask, int, str]] = {
    "unknown route": (lambda b: b.http.get("/v1/nowhere"), 404, "not_found"),
    "unknown page": (lambda b: b.http.get("/desk/../../etc/passwd"), 404, "not_found"),
    "wrong method of a page": (lambda b: b.http.post("/desk/"), 405, "method_not_allowed"),
    "unheard-of method": (lambda b: b.http.request("TRACE", "/v1/tickets"), 405, "method_not_allowed"),
    "long headers": (lambda b: b.http.get("/healthz", headers={"X-Long": "a" * 70_000}), 431, "headers_too_large"),
    "strange host": (lambda b: b.http.get("/v1/nowhere/", headers={"Host": "[::1/../?"}), 404, "not_found"),
    "wrong method": (lambda b: b.http.delete("/v1/conversations"), 405, "method_not_allowed"),
    "bad json": (lambda b: b.http.post("/v1/conversations", content=b'{"a":', headers=JSON), 422, "invalid_request"),
    "not utf-8": (lambda b: b.http.post("/v1/conversations", content=b'{"a":"\xff"}', headers=JSON), 400, "bad_request"),
    "no body": (lambda b: b.http.post("/v1/conversations"), 422, "invalid_request"),
    "a list": (lambda b: b.http.post("/v1/conversations", json=[1]), 422, "invalid_request"),
    "a number": (lambda b: b.http.post("/v1/conversations", content=b"7", headers=JSON), 422, "invalid_request"),
    "null": (lambda b: b.http.post("/v1/conversations", content=b"null", headers=JSON), 422, "invalid_request"),
    "too deep": (
        lambda b: b.http.post("/v1/conversations", content=b"[" * 100_000, headers=JSON), 400, "bad_request",
    ),
    "a form": (lambda b: b.http.post("/v1/conversations", data={"consent": "true"}), 415, "unsupported_media_type"),
    "plain text": (
        lambda b: b.http.post("/v1/conversations", content=b'{"consent":true}', headers={"Content-Type": "text/plain"}),
        415, "unsupported_media_type",
    ),
    "too large": (lambda b: b.http.post("/v1/conversations", content=b" " * 2_000_000), 413, "payload_too_large"),
    "no token": (lambda b: b.http.get("/v1/conversations/x/messages"), 401, "unauthorized"),
    "no staff": (lambda b: b.http.get("/v1/tickets"), 401, "unauthorized"),
    "huge number": (lambda b: b.http.post(f"/v1/alerts/{10**30}/acknowledge", headers=b.key()), 422, "invalid_request"),
    "wrong query": (lambda b: b.http.get("/v1/tickets?limit=many", headers=b.key()), 422, "invalid_request"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
async def test_every_mistake_has_the_same_shape(bridge: Bridge, name: str) -> None:
    ask, status, code = MISTAKES[name]
    answer = await ask(bridge)
    assert (answer.status_code, error_of(answer)["code"]) == (status, code)


@pytest.mark.only_on("sqlite", reason="nothing is stored")
async def test_a_wrong_method_hears_the_right_ones(bridge: Bridge) -> None:
    # The last three look like an incident, a branch and an account of that name.
    right = {
        ("DELETE", "/v1/tickets"): "GET, POST", ("PUT", "/v1/webhooks/1"): "DELETE, GET, PATCH", ("PUT", "/desk/x"): "GET, HEAD",
        ("PATCH", "/v1/incidents/export"): "GET", ("PUT", "/v1/branches/import"): "POST", ("PATCH", "/v1/staff/oidc"): "GET",
    }  # fmt: skip
    for (method, path), allowed in right.items():
        answer = await bridge.http.request(method, path, headers=bridge.key())
        assert (answer.status_code, error_of(answer)["code"]) == (405, "method_not_allowed"), path
        assert answer.headers["allow"] == ", ".join(error_of(answer)["details"]["allowed"]) == allowed, path


async def raw(bridge: Bridge, *parts: bytes) -> tuple[int, str]:
    """Status and code of the answer to what is no HTTP, or no end of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(bridge.url.rpartition(":")[2]))
    with contextlib.suppress(ConnectionError):
        for part in parts:
            writer.write(part)
            await writer.drain()
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert b"content-type: application/json" in head
    return int(head.split(b" ")[1]), json.loads(body)["error"]["code"]


@pytest.mark.only_on("sqlite", reason="nothing is stored")
async def test_what_the_app_never_sees_has_the_same_shape(bridge: Bridge) -> None:
    assert await raw(bridge, b"\x16\x03\x01 hello\r\n\r\n") == (400, "not_http")
    assert await raw(bridge, b"POST /v1/tickets HTTP/1.1\r\nContent-Length: many\r\n\r\n") == (400, "not_http")
    assert await raw(bridge, b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n") == (431, "headers_too_large")


@pytest.mark.only_on("sqlite", reason="nothing is stored")
async def test_a_head_without_an_end_is_not_collected(bridge: Bridge) -> None:
    endless = [b"X-%d: %s\r\n" % (number, b"a" * 8000) for number in range(20)]
    assert await raw(bridge, b"GET /healthz HTTP/1.1\r\n", *endless) == (431, "headers_too_large")
    assert await raw(bridge, b"GET /healthz HTTP/1.1\r\nX: ", *[b"a" * 8000] * 20) == (431, "headers_too_large")


async def test_a_place_in_broken_json_is_told(bridge: Bridge) -> None:
    answer = await bridge.http.post("/v1/conversations", content=b'{"a":', headers=JSON)
    assert error_of(answer)["details"] == [{"field": "内容", "message": "第 6 个字符起不是正确的 JSON"}]


def test_every_named_error_says_what_to_do() -> None:
    def all_of(above: type[ApiError]) -> Iterator[type[ApiError]]:
        for error in above.__subclasses__():
            yield error
            yield from all_of(error)

    # The others are raised with a sentence of their own.
    texts = {error.message for error in all_of(ApiError)} - {ApiError.message}
    assert not {text for text in texts if not re.search("请|可以", text)}


async def test_a_huge_sequence_number_is_refused(bridge: Bridge) -> None:
    talk = await bridge.talk()
    answer = await bridge.http.get(f"/v1/conversations/{talk.id}/messages?after={10**30}", headers=talk.headers)
    assert (answer.status_code, error_of(answer)["code"]) == (422, "invalid_request")


async def test_a_large_body_without_a_length_is_stopped_too(bridge: Bridge) -> None:
    async def endless() -> Any:
        for _ in range(40):
            yield b" " * 65_536

    answer = await bridge.http.post("/v1/conversations", content=endless(), headers=JSON)
    assert (answer.status_code, error_of(answer)["code"]) == (413, "payload_too_large")


async def test_a_wrong_value_is_never_repeated(bridge: Bridge) -> None:
    talk = await bridge.talk()
    refused = await talk.post(text={"my card": "6222020200112233445"})
    assert refused.status_code == 422
    assert "6222020200112233445" not in refused.text


async def test_what_nobody_expected_tells_nothing(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the secret reason")

    monkeypatch.setattr("api.desk.branches._all", fail)
    answer = await bridge.http.get("/v1/branches", headers=bridge.key())
    assert (answer.status_code, error_of(answer)["code"]) == (500, "internal_error")
    assert "secret" not in answer.text


async def test_answers_carry_the_security_headers(bridge: Bridge) -> None:
    headers = (await bridge.http.get("/healthz")).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "script-src 'self'" in headers["content-security-policy"]


async def test_the_documentation_is_there(bridge: Bridge) -> None:
    described = (await bridge.http.get("/openapi.json")).json()
    assert "/v1/conversations/{conversation_id}/messages" in described["paths"]
    assert (await bridge.http.get("/docs")).status_code == 200
