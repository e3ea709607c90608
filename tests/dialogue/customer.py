"""A customer who talks to the real stack through the public contract (api.md), as a widget would."""

import time
import uuid
import weakref
from dataclasses import dataclass, field
from typing import Any

import httpx

_REPLY_SECONDS = 20.0


@dataclass
class Customer:
    """One conversation. `said` collects every bubble of the bank's side, for checks over the whole talk."""

    base_url: str
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._http = httpx.Client(base_url=self.base_url, timeout=10)
        weakref.finalize(self, self._http.close)
        opened = self._http.post("/v1/conversations", json={"channel": "web", "consent": True})
        opened.raise_for_status()
        self.conversation_id = opened.json()["conversation_id"]
        self._http.headers["Authorization"] = f"Bearer {opened.json()['token']}"
        self._seen = 0
        self.messages: list[dict[str, Any]] = []

    def say(self, text: str) -> list[dict[str, Any]]:
        """Sends a text and returns the bank's answer to it."""
        return self._exchange({"text": text})

    def pick(self, label: str) -> list[dict[str, Any]]:
        """Picks the newest offered choice with this label."""
        for message in reversed(self.messages):
            for choice in message.get("choices") or ():
                if label in choice["label"]:
                    return self._exchange({"choice_id": choice["choice_id"]})
        raise AssertionError(f"no choice {label!r} was offered")

    def post(self, body: dict[str, Any]) -> httpx.Response:
        """A raw message, for what a widget would not send."""
        return self._http.post(f"/v1/conversations/{self.conversation_id}/messages", json=body)

    def history(self) -> dict[str, Any]:
        answer = self._http.get(f"/v1/conversations/{self.conversation_id}/messages", params={"after": 0})
        answer.raise_for_status()
        return dict(answer.json())

    @property
    def ticket_no(self) -> str | None:
        return self.history().get("ticket_no")

    @property
    def owner(self) -> str:
        return str(self.history()["owner"])

    @property
    def transcript(self) -> str:
        return "\n".join(self.said)

    def answer_until_filed(self, answers: dict[str, str], *, limit: int = 12) -> list[str]:
        """Answers what is asked, by field, then confirms; returns the fields in the order of asking."""
        asked: list[str] = []
        for _ in range(limit):
            field_name = self.asks
            if field_name == "confirm":
                self.pick("确认提交")
                assert self.ticket_no, self.transcript
                return asked
            assert field_name, f"nothing is asked: {self.transcript}"
            asked.append(field_name)
            self.say(answers.get(field_name, "不想说"))
        raise AssertionError(f"no read-back after {limit} turns: {asked}\n{self.transcript}")

    @property
    def asks(self) -> str | None:
        bot = [message for message in self.messages if message["role"] == "bot"]
        return next((message["asks"] for message in reversed(bot[-6:]) if message.get("asks")), None)

    def _exchange(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        sent = self.post({"client_id": str(uuid.uuid4()), **body})
        assert sent.status_code == 202, sent.text
        return self._wait_for_answer(int(sent.json()["seq"]))

    def _wait_for_answer(self, seq: int) -> list[dict[str, Any]]:
        deadline = time.monotonic() + _REPLY_SECONDS
        while time.monotonic() < deadline:
            messages = self.history()["messages"]
            answer = [one for one in messages if one["seq"] > seq and one["role"] in ("bot", "agent")]
            if answer:
                self.messages = messages
                self.said.extend(one["text"] for one in answer if one["text"])
                return answer
            time.sleep(0.05)
        raise AssertionError(f"no answer within {_REPLY_SECONDS} s to message {seq}")


def joined(answer: list[dict[str, Any]]) -> str:
    """All words of an answer, cards included."""
    parts: list[str] = []
    for message in answer:
        parts.append(message["text"])
        parts.extend(field["value"] for field in (message.get("card") or {}).get("fields", ()))
    return "\n".join(parts)
