"""kill -9 of each process in turn, in the middle of a conversation: nothing said is lost, the talk goes on."""

import os
import signal
import time
import uuid
from collections.abc import Iterator

import httpx
import pytest

from launcher.run import Stack
from tests.dialogue.customer import Customer
from tests.running_stack import running_stack, staff_client

_BACK_SECONDS = 60


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of its own: other tests must not meet a dead process."""
    with running_stack(tmp_path_factory.mktemp("killed")) as started:
        yield started


def kill(stack: Stack, name: str) -> None:
    """kill -9 of the process that supervisord runs under this name."""
    log = (stack.settings.log_dir / "supervisord.log").read_text(encoding="utf-8")
    pids = [line.rsplit(" ", 1)[1] for line in log.splitlines() if f"spawned: '{name}' with pid" in line]
    os.kill(int(pids[-1]), signal.SIGKILL)


def wait_until_ready(stack: Stack) -> None:
    deadline = time.monotonic() + _BACK_SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{stack.settings.url}/readyz", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.3)
    raise AssertionError(f"not ready again after {_BACK_SECONDS} s")


def send_until_accepted(customer: Customer, text: str) -> int:
    """As a widget does while the bridge is away: the same client_id until it is accepted."""
    body = {"client_id": str(uuid.uuid4()), "text": text}
    deadline = time.monotonic() + _BACK_SECONDS
    while time.monotonic() < deadline:
        try:
            answer = customer.post(body)
            if answer.status_code == 202:
                return int(answer.json()["seq"])
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise AssertionError("the message was never accepted")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["bot", "actions", "api", "redis"])
def test_the_talk_goes_on(own_stack: Stack, name: str) -> None:
    customer = Customer(own_stack.settings.url)
    customer.say("我姓李，昨天下午三点在南湖支行，柜员把我存的5000块记成了500块，要你们给我改正")
    kill(own_stack, name)
    phone = f"135{uuid.uuid4().int % 10**8:08d}"
    seq = send_until_accepted(customer, phone)
    deadline = time.monotonic() + _BACK_SECONDS
    while time.monotonic() < deadline:
        wait_until_ready(own_stack)
        messages = customer.history()["messages"]
        if any(message["seq"] > seq and message["role"] == "bot" for message in messages):
            break
        time.sleep(0.3)
    told = [message["text"] for message in customer.history()["messages"] if message["role"] == "customer"]
    assert told[-1] == phone
    customer.messages = customer.history()["messages"]
    customer.pick("确认提交")
    with staff_client(own_stack.settings.url) as staff:
        found = staff.get("/v1/tickets", params={"q": customer.ticket_no}).json()["tickets"]
    assert len(found) == 1
    log = (own_stack.settings.log_dir / "supervisord.log").read_text(encoding="utf-8")
    assert f"exited: {name} (terminated by SIGKILL; not expected)" in log


def test_the_customer_is_told_while_the_bot_is_away(own_stack: Stack) -> None:
    customer = Customer(own_stack.settings.url)
    customer.say("你好")
    kill(own_stack, "bot")
    send_until_accepted(customer, "柜员态度差")
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        roles = [message["role"] for message in customer.history()["messages"]]
        if roles[-1] in ("system", "bot"):
            break
        time.sleep(0.2)
    # Either the bot was back sooner than the notice, or the customer was told.
    assert roles[-1] in ("system", "bot")
    wait_until_ready(own_stack)
