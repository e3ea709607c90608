"""Nobody's words in the logs, whatever fails. A process of its own: its stderr is the log, with all of Rasa behind it."""

import io
import json
import logging
import os
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Dict, List
from urllib.request import Request, urlopen

import aiohttp
import pytest
import structlog

from bot import logs
from bot.logs import configure_logging
from tests.bot.conftest import SECRET, Conversation, turn_body
from tests.bot.scripted.actions import ScriptedActions, answer, slot

ROOT = Path(__file__).resolve().parent.parent.parent
WORDS = "我叫欧阳锋我的密码是八四二七"


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What stands in stderr after `configure_logging`; pytest's own handlers and filters come back afterwards."""
    root, stderr = logging.getLogger(), io.StringIO()
    handlers, level, level_of_warnings = root.handlers[:], root.level, logging.getLogger("py.warnings").level
    root.handlers[:] = []
    monkeypatch.setattr(sys, "stderr", stderr)
    with warnings.catch_warnings():
        configure_logging()
        yield stderr
    logging.captureWarnings(False)
    logging.getLogger("py.warnings").setLevel(level_of_warnings)
    root.handlers[:], root.level, logging.raiseExceptions = handlers, level, True


def raised(error: Exception) -> Exception:
    """The error with a traceback behind it."""
    try:
        raise error
    except type(error) as caught:
        return caught


class TestRedaction:
    def test_our_own_lines_stay(self, log: io.StringIO) -> None:
        logging.getLogger("bot.channels.bridge").error("turn failed: %s", "TurnError")

        assert log.getvalue().endswith("ERROR bot.channels.bridge turn failed: TurnError\n")

    def test_of_others_only_the_place(self, log: io.StringIO) -> None:
        logging.getLogger("rasa.core.processor").error("Received user message %s", WORDS)

        assert WORDS not in log.getvalue()
        assert "ERROR rasa.core.processor (test_logs.py:" in log.getvalue()

    @pytest.mark.parametrize("name", ["rasa.core.processor", "bot.channels.bridge", "botanic", "sanic.root"])
    def test_of_an_error_only_the_kind(self, log: io.StringIO, name: str) -> None:
        logging.getLogger(name).error("failed", exc_info=raised(ValueError(WORDS)), stack_info=True)

        assert WORDS not in log.getvalue()
        assert log.getvalue().endswith(" ValueError\n")
        assert len(log.getvalue().splitlines()) == 1

    def test_a_name_that_begins_like_ours_is_not_ours(self, log: io.StringIO) -> None:
        logging.getLogger("botanic").error(WORDS)

        assert WORDS not in log.getvalue()

    def test_a_broken_line_quotes_nobody(self, log: io.StringIO) -> None:
        """`logging` itself prints the arguments of a line that does not fit its pattern."""
        logging.getLogger("rasa").error("%d", WORDS)
        logging.getLogger("bot.channels").error("%d and %d", WORDS)

        assert WORDS not in log.getvalue()

    def test_structlog(self, log: io.StringIO) -> None:
        structlog.get_logger("rasa.core").error("processor.message", text=WORDS)

        assert WORDS not in log.getvalue()

    @pytest.mark.parametrize("level", ["debug", "info"])
    def test_below_a_warning_nothing_is_written(self, log: io.StringIO, level: str) -> None:
        getattr(logging.getLogger("rasa.core.processor"), level)(WORDS)
        getattr(logging.getLogger("bot.channels"), level)("fine")
        getattr(structlog.get_logger(), level)("processor.message", text=WORDS)

        assert log.getvalue() == ""

    def test_the_record_is_left_to_others_as_it_was(self) -> None:
        record = logging.makeLogRecord({"name": "rasa", "msg": "%s", "args": (WORDS,), "filename": "x.py", "lineno": 3})

        line = logs._Redacting().format(record)

        assert line.endswith("rasa (x.py:3, text withheld)")
        assert record.getMessage() == WORDS


