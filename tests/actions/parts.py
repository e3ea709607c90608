"""What the tests of this room are made of: a message, a memory, a branch, an incident, a bridge, somebody who listens."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from rasa_sdk import Tracker
from rasa_sdk.events import EventType

from actions.bridge import Bridge, Directory, FiledTicket, Progress
from actions.situation import World
from actions.tracker import CauseGuess, Memory, Span, Turn, memory_events
from actions.voice import Voice
from contract.branch import Branch
from contract.incident import Incident
from contract.playbook import Playbook
from contract.ticket import FieldSource, Request, TicketCreate, TicketDraft

# A Wednesday.
NOW = datetime.fromisoformat("2026-11-25T15:00:00+08:00")
STORY = "去取钱柜台说交班不给办还让我走"
TICKET = "TS20261125000001"
UNSURE = FieldSource(source="said", confidence=0.5)
SURE = FieldSource(source="said", confidence=0.95)


def guess(code: str, confidence: float = 0.9) -> CauseGuess:
    first = code.rstrip("abcde")
    return CauseGuess(code=first, confidence=confidence, detail=code if code != first else None)


def span(kind: str, text: str, value: Any = None) -> Span:
    return Span(type=kind, text=text, value=value)


def cue(name: str, text: str = "") -> Span:
    return Span(type="cue", text=text, value=name)


def at(code: str | None, name: str, *, alike: bool = False) -> Span:
    """A branch that is named; without a code the directory does not know it."""
    return span("branch", name, {"code": code, "name": name, "alike": alike} if code else None)


def say(text: str, intent: str = "inform", *spans: Span, **more: Any) -> Turn:
    """A message as understood; `more` are fields of Turn."""
    plain = Turn(
        text=text, intent=intent, intent_confidence=0.9, causes=(), level=0, reasons=(), spans=spans, choice=None,
        conversation_id="c1", channel="web", now=NOW, human_available=True, branches_version=1,
    )  # fmt: skip
    return replace(plain, **more)


def pressed(payload: str, text: str = "") -> Turn:
    return say(text, "", choice=payload)


def story(**more: Any) -> TicketDraft:
    """A complaint that has just been told."""
    told = {"narrative_raw": STORY, "cause_l1": "C5", "cause_l2": "C5a", "cause_confidence": 0.9}
    return TicketDraft.model_validate(told | more)


def whole(**more: Any) -> TicketDraft:
    """A complaint with nothing missing."""
    facts = {
        "branch": "B1", "branch_name": "城东支行", "event_time": "2026-11-24", "event_time_text": "昨天",
        "request": Request.VERIFY, "name": "周女士", "phone": "<PHONE_1>",
    }  # fmt: skip
    return story(**(facts | more))


def memory(draft: TicketDraft | None = None, requested: str | None = None, **more: Any) -> Memory:
    return Memory(draft=draft or TicketDraft(), requested=requested, form_active=True, **more)


def branch(code: str = "B1", name: str = "城东支行", **more: Any) -> Branch:
    """Open at noon on paper, with one closed window for the handover."""
    plain = {
        "code": code,
        "name": name,
        "hours": [{"days": "1-5", "open": "09:00", "close": "17:00"}],
        "handover": [{"start": "12:00", "end": "12:20"}],
        "machines": "大厅2台存取款一体机",
    }
    return Branch.model_validate(plain | more)


def incident(**more: Any) -> Incident:
    plain = {
        "incident_no": "SJ20261125001",
        "title": "手机银行登录异常",
        "services": ["手机银行"],
        "from": "2026-11-25T09:00:00+08:00",
        "message": "手机银行暂时登录不上，正在抢修。",
    }
    return Incident.model_validate(plain | more)


def world(playbook: Playbook, *branches: Branch, incidents: Iterable[Incident] = ()) -> World:
    return World(playbook=playbook, directory=Directory({it.code: it for it in branches}, tuple(incidents)))


def progress(**more: Any) -> Progress:
    plain = Progress(
        ticket_no=TICKET, state="processing", state_text="承办部门正在核实。", next_date="2026-12-09T23:59:00+08:00",
        next_kind="decision", due_at="2026-12-10T23:59:00+08:00", days=3,
    )  # fmt: skip
    return replace(plain, **more)


def receipt(**more: Any) -> FiledTicket:
    plain = FiledTicket(
        ticket_no=TICKET, merged=False, clock_restarted=False, first_contact_due="2026-11-26T23:59:00+08:00",
        decision_due="2026-12-10T23:59:00+08:00",
    )  # fmt: skip
    return replace(plain, **more)


class FakeBridge(Bridge):
    """Keeps what it is told. `refused`: kinds of events that the ticket's state no longer allows."""

    def __init__(
        self,
        *,
        filed: FiledTicket | None = None,
        found: Progress | None = None,
        added: Progress | None = None,
        refused: Iterable[str] = (),
        directory: Directory | None = None,
    ) -> None:
        self.tickets: list[tuple[TicketCreate, str]] = []
        self.events: list[tuple[str, Mapping[str, Any], str]] = []
        self.lookups: list[tuple[str, str, str]] = []
        self._answer = filed or receipt()
        self._found = found
        self._added = added or progress()
        self._refused = frozenset(refused)
        self._shown = directory or Directory({}, ())

    async def directory(self, version: int) -> Directory:
        return self._shown

    async def file_ticket(self, ticket: TicketCreate, key: str) -> FiledTicket:
        self.tickets.append((ticket, key))
        return self._answer

    async def add_event(self, ticket_no: str, event: Mapping[str, Any], key: str) -> Progress | None:
        self.events.append((ticket_no, dict(event), key))
        return None if event["type"] in self._refused else self._added

    async def progress(self, ticket_no: str, phone_tail: str, *, conversation_id: str) -> Progress | None:
        self.lookups.append((ticket_no, phone_tail, conversation_id))
        return self._found

    @property
    def kinds(self) -> list[str]:
        return [str(event["type"]) for _, event, _ in self.events]


