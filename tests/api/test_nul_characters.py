"""PostgreSQL cannot keep a NUL character in plain text: refused in our words, and nothing is stored."""

from typing import Any

import pytest

from tests.api.conftest import Bridge

pytestmark = pytest.mark.only_on("postgresql", reason="SQLite keeps them")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/tickets", {"narrative_raw": "x", "branch": "a\x00b"}),
        ("GET", "/v1/tickets/TS%00", None),
        ("POST", "/v1/staff/login", {"username": "a\x00b", "password": "x"}),
    ],
    ids=["ticket", "number", "login"],
)
async def test_a_nul_character_is_refused(bridge: Bridge, method: str, path: str, body: Any) -> None:
    headers = {**bridge.key(), "Idempotency-Key": "k-1"}
    refused = await bridge.http.request(method, path, json=body, headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_request")


async def test_a_nul_character_in_a_client_id_is_refused(bridge: Bridge) -> None:
    talk = await bridge.talk()
    assert (await talk.post(text="好", client_id="a\x00b")).status_code == 422