class TestTheWholeProcess:
    """`python -m bot.serve`, the small model in it, everything going wrong."""

    @pytest.fixture(scope="class")
    def process(
        self, model: Path, actions_server: ScriptedActions, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[Dict[str, Any]]:
        address = f"http://127.0.0.1:{_free_port()}"
        code = (
            "import sys, pathlib; from bot import serve;"
            f"serve.newest_model = lambda: pathlib.Path({str(model)!r}); sys.exit(serve.main())"
        )
        log = tmp_path_factory.mktemp("log") / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", code],
                cwd=ROOT,
                env={**os.environ, "TINGSU_BOT_URL": address},
                stdout=output,
                stderr=output,
            )
            try:
                _wait_until_ready(process, address, log)
                yield {"url": f"{address}/webhooks/bridge/", "log": log}
            finally:
                process.terminate()
                assert process.wait(timeout=15) == 0

    @pytest.fixture
    async def served(self, process: Dict[str, Any]) -> AsyncIterator[aiohttp.ClientSession]:
        headers = {"Authorization": f"Bearer {SECRET}"}
        async with aiohttp.ClientSession(process["url"], headers=headers) as session:
            yield session

    async def test_no_words_and_one_line_for_each_failure(
        self, served: aiohttp.ClientSession, process: Dict[str, Any], actions: ScriptedActions
    ) -> None:
        talk = Conversation(served)
        statuses: List[int] = []

        async def send(text: str, **parts: Any) -> None:
            statuses.append((await talk.post({**turn_body(text), **parts})).status)

        await send(f"explode | {WORDS}")
        async with served.post("parse", json={"now": "x", "items": [{"text": f"explode | {WORDS}"}]}) as response:
            statuses.append(response.status)
        for status in (400, 404, 500):
            actions.status = status
            await send(f"complain 0 C03 | {WORDS}")
        actions.status = 200
        for said in (
            {"events": WORDS, "responses": []},
            {"events": [{"event": WORDS}], "responses": []},
            {"events": [], "responses": [WORDS]},
            answer(WORDS, slot(WORDS, WORDS), {"event": "followup", "name": WORDS}),
            answer(None, slot("requested_slot", "phone"), response=WORDS),
        ):
            actions.script("validate_complaint_form", said)
            await send(f"complain 0 C03 | {WORDS}")
        await send("greet | 您好", state={"v": WORDS})
        await send("greet | 您好", state={"v": 1, "slots": {"phone": WORDS}, "before": {WORDS: 1}})
        await send(f"{WORDS} 0 C03 | {WORDS}")
        await send(f"complain {WORDS} | {WORDS}")
        await send(WORDS, choice=WORDS)
        await send(WORDS, now={"now": WORDS})
        async with served.post("turn", data=f"{{{WORDS}".encode()) as response:
            statuses.append(response.status)

        written = process["log"].read_text(encoding="utf-8")
        assert WORDS not in written
        assert WORDS not in written.encode().decode("unicode_escape", "ignore")
        for part in ("欧阳锋", "八四二七", json.dumps(WORDS)[1:-1], str(WORDS.encode())[2:-1], "Traceback", SECRET):
            assert part not in written
        assert statuses.count(503) >= 10
        assert written.count("bot.channels.bridge ") >= statuses.count(503)

    async def test_a_failure_names_its_kind_and_the_action(
        self, served: aiohttp.ClientSession, process: Dict[str, Any], actions: ScriptedActions
    ) -> None:
        before = len(process["log"].read_bytes())
        actions.status = 500
        await Conversation(served).post(turn_body(f"complain 0 C03 | {WORDS}"))
        await Conversation(served).post(turn_body(f"explode | {WORDS}"))

        written = process["log"].read_bytes()[before:].decode()
        assert "turn failed: TurnError (complaint_form) from RasaException from ClientResponseError\n" in written
        assert "turn failed: GraphComponentException from RuntimeError\n" in written


def _wait_until_ready(process: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    request = Request(f"{address}/webhooks/bridge/health", headers={"Authorization": f"Bearer {SECRET}"})
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urlopen(request, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"the server did not start: {log.read_text()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
