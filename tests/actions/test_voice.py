"""How an action speaks: bubbles on the screen, sentences on the hotline, responses with what belongs to them."""

import pytest

from actions.explain import Explanation
from contract.turn import Card, CardField, Choice
from tests.actions.parts import Spoken

SCRIPT = Explanation(
    script_id="X02",
    version=1,
    stages={"feeling": "心" * 60, "fact": "实" * 30, "next": "后" * 40},
    spoken="说",
    fault=False,
)


@pytest.mark.parametrize(
    ("channel", "short", "feeling", "said"),
    [
        ("web", False, True, ["心" * 60, "实" * 30 + "后" * 40]),
        ("wechat", False, False, ["实" * 30 + "后" * 40]),
        ("web", True, False, ["实" * 30]),
        ("hotline", False, True, ["说"]),
        ("hotline", False, False, ["说"]),
        ("hotline", True, False, ["实" * 30]),  # in the heat one fact is enough to say aloud, too
    ],
)
def test_an_explanation(channel: str, short: bool, feeling: bool, said: list[str]) -> None:
    spoken = Spoken()
    spoken.voice(channel).explain(SCRIPT, short=short, feeling=feeling)
    assert spoken.texts == said


def test_a_line_alone() -> None:
    spoken = Spoken()
    spoken.voice().line("utter_go_on")
    assert spoken.said == [{"response": "utter_go_on", "json_message": {}, "buttons": []}]


def test_a_line_with_everything() -> None:
    spoken, card = Spoken(), Card(kind="receipt", title="已受理", fields=(CardField(name="a", label="甲", value="1"),))
    spoken.voice().line(
        "utter_filed",
        asks="confirm",
        card=card,
        choices=[Choice(label="好", payload="confirm:yes")],
        figures={"decision_days": "15日", "ticket_no": "x"},
        ticket_no="TS1",
    )
    assert spoken.said == [
        {
            "response": "utter_filed",
            "json_message": {"asks": "confirm", "card": card.model_dump(mode="json")},
            "buttons": [{"title": "好", "payload": "confirm:yes"}],
            "decision_days": "15日",
            "ticket_no": "TS1",
        }
    ]


@pytest.mark.parametrize("alert", [False, True])
def test_a_human_is_asked_for_without_a_word(alert: bool) -> None:
    spoken = Spoken()
    spoken.voice().handover("level", alert=alert)
    assert spoken.said == [{"json_message": {"handover": {"reason": "level", "alert": alert}}}]
