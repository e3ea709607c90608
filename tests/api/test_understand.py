"""`/v1/understand`: a batch in, the same order out, with offsets of the text as it was sent."""

from typing import Any

import httpx
import pytest

from tests.api.conftest import Bridge, Start
from tests.api.redis_server import free_port


async def understand(bridge: Bridge, items: Any, role: str = "agent") -> httpx.Response:
    return await bridge.http.post("/v1/understand", json={"items": items}, headers=bridge.key(role))


async def test_every_field_of_the_contract_is_there(bridge: Bridge) -> None:
    (item,) = (await understand(bridge, [{"id": "a", "text": "交班让我等"}])).json()["items"]
    assert set(item) == {
        "id", "intent", "nature", "cause", "level", "level_confidence", "reasons", "entities",
        "cause_reasons", "level_reasons",
    }  # fmt: skip
    assert item["cause"][0] == {"code": "C5", "confidence": 0.9, "detail": "C5a"}


async def test_a_large_batch_keeps_its_order(bridge: Bridge) -> None:
    ids = [f"n{number}" for number in range(120)]
    answer = await understand(bridge, [{"id": name, "text": f"第{name}条"} for name in ids])
    assert [item["id"] for item in answer.json()["items"]] == ids
    assert len(bridge.bot.parsed) == 120


async def test_ids_come_back_unchanged_even_when_they_repeat(bridge: Bridge) -> None:
    answer = await understand(bridge, [{"id": 7, "text": "一"}, {"id": "7", "text": "二"}, {"id": "7", "text": "三"}])
    assert [item["id"] for item in answer.json()["items"]] == [7, "7", "7"]


async def test_an_empty_batch_is_answered(bridge: Bridge) -> None:
    assert (await understand(bridge, [])).json() == {"items": []}


async def test_nothing_is_stored(bridge: Bridge) -> None:
    await understand(bridge, [{"id": "a", "text": "交班让我等"}])
    listed = (await bridge.http.get("/v1/conversations", headers=bridge.key())).json()
    assert listed["conversations"] == []


@pytest.mark.parametrize(
    "items", [None, [{}], [{"id": "a"}], [{"id": "a", "text": "长" * 20_001}], [{"id": "a", "text": "x"}] * 1001]
)
async def test_a_wrong_batch_is_refused(bridge: Bridge, items: Any) -> None:
    refused = await understand(bridge, items)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_request")


async def test_without_the_bot_the_caller_is_told(start: Start) -> None:
    bridge = await start(bot_url=f"http://127.0.0.1:{free_port()}")
    refused = await understand(bridge, [{"id": "a", "text": "交班让我等"}])
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "bot_unavailable")


async def test_customers_may_not_ask(bridge: Bridge) -> None:
    talk = await bridge.talk()
    refused = await bridge.http.post("/v1/understand", json={"items": []}, headers=talk.headers)
    assert refused.status_code == 401
