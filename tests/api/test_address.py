"""A bank that says 你: our own words in that form, the customer's as they were said."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from api.dialogue.address import addressed, addressed_card, told_in
from api.dialogue.commit import NOTICE
from api.tickets.events import RATING
from contract.turn import Card, CardField
from tests.api.conftest import ROOT, Bridge, Start
from tests.api.fake_bot import answer
from tests.api.test_satisfaction import closed

CARD = Card(
    kind="read_back",
    title="请您核对",
    fields=(
        CardField(name="narrative", label="经过", value="我说您们态度不好"),
        CardField(name="request", label="您的诉求", value="要您们道歉"),
        CardField(name="phone", label="联系电话", value="您没有留"),
    ),
)


@pytest.fixture
async def informal(start: Start, tmp_path: Path) -> Bridge:
    """The bridge of a bank that says 你."""
    playbook = tmp_path / "playbook"
    shutil.copytree(ROOT / "playbook", playbook)
    organisation = playbook / "organisation.yml"
    organisation.write_text(organisation.read_text("utf-8").replace("address: 您", "address: 你"), "utf-8")
    bridge: Bridge = await start(playbook=playbook)
    return bridge


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("您慢慢说，我听着。", "你慢慢说，我听着。"),
        ("您们一共多少人？", "你们一共多少人？"),
        ("您说“您们真行”，我记下了，您放心。", "你说“您们真行”，我记下了，你放心。"),
        ("点“确认提交”就行。", "点“确认提交”就行。"),
        ("", ""),
    ],
)
def test_our_words_change_and_quoted_ones_stay(text: str, expected: str) -> None:
    assert addressed(text, "你") == expected
    assert addressed(text, "您") == text


def test_the_card_read_aloud_keeps_what_was_told() -> None:
    aloud = "请您核对。" + "".join(f"{line.label}，{line.value}。" for line in CARD.fields)
    assert addressed(aloud, "你", own=told_in(CARD)) == (
        "请你核对。经过，我说您们态度不好。你的诉求，要您们道歉。联系电话，你没有留。"
    )


def test_of_a_card_only_our_lines_change() -> None:
    card = addressed_card(CARD, "你")
    assert card.title == "请你核对"
    assert [(line.label, line.value) for line in card.fields] == [
        ("经过", "我说您们态度不好"),
        ("你的诉求", "要您们道歉"),
        ("联系电话", "你没有留"),
    ]
    assert addressed_card(CARD, "您") == CARD


async def test_bubbles_choices_and_cards_of_a_turn(informal: Bridge) -> None:
    def respond(turn: dict) -> dict:
        said = {
            "text": "您看看对不对？",
            "choices": [{"label": "按您说的改", "payload": "confirm:change"}],
            "card": CARD.model_dump(mode="json"),
            "asks": "confirm",
        }
        return answer() | {"messages": [said]}

    informal.bot.respond = respond
    talk = await informal.talk()
    page = await talk.answered(await talk.say("您们让我等"))
    customer, bot = page["messages"]
    assert customer["text"] == "您们让我等"
    assert bot["text"] == "你看看对不对？"
    assert [line["label"] for line in bot["card"]["fields"]] == ["经过", "你的诉求", "联系电话"]
    assert bot["card"]["fields"][0]["value"] == "我说您们态度不好"
    (choice,) = bot["choices"]
    assert choice["label"] == "按你说的改"
    # What the customer picks reads as it was shown.
    page = await talk.answered((await talk.post(choice_id=choice["choice_id"])).json()["seq"])
    assert page["messages"][-2]["text"] == "按你说的改"
    assert informal.bot.turns[-1]["choice"] == "confirm:change"


async def test_the_notice_of_a_delay(informal: Bridge) -> None:
    informal.app.state.turns.notice_after = timedelta(seconds=0.3)
    informal.bot.delay = 0.8
    talk = await informal.talk()
    page = await talk.answered(await talk.say("交班让我等"))
    told = [message["text"] for message in page["messages"] if message["role"] == "system"]
    assert told == [addressed(NOTICE, "你")]
    assert "您" not in told[0]


async def test_the_question_for_a_rating(informal: Bridge) -> None:
    talk = await informal.talk()
    number = await closed(informal, talk.id)
    page = await talk.until(lambda page: any(message["asks"] == "satisfaction" for message in page["messages"]))
    asked = page["messages"][-1]["text"]
    assert asked == addressed(RATING.format(ticket_no=number), "你")
    assert "您" not in asked
