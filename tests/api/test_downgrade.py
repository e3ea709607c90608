"""The way back: an older schema, and up again at the next start, with everything that both know."""

import asyncio
from typing import Any

import pytest

from api.commands import downgrade
from tests.api.conftest import Bridge, Start


async def gone_back(bridge: Bridge, to: str) -> int:
    return await asyncio.to_thread(downgrade.main, [to], bridge.settings)


async def test_not_under_a_running_server(bridge: Bridge, capsys: Any) -> None:
    assert await gone_back(bridge, "0020") == 1
    assert "先停止服务" in capsys.readouterr().err


@pytest.mark.parametrize("to", ["9999", "head", "-1x"])
async def test_only_back_to_an_older_one(bridge: Bridge, capsys: Any, to: str) -> None:
    await bridge.stop()
    assert await asyncio.to_thread(downgrade.main, ["--", to], bridge.settings) == 1
    assert "只能退到比它小的版本" in capsys.readouterr().err


async def test_back_and_up_again(bridge: Bridge, start: Start) -> None:
    number = (await bridge.file()).json()["ticket_no"]
    await bridge.stop()
    assert await gone_back(bridge, "0017") == 0
    again = await start()
    ticket = await again.http.get(f"/v1/tickets/{number}", headers=again.key())
    assert ticket.json()["narrative_raw"] == "柜员说交班让我等"
    assert (await again.file(phone="13700000001")).status_code == 201
