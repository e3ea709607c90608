"""The API against its own description: what it says is what it does, whatever it is sent (schemathesis)."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from api.core.openapi import error_codes
from tests.api.conftest import ROOT, Bridge, Start

# What anybody may run schemathesis with: all checks, and why one is narrower for which operation.
_SETTINGS = (ROOT / "schemathesis.toml").read_text()
# Sequences of calls need what the calls before have made: the administrator's run has them.
_NO_SEQUENCES = ("--phases", "examples,coverage,fuzzing")
_GENEROUS = {"key_calls_per_minute": 10**6, "exports_per_minute": 10**6, "conversations_per_minute": 10**6}


@pytest.fixture
async def bridge(start: Start) -> Bridge:
    started: Bridge = await start(**_GENEROUS)
    return started


async def described(bridge: Bridge) -> dict[str, Any]:
    return dict((await bridge.http.get("/openapi.json")).json())


def operations(openapi: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, told) for path, methods in openapi["paths"].items() for method, told in methods.items()]


# What is described


@pytest.mark.only_on("sqlite", reason="nothing is stored")
async def test_every_refusal_has_the_one_shape(bridge: Bridge) -> None:
    for path, method, told in operations(await described(bridge)):
        for status, response in told["responses"].items():
            if int(status) >= 400 and path.startswith("/v1/"):
                shape = response["content"]["application/json"]["schema"]
                assert shape == {"$ref": "#/components/schemas/Error"}, (method, path, status)


@pytest.mark.only_on("sqlite", reason="nothing is stored")
async def test_every_code_that_is_described_exists(bridge: Bridge) -> None:
    openapi = await described(bridge)
    error = openapi["components"]["schemas"]["Error"]["properties"]["error"]
    assert set(error["properties"]["code"]["enum"]) == set().union(*error_codes().values())
    for _, _, told in operations(openapi):
        for status, response in told["responses"].items():
            if "code：" in response["description"]:
                named = set(response["description"].partition("code：")[2].split("、"))
                assert named <= error_codes()[int(status)]


@pytest.mark.only_on("sqlite", reason="nothing is stored")
async def test_every_route_says_what_it_can_refuse(bridge: Bridge) -> None:
    for path, method, told in operations(await described(bridge)):
        if not path.startswith("/v1/"):
            continue
        statuses = set(told["responses"])
        assert {"429", "503"} <= statuses, path
        assert not told.get("security") or "401" in statuses, path
        assert "{" not in path or "404" in statuses, path
        assert "requestBody" not in told or {"400", "409", "413", "415", "422"} <= statuses, (method, path)
        assert "parameters" not in told or "422" in statuses, path


@pytest.mark.only_on("sqlite", reason="nothing is stored")
async def test_every_answer_has_a_body_that_is_described(bridge: Bridge) -> None:
    for path, method, told in operations(await described(bridge)):
        good = {status: response for status, response in told["responses"].items() if int(status) < 400}
        assert good, (method, path)
        for status, response in good.items():
            if status.startswith("3"):
                continue
            bodies = response.get("content", {})
            assert (status == "204") != bool(bodies), (method, path, status)
            assert all(body.get("schema") for body in bodies.values()), (method, path, status)


# What is done


async def attacked(
    bridge: Bridge, directory: Path, *arguments: str, examples: int, known: dict[str, str] | None = None
) -> None:
    """Runs schemathesis against the bridge; its own report is the message when it finds something.

    `known`: parameters with the value of something that is there, so that answers are seen and not refusals alone.
    """
    bridge.app.state.context.bus.close_streams()  # from now on they end once they have told what there is
    lines = [f"{json.dumps(name)} = {json.dumps(value)}" for name, value in (known or {}).items()]
    settings = _SETTINGS.replace("enabled = false", "enabled = true")
    (directory / "schemathesis.toml").write_text("\n".join([settings, "[parameters]", *lines]) + "\n")
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"{bridge.url}/openapi.json", "--max-examples", str(examples),
        "--seed", "20261126", "--generation-deterministic", "--request-timeout", "20", "--no-color",
        "--suppress-health-check", "all", "--warnings", "off", "--workers", "2", "--continue-on-failure", *arguments,
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=directory,
        env={**os.environ, "NO_PROXY": "127.0.0.1", "HYPOTHESIS_STORAGE_DIRECTORY": str(directory)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()[-30_000:]


@pytest.mark.only_on("sqlite", reason="once is long enough")
@pytest.mark.timeout(600)
async def test_nobody_finds_nothing(bridge: Bridge, tmp_path: Path) -> None:
    await attacked(bridge, tmp_path, *_NO_SEQUENCES, examples=1)


@pytest.mark.only_on("postgresql", reason="PostgreSQL is stricter with what it takes; once is long enough")
@pytest.mark.timeout(600)
async def test_an_administrator_finds_nothing(bridge: Bridge, tmp_path: Path) -> None:
    key = ("--header", f"X-API-Key: {bridge.key()['X-API-Key']}")
    await attacked(bridge, tmp_path, *key, examples=2)


@pytest.mark.only_on("sqlite", reason="once is long enough")
@pytest.mark.timeout(600)
async def test_an_administrator_finds_nothing_in_what_is_there(bridge: Bridge, tmp_path: Path) -> None:
    number = (await bridge.file(branch="YT001", callback_wanted=True, level=2)).json()["ticket_no"]
    other = (await bridge.file(branch="YT001", narrative_raw="大堂的保安不让我停车，还动手推我。")).json()["ticket_no"]
    announced = {"title": "系统升级", "from": "2026-11-25T12:00:00+08:00", "message": "系统升级中"}
    incident = (await bridge.http.post("/v1/incidents", json=announced, headers=bridge.key())).json()["incident_no"]
    merged = {"type": "merge", "into": number}
    await bridge.http.post(f"/v1/tickets/{other}/events", json=merged, headers=bridge.key())
    known = {"path.ticket_no": number, "path.incident_no": incident, "path.code": "YT001", "query.phone_tail": "8000"}
    paths = ("--include-path-regex", r"^/v1/(tickets|incidents|branches|notices|public)", "--header")
    await attacked(
        bridge, tmp_path, *_NO_SEQUENCES, *paths, f"X-API-Key: {bridge.key()['X-API-Key']}", examples=3, known=known
    )
    read = {"subject": number, "action": "ticket.", "limit": 200}
    entries = (await bridge.http.get("/v1/audit", params=read, headers=bridge.key())).json()["entries"]
    assert len({entry["action"] for entry in entries}) > 2  # it was read, and things happened to it


@pytest.mark.only_on("postgresql", reason="PostgreSQL is stricter with what it takes; once is long enough")
@pytest.mark.timeout(600)
async def test_a_customer_finds_nothing(bridge: Bridge, tmp_path: Path) -> None:
    talk = await bridge.talk()
    # Without the withdrawal of consent, which deletes the conversation that everything else is about.
    paths = ("--include-path-regex", "^/v1/(conversations|public)(?!.*withdraw)", "--header")
    known = {"path.conversation_id": talk.id}
    await attacked(
        bridge, tmp_path, *_NO_SEQUENCES, *paths, f"Authorization: Bearer {talk.token}", examples=3, known=known
    )
    assert len((await talk.history())["messages"]) > 1
