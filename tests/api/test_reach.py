"""`ticket_reach` follows its ticket: a small unit is shown exactly what `visible_to` says, found without a search through all."""

from typing import Any

import pytest
from sqlalchemy import select

from api.tickets import repository
from api.tickets.models import ticket_reach, tickets
from api.tickets.search import repository as search
from tests.api.conftest import Bridge

OTHERS = "信用卡中心"


async def reach(bridge: Bridge, number: str) -> set[str]:
    mine = select(ticket_reach.c.who).join(tickets, tickets.c.id == ticket_reach.c.ticket_id)
    wanted = mine.where(tickets.c.ticket_no == number)
    return set(await bridge.app.state.context.db.read(lambda connection: connection.execute(wanted).scalars().all()))


async def row(bridge: Bridge, number: str) -> Any:
    return await bridge.app.state.context.db.read(lambda connection: repository.find(connection, number))


def named(ticket: Any) -> set[str]:
    plain = {ticket.route, ticket.responsible, ticket.sent_by, ticket.owner, ticket.operator_id} - {None}
    return plain | {*ticket.copied, *ticket.recused_persons, *ticket.recused_units}


async def change(bridge: Bridge, number: str, **values: Any) -> None:
    await bridge.app.state.context.db.write(lambda connection: repository.change(connection, number, values))


async def test_it_follows_every_change(bridge: Bridge) -> None:
    number = (await bridge.file(branch="YT001", level=3)).json()["ticket_no"]
    assert await reach(bridge, number) == named(await row(bridge, number))
    for values in (
        {"route": OTHERS, "owner": "li", "copied": []},
        {"copied": ["甲", "乙"], "recused_persons": ["wang"], "recused_units": [OTHERS]},
        {"owner": None, "copied": ["乙"], "recused_persons": []},
    ):
        await change(bridge, number, **values)
        assert await reach(bridge, number) == named(await row(bridge, number))


async def test_a_small_unit_is_shown_what_is_its_own(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"name": "cards", "role": "handler", "units": [OTHERS]}
    made = await bridge.http.post("/v1/api-keys", json=body, headers=bridge.key())
    assert made.status_code == 201, made.text
    ours = {"X-API-Key": made.json()["key"]}
    numbers = [(await bridge.file(phone=f"1390000000{tail}")).json()["ticket_no"] for tail in range(6)]
    await change(bridge, numbers[0], route=OTHERS)
    await change(bridge, numbers[2], copied=[OTHERS])
    await change(bridge, numbers[4], recused_units=[OTHERS])

    async def shown(**params: Any) -> list[str]:
        told = await bridge.http.get("/v1/tickets", params=params, headers=ours)
        assert told.status_code == 200, told.text
        return [ticket["ticket_no"] for ticket in told.json()["tickets"]]

    for few, rare, span in ((10_000, 400, 8192), (10_000, 1, 40), (1, 1, 2)):  # read, looked up, looked for
        monkeypatch.setattr(search, "FEW", few)
        monkeypatch.setattr(repository, "_RARE", rare)
        monkeypatch.setattr(search, "_SPAN", span)
        assert await shown() == [numbers[4], numbers[2], numbers[0]]
        assert await shown(route=OTHERS) == [numbers[0]]
        assert await shown(q="交班") == [numbers[4], numbers[2], numbers[0]]
        assert await shown(q="氢弹") == []