class Spoken:
    """What an action says, in the place of rasa-sdk's dispatcher."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []

    def utter_message(self, **parts: Any) -> None:
        self.said.append(parts)

    def voice(self, channel: str = "web") -> Voice:
        return Voice(self, channel)

    @property
    def lines(self) -> list[str]:
        return [str(part["response"]) for part in self.said if "response" in part]

    @property
    def texts(self) -> list[str]:
        return [str(part["text"]) for part in self.said if "text" in part]

    @property
    def buttons(self) -> list[str]:
        """The payloads of all choices."""
        return [button["payload"] for part in self.said for button in part.get("buttons") or ()]

    @property
    def asks(self) -> list[str]:
        customs = [part.get("json_message") or {} for part in self.said]
        return [custom["asks"] for custom in customs if "asks" in custom]

    def line(self, name: str) -> dict[str, Any]:
        return next(part for part in self.said if part.get("response") == name)

    def card(self, name: str) -> dict[str, str]:
        """The lines of the card that comes with a response."""
        fields = self.line(name)["json_message"]["card"]["fields"]
        return {field["name"]: field["value"] for field in fields}


def tracker(turn: Turn, known: Memory | None = None, **slots: Any) -> Tracker:
    """Rasa's dictionaries for a message and a memory."""
    known = known or replace(memory(), form_active=False)
    empty = replace(memory(), form_active=False, form_run=0)
    kept = {event["name"]: event["value"] for event in memory_events(empty, known)}
    message = {
        "text": turn.text,
        "metadata": {
            "choice": turn.choice, "conversation_id": turn.conversation_id, "channel": turn.channel,
            "now": turn.now.isoformat(), "human_available": turn.human_available,
        },
        "understanding": {
            "intent": {"name": turn.intent, "confidence": turn.intent_confidence},
            "cause": [asdict(it) for it in turn.causes],
            "level": turn.level,
            "entities": [asdict(it) for it in turn.spans],
        },
    }  # fmt: skip
    form = {"name": "complaint_form"} if known.form_active else {}
    return Tracker(turn.conversation_id, kept | slots, message, [], False, None, form, "action_listen")


def slots_of(events: Iterable[EventType]) -> dict[str, Any]:
    return {event["name"]: event["value"] for event in events if event["event"] == "slot"}


def follows(events: Iterable[EventType]) -> list[str | None]:
    """What is run next: actions and forms."""
    return [event["name"] for event in events if event["event"] in ("followup", "active_loop")]
