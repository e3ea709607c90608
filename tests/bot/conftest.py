"""The bot's shell as it is served, around a small model: our domain, rules, stories and policies, a scripted understanding.

Turns go through the real door (Sanic, bot/channels/bridge.py); the action server is a script (tests/bot/scripted).
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import aiohttp
import pytest
import yaml
from rasa.shared.core.domain import Domain
from sanic import Sanic

from bot import serve, train
from tests.bot.scripted.actions import ScriptedActions
from tests.bot.scripted.understanding import MEANT

ROOT = Path(__file__).resolve().parent.parent.parent
SECRET = "between-the-rooms"
NOW = "2026-11-25T10:00:00+08:00"

_CONFIG: Dict[str, Any] = {
    "recipe": "default.v1",
    "assistant_id": "tingsu_test",
    "language": "zh",
    "pipeline": [{"name": "tests.bot.scripted.understanding.ScriptedUnderstanding"}],
    # The policies are the real ones.
    "policies": yaml.safe_load((ROOT / "config.yml").read_text(encoding="utf-8"))["policies"],
}


def project(root: Path, config: Optional[Dict[str, Any]] = None) -> Path:
    """A root to train from: the repo's domain, rules and stories, one example per intent. Returns the configuration."""
    (root / "bot").mkdir(parents=True)
    (root / "data" / "nlu").mkdir(parents=True)
    (root / "bot" / "domain").symlink_to(ROOT / "bot" / "domain")
    for name in ("rules", "stories"):
        (root / "data" / name).symlink_to(ROOT / "data" / name)
    intents = Domain.load(ROOT / "bot" / "domain").intents
    labels = {"level": 0, "voice": "test"}
    examples = [
        {
            "intent": intent,
            "metadata": {**labels, "cause": "C99"} if intent == "complain" else labels,
            "examples": f"- {intent} 一\n- {intent} 二\n",
        }
        for intent in sorted(intents)
    ]
    examples = [it for it in examples if not it["intent"].startswith(("session_", "restart", "back", "out_of_scope/"))]
    _write(root / "data" / "nlu" / "examples.yml", {"version": "3.1", "nlu": examples})
    _write(root / "config.yml", config or _CONFIG)
    return root / "config.yml"


def _write(path: Path, content: Dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")


@pytest.fixture(scope="session", autouse=True)
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pytest.MonkeyPatch]:
    """What the launcher would set; Rasa's cache of the developer's own models stays as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RASA_CACHE_DIRECTORY", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("TINGSU_INTERNAL_SECRET", SECRET)
        patch.delenv("TINGSU_API_URL", raising=False)
        yield patch


@pytest.fixture(scope="session")
def domain() -> Domain:
    return Domain.load(ROOT / "bot" / "domain")


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained model, made the way `python -m bot.train` makes them."""
    root = tmp_path_factory.mktemp("project")
    config = project(root)
    return train.train(root, config, root / "models")


@pytest.fixture(scope="session")
async def actions_server(environment: pytest.MonkeyPatch) -> AsyncIterator[ScriptedActions]:
    server = ScriptedActions()
    environment.setenv("TINGSU_ACTIONS_URL", await server.start())
    yield server
    await server.stop()


@pytest.fixture
def actions(actions_server: ScriptedActions) -> Iterator[ScriptedActions]:
    """The action server, unscripted again after each test."""
    actions_server.reset()
    yield actions_server
    actions_server.reset()


@pytest.fixture(scope="session")
async def served(model: Path, actions_server: ScriptedActions) -> AsyncIterator[Tuple[Sanic, str]]:
    """The bot's server and its address."""
    app = serve.create_app(model)
    server = await app.create_server(host="127.0.0.1", port=0, return_asyncio_server=True)
    assert server is not None
    await server.startup()
    await server.before_start()
    await server.start_serving()
    host, port = server.server.sockets[0].getsockname()[:2]
    yield app, f"http://{host}:{port}/webhooks/bridge"
    await app.ctx.agent.action_endpoint.close()
    await server.close()


@pytest.fixture
async def client(served: Tuple[Sanic, str]) -> AsyncIterator[aiohttp.ClientSession]:
    """Knows the secret; addresses are relative to the door: `/turn`."""
    headers = {"Authorization": f"Bearer {SECRET}"}
    async with aiohttp.ClientSession(f"{served[1]}/", headers=headers) as session:
        yield session


@dataclass(frozen=True)
class Turn:
    """One answer of the bot."""

    status: int
    body: Dict[str, Any]

    @property
    def texts(self) -> List[str]:
        """What the customer reads; the scripted actions say their own name."""
        return [message["text"] for message in self.body["messages"]]

    @property
    def actions(self) -> List[str]:
        """What the policies chose for this message, without the listening at its end."""
        events = self.body["state"]["events"]
        last = max(place for place, event in enumerate(events) if event[0] == "u")
        names = [event[1] for event in events[last:] if event[0] == "a"]
        assert names.pop() == "action_listen"
        return names

    @property
    def slots(self) -> Dict[str, Any]:
        return dict(self.body["state"]["slots"])

    @property
    def form(self) -> Optional[str]:
        """The form that is open at the end of the turn."""
        state = self.body["state"]
        loops = [event[1] for event in state["events"] if event[0] == "l"]
        return loops[-1] if loops else state["loop"]


class Conversation:
    """What the bridge does: keeps the state, and gives it along with the next message."""

    def __init__(self, client: aiohttp.ClientSession) -> None:
        self._client = client
        self.state: Optional[Dict[str, Any]] = None
        self._turns = 0

    async def say(self, text: str, **parts: Any) -> Turn:
        """One turn; `text` is the script of the understanding, `parts` go into the request."""
        self._turns += 1
        turn = await self.post({**turn_body(text), "turn_id": f"t{self._turns}", "state": self.state, **parts})
        assert turn.status == 200, turn.body
        self.state = turn.body["state"]
        return turn

    async def hear(self, words: str, script: str) -> Turn:
        """One turn of the plain words, understood as the script says: the policies look at the length of a message too."""
        MEANT[words] = script
        return await self.say(words)

    async def pick(self, choice: str, label: str = "按钮") -> Turn:
        """One picked button."""
        return await self.say(label, choice=choice)

    async def post(self, body: Any) -> Turn:
        """One request as it is, whatever comes of it."""
        async with self._client.post("turn", json=body) as response:
            return Turn(response.status, await response.json())


def turn_body(text: str) -> Dict[str, Any]:
    """A first turn, as the bridge posts it."""
    return {"conversation_id": "c1", "turn_id": "t1", "channel": "web", "now": NOW, "text": text}


@pytest.fixture
def conversation(client: aiohttp.ClientSession, actions: ScriptedActions) -> Conversation:
    return Conversation(client)
