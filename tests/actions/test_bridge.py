"""The directory follows the bridge's version and serves on when the bridge is gone; a ticket is filed or the turn fails."""

import json
from datetime import datetime
from typing import Any

import httpx
import pytest

from actions.bridge import Bridge, BridgeUnavailableError, TicketRefusedError
from contract.ticket import TicketCreate

_BRANCH = {"code": "B1", "name": "城东支行", "hours": [{"days": "1-5", "open": "09:00", "close": "17:00"}]}
_INCIDENT = {
    "incident_no": "SJ20261125001",
    "title": "手机银行登录异常",
    "from": "2026-11-25T09:10:00+08:00",
    "message": "手机银行暂时登录不上，正在抢修。",
}


class Api:
    """Answers `GET /internal/branches`; `gone` is an api that cannot be reached."""

    def __init__(self) -> None:
        self.asked = 0
        self.gone = False
        self.answer: dict[str, Any] = {"version": 4, "branches": [_BRANCH], "incidents": [_INCIDENT]}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/internal/branches"
        self.asked += 1
        if self.gone:
            raise httpx.ConnectError("gone")
        return httpx.Response(200, json=self.answer)


def bridge(api: Api) -> Bridge:
    return Bridge("http://api", "secret", httpx.MockTransport(api))


async def test_branches_and_incidents_come_together_and_once() -> None:
    speaker = bridge(api := Api())
    directory = await speaker.directory(4)
    assert directory.branches["B1"].name == "城东支行"
    assert directory.incidents[0].incident_no == "SJ20261125001"
    assert directory.incidents[0].holds_at(datetime.fromisoformat("2026-11-25T12:00:00+08:00"))
    assert await speaker.directory(4) is directory
    assert await speaker.branches(3) is directory.branches
    assert api.asked == 1


async def test_a_newer_version_is_fetched() -> None:
    speaker = bridge(api := Api())
    await speaker.directory(4)
    api.answer = {"version": 5, "branches": [], "incidents": []}
    directory = await speaker.directory(5)
    assert (directory.branches, directory.incidents) == ({}, ())


async def test_without_the_bridge_the_last_one_known_serves_on() -> None:
    speaker = bridge(api := Api())
    known = await speaker.directory(4)
    api.gone = True
    assert await speaker.directory(5) is known
    api.gone = False
    api.answer["version"] = 5
    assert await speaker.directory(5) is not known  # asked again as soon as it is back


async def test_without_any_answer_yet_nothing_is_known() -> None:
    api = Api()
    api.gone = True
    directory = await bridge(api).directory(1)
    assert (dict(directory.branches), directory.incidents) == ({}, ())


class Tickets:
    """Answers everything with one status and body, and keeps what was sent."""

    def __init__(self, status: int, body: dict[str, Any] | None = None) -> None:
        self.sent: list[httpx.Request] = []
        self._status = status
        self._body = body or {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        return httpx.Response(self._status, json=self._body)


_STATE = {"state": "processing", "state_text": "正在核实。"}
_CLOCKS = [
    {"kind": "first_contact", "due_at": "2026-11-26T23:59:00+08:00"},
    {"kind": "decision", "due_at": "2026-12-10T23:59:00+08:00"},
]


class TestFiling:
    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (500, {}),
            (503, {}),
            (201, {}),
            (409, {"error": {}}),
            (409, {"error": {"details": {"kind": "x"}}}),
        ],
    )
    async def test_without_a_number_the_turn_fails(self, status: int, body: dict[str, Any]) -> None:
        speaker = Bridge("http://api", "secret", httpx.MockTransport(Tickets(status, body)))
        with pytest.raises(BridgeUnavailableError):
            await speaker.file_ticket(TicketCreate(), "c1:1")

    async def test_a_value_that_is_not_taken_is_no_failure_of_the_bridge(self) -> None:
        speaker = Bridge("http://api", "secret", httpx.MockTransport(Tickets(422)))
        with pytest.raises(TicketRefusedError):
            await speaker.file_ticket(TicketCreate(), "c1:1")

    @pytest.mark.parametrize(
        ("status", "wrapped"),
        [(409, True), (201, False)],  # a first try of this turn has filed it already
    )
    async def test_what_the_customer_is_told(self, status: int, wrapped: bool) -> None:
        ticket = {"ticket_no": "TS1", "merged": True, "clocks": _CLOCKS}
        api = Tickets(status, {"error": {"details": ticket}} if wrapped else ticket)
        filed = await Bridge("http://api", "secret", httpx.MockTransport(api)).file_ticket(
            TicketCreate(name="周"), "c1:1"
        )
        assert (filed.ticket_no, filed.merged, filed.clock_restarted) == ("TS1", True, False)
        assert (filed.first_contact_due, filed.decision_due) == (_CLOCKS[0]["due_at"], _CLOCKS[1]["due_at"])
        (sent,) = api.sent
        assert sent.headers["Idempotency-Key"] == "c1:1"
        assert sent.headers["Authorization"] == "Bearer secret"
        assert json.loads(sent.content)["name"] == "周"
        assert "phone" not in json.loads(sent.content)


class TestTicketsFromOutside:
    @pytest.mark.parametrize("status", [404, 409])
    async def test_an_event_that_is_not_allowed(self, status: int) -> None:
        speaker = Bridge("http://api", "secret", httpx.MockTransport(Tickets(status)))
        assert await speaker.add_event("TS1", {"type": "urge"}, "k") is None

    @pytest.mark.parametrize("status", [404, 422, 429])
    async def test_unknown_wrong_and_too_often_are_alike(self, status: int) -> None:
        speaker = Bridge("http://api", "secret", httpx.MockTransport(Tickets(status)))
        assert await speaker.progress("TS1", "1234", conversation_id="c1") is None

    @pytest.mark.parametrize("status", [401, 500, 503])
    async def test_a_failure_of_the_bridge_fails_the_turn(self, status: int) -> None:
        speaker = Bridge("http://api", "secret", httpx.MockTransport(Tickets(status)))
        with pytest.raises(BridgeUnavailableError):
            await speaker.progress("TS1", "1234", conversation_id="c1")
        with pytest.raises(BridgeUnavailableError):
            await speaker.add_event("TS1", {"type": "urge"}, "k")

    async def test_progress(self) -> None:
        api = Tickets(200, {**_STATE, "next_date": "2026-12-09", "days": 3})
        found = await Bridge("http://api", "secret", httpx.MockTransport(api)).progress(
            "TS1", "1234", conversation_id="c1"
        )
        assert found is not None
        assert (found.ticket_no, found.state_text, found.days, found.clock_restarted) == ("TS1", "正在核实。", 3, False)
        assert dict(api.sent[0].url.params) == {"phone_tail": "1234", "conversation_id": "c1"}

    async def test_an_event(self) -> None:
        api = Tickets(200, {**_STATE, "clock_restarted": True})
        added = await Bridge("http://api", "secret", httpx.MockTransport(api)).add_event("TS1", {"type": "urge"}, "k1")
        assert added is not None
        assert added.clock_restarted
        assert (api.sent[0].url.path, api.sent[0].headers["Idempotency-Key"]) == ("/v1/tickets/TS1/events", "k1")
