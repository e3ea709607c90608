"""What is done after a message: rows of (what was known, message, reaction) and the exact steps that follow."""

from typing import Any

import pytest

from actions.hear import ANSWER, Reaction
from actions.next_step import Step, is_explained, next_steps, requested_after
from actions.tracker import Memory, Turn
from contract.playbook import Playbook
from contract.ticket import Nature, TicketDraft
from tests.actions.parts import STORY, UNSURE, at, guess, memory, say, story, whole

ASKED = ("branch", "event_time", "request", "name")
NOTHING = TicketDraft()
# Only the phone is missing.
NEARLY = whole(phone=None)
LONG_AGO, LATELY = "2026-11-25T14:29:00+08:00", "2026-11-25T14:30:00+08:00"

HERE = say("就在城东支行", "inform", at("B1", "城东支行"))
TOLD = say(STORY, "complain", level=1, causes=(guess("C5a"),))
CALM, CROSS, ANGRY, RISKY, DANGER = (say("城东支行", "inform", level=level) for level in range(5))


def row(
    reason: str,
    steps: str,
    before: Memory | TicketDraft,
    message: Turn,
    now: Memory | TicketDraft | None = None,
    reaction: Reaction = ANSWER,
    explanation: str | None = None,
) -> Any:
    """`now` None: nothing was learned. Steps are written as `kind what`, with semicolons between them."""
    known = before if isinstance(before, Memory) else memory(before)
    after = known if now is None else now if isinstance(now, Memory) else memory(now)
    return pytest.param(known, message, after, reaction, explanation, steps, id=reason)


def line(name: str) -> Reaction:
    return Reaction(line=name)


FIRST_WORDS = [
    row("the first words are acknowledged", "script X00; ask branch", NOTHING, TOLD, story()),
    row("nobody is explained to before the feeling is named", "script X00; script X21; ask request",
        NOTHING, TOLD, whole(request=None), explanation="X21"),
    row("what is said at once is not asked", "script X00; ask phone", NOTHING, TOLD, NEARLY),
    row("everything at once is read back", "script X00; confirm", NOTHING, TOLD, whole()),
    row("a cry of anger is asked for the story", "script X00; ask narrative",
        NOTHING, say("太差了", "complain", level=1), TicketDraft(narrative_raw="太差了", cause_l1="C99", cause_confidence=0.9)),
    row("no words yet: the story is asked for", "ask narrative", NOTHING, say("我要投诉", "complain")),
]  # fmt: skip

LEVELS = [
    row("level 0: an explanation in full", "script X02; ask request", story(), CALM, whole(request=None), explanation="X02"),
    row("level 1: an explanation in full", "script X02; ask request", story(), CROSS, whole(request=None), explanation="X02"),
    row("level 2: a human in half a sentence, then one fact", "human_short; fact X02; ask request",
        story(), ANGRY, whole(request=None, level_peak=2), explanation="X02"),
    row("level 2: a human is offered once", "ask branch",
        memory(story(level_peak=2), human_offered=True), ANGRY),
    row("level 3: rights, a human, and no explanation", "script X27; human; ask request",
        story(), RISKY, whole(request=None, level_peak=3), explanation="X02"),
    row("level 3: rights and a human once", "ask request",
        memory(story()), RISKY, memory(whole(request=None, level_peak=3), rights_told=True, human_offered=True)),
    row("level 3: rights even if a human was offered before", "script X27; human; ask branch",
        memory(story(level_peak=2), human_offered=True), RISKY),
    row("level 3 in the first words: listened to, then rights", "script X00; script X27; human; ask branch",
        NOTHING, say(STORY, "complain", level=3, causes=(guess("C5a"),)), story(level_peak=3)),
    row("level 4 that reaches the form: no explanation either", "script X27; human; ask request",
        story(), DANGER, whole(request=None, level_peak=4), explanation="X02"),
    row("after level 3 a calm answer brings no explanation back", "ask request",
        memory(story(level_peak=3), rights_told=True, human_offered=True), CALM,
        memory(whole(request=None, level_peak=3), rights_told=True, human_offered=True), explanation="X02"),
]  # fmt: skip

EXPLANATIONS = [
    row("none where the facts call for none", "ask request", story(), HERE, whole(request=None)),
    row("none before there is a story to answer", "ask request",
        story(narrative_raw="中午交班不给我办事"), HERE, whole(narrative_raw="中午交班不给我办事", request=None), explanation="X02"),
    row("none on a guess", "ask request",
        story(cause_confidence=0.4), HERE, whole(request=None, cause_confidence=0.4), explanation="X02"),
    row("none to who called the last one an excuse", "say utter_not_accepted; ask branch",
        story(), say("这算什么解释", "deny"), story(accepted_explanation="no"), line("utter_not_accepted"), "X02"),
    row("none while the question waits", "say utter_wait; hold", story(), say("等一下"), None,
        Reaction(line="utter_wait", holds=True), "X02"),
    row("none where another question is wanted", "ask amount", story(), say("改一下金额"), None,
        Reaction(opens="amount"), "X02"),
    row("none for a tip-off, whose note says it all", "script X00; script X22; ask branch",
        NOTHING, say(STORY, "complain", causes=(guess("C8a"),)), story(nature=Nature.TIP_OFF, cause_l1="C8"), explanation="X22"),
    row("before the read-back", "script X02; confirm", NEARLY, say("电话<PHONE_1>"), whole(), explanation="X02"),
]  # fmt: skip

QUESTIONS = [
    row("the first guess is asked about when it is unsure", "script X00; clarify",
        NOTHING, say(STORY, "complain", causes=(guess("C5a", 0.44),)), story(cause_confidence=0.44)),
    row("sure enough is believed", "script X00; ask branch",
        NOTHING, say(STORY, "complain", causes=(guess("C5a", 0.45),)), story(cause_confidence=0.45)),
    row("the cause is asked about once", "ask branch",
        memory(story(cause_confidence=0.4), told=frozenset({"clarified"})), say(STORY, "complain", causes=(guess("C5a", 0.4),))),
    row("an answer without a cause does not make it unclear", "ask branch", story(cause_confidence=0.4), say("是的", "affirm")),
    row("nobody at level 3 is examined about the cause", "script X27; human; ask branch",
        story(cause_confidence=0.4, level_peak=3), say(STORY, "complain", causes=(guess("C5a", 0.4),), level=3)),
    row("a vague story is asked for before its cause", "script X00; ask narrative",
        NOTHING, say("气死我了", "complain", causes=(guess("C7", 0.3),)),
        TicketDraft(narrative_raw="气死我了", cause_l1="C7", cause_confidence=0.3)),
    row("a branch that only sounds like one is checked", "verify branch",
        story(), HERE, story(branch="B1", branch_name="城东支行", sources={"branch": UNSURE})),
    row("a time is checked where hours hang on it", "verify event_time",
        story(), say("三点多"), whole(sources={"event_time": UNSURE})),
    row("a time is not checked where nothing hangs on it", "confirm",
        NEARLY, say("三点多"), whole(cause_l1="C7", cause_l2="C7a", sources={"event_time": UNSURE})),
    row("each fact is checked once", "confirm",
        NEARLY, say("电话<PHONE_1>"), memory(whole(sources={"branch": UNSURE}), told=frozenset({"verify:branch"}))),
    row("what the customer skipped is not checked", "confirm",
        NEARLY, say("电话<PHONE_1>"), memory(whole(sources={"branch": UNSURE}), skipped=frozenset({"branch"}))),
    row("one thing at a time, by the cause", "ask product", story(), CALM, story(cause_l1="C10", cause_l2="C10a")),
    row("put again in other words", "ask_again branch", memory(story(), "branch", asked=("branch",)), say("嗯")),
    row("two failed attempts: on without it", "ask event_time",
        memory(story(), "branch", asked=("branch", "branch"), tries={"branch": 2}), say("就那个")),
    row("one failed attempt: again", "ask_again branch",
        memory(story(), "branch", asked=("branch",), tries={"branch": 1}), say("就那个")),
    row("six times put: on without it", "ask event_time",
        memory(story(), "branch", asked=("branch",) * 6), say("今天天气不错", "chitchat")),
    row("five times put: once more", "ask_again branch",
        memory(story(), "branch", asked=("branch",) * 5), say("今天天气不错", "chitchat")),
    row("who refuses the phone is not asked again", "say utter_skipped_phone; confirm",
        memory(NEARLY, "phone", asked=(*ASKED, "phone")), say("不留", "deny"),
        memory(NEARLY, "phone", asked=(*ASKED, "phone"), skipped=frozenset({"phone"})), line("utter_skipped_phone")),
    row("who is anonymous is asked for neither name nor phone", "script X32; confirm",
        whole(name=None, phone=None, request=None), say("匿名，给我查清楚"), whole(name=None, phone=None, anonymous=True)),
]  # fmt: skip

INTERRUPTIONS = [
    row("why: answered, then back in other words", "say utter_why_phone; ask_again phone",
        memory(NEARLY, "phone", asked=(*ASKED, "phone")), say("为什么要电话", "ask_why"), None, line("utter_why_phone")),
    row("a question to us: answered, then back", "answer; ask_again branch",
        memory(story(), "branch", asked=("branch",)), say("周六开门吗", "inquire"), None, line("answer")),
    row("small talk: a word, then back", "say utter_greet_in_form; ask_again branch",
        memory(story(), "branch", asked=("branch",)), say("你好", "greet"), None, line("utter_greet_in_form")),
    row("how long: answered at the read-back, which stays open", "say utter_how_long; hint",
        memory(whole(), "confirm", asked=ASKED), say("要多久", "inquire"), None, line("utter_how_long")),
    row("wait: nothing is put again", "say utter_wait; hold",
        memory(story(), "branch", asked=("branch",)), say("等一下"), None, Reaction(line="utter_wait", holds=True)),
    row("what is right: first to be heard", "say utter_correct_how; hold",
        memory(whole(), "confirm"), say("刚才说错了", "correct"), None, Reaction(line="utter_correct_how", holds=True)),
    row("a step back opens the question before", "ask branch",
        memory(story(branch_name="城东"), "event_time", asked=("branch", "event_time")), say("上一步"), None, Reaction(opens="branch")),
    row("a line to be changed is asked for at once", "ask amount",
        memory(whole(), "confirm", asked=ASKED), say("金额不对"), None, Reaction(opens="amount")),
    row("silence: no hurry, then the question", "say utter_silence; ask_again branch",
        memory(story(), "branch", asked=("branch",)), say("……", "nlu_fallback"), None, line("utter_silence")),
    row("the right to stay unnamed is told when asked about", "script X32; ask_again name",
        memory(whole(name=None), "name", asked=ASKED), say("可以匿名吗", "inquire"), None, Reaction(script="X32")),
    row("heat in an interruption: answered, then a human", "say utter_why_branch; human_short; ask_again branch",
        memory(story(), "branch", asked=("branch",)), say("问这个干嘛！！", "ask_why", level=2), None, line("utter_why_branch")),
    row("who leaves for the regulator: left open, rights, a human", "say utter_left_open; script X27; human; hold",
        memory(story(level_peak=3), "branch", asked=("branch",)), say("不登记了，我打12378", "withdraw", level=3), None,
        Reaction(line="utter_left_open", holds=True)),
    row("wait at level 3: rights and a human all the same", "say utter_wait; script X27; human; hold",
        memory(story(level_peak=3), "branch", asked=("branch",)), say("等一下，我先打12378", level=3), None,
        Reaction(line="utter_wait", holds=True)),
]  # fmt: skip

CORRECTIONS = [
    row("a corrected read-back is read back again", "say utter_corrected; confirm",
        memory(whole(), "confirm"), say("不对，是柳园支行", "correct"), whole(branch="B4", branch_name="柳园支行"),
        line("utter_corrected")),
    row("a correction in the middle goes on with what is missing", "say utter_corrected; ask_again request",
        memory(story(), "request", asked=("request",)), say("不对，是前天", "correct"), memory(whole(request=None), asked=("request",)),
        line("utter_corrected")),
    row("nothing new at the read-back: a hint", "hint", memory(whole(), "confirm"), say("嗯呐")),
    row("more of the story at the read-back: noted", "say utter_heard_more; hint",
        memory(whole(), "confirm"), say("他还骂人", "complain"), whole(narrative_raw=f"{STORY}\n他还骂人"), line("utter_heard_more")),
    row("the last answer brings the read-back", "confirm", memory(NEARLY, "phone", asked=ASKED), say("<PHONE_1>"), whole()),
]  # fmt: skip

CASES = [
    row("praise: thanked, not comforted, not examined", "say utter_note_praise; ask branch",
        NOTHING, say("柜员小李特别耐心", "praise"), TicketDraft(nature=Nature.PRAISE, narrative_raw="柜员小李特别耐心帮我")),
    row("praise with a branch is ready", "say utter_note_praise; confirm", NOTHING, say("城东支行服务好", "praise"),
        TicketDraft(nature=Nature.PRAISE, narrative_raw="城东支行的小李特别耐心", branch_name="城东支行")),
    row("a suggestion needs only a way to answer", "say utter_note_suggestion; ask phone",
        NOTHING, say("建议多开窗口", "inform"), TicketDraft(nature=Nature.SUGGESTION, narrative_raw="建议你们中午多开窗口")),
    row("a tip-off: sealed, no name, no wish", "script X00; script X22; ask phone", NOTHING, say("我要举报", "complain"),
        story(nature=Nature.TIP_OFF, cause_l1="C8", branch_name="城东支行", event_time_text="昨天")),
    row("a tip-off at level 3 is no threat: a human, no rights", "script X00; script X22; human_short; ask phone",
        NOTHING, say("我要举报", "complain", level=3),
        story(nature=Nature.TIP_OFF, cause_l1="C8", branch_name="城东支行", event_time_text="昨天", level_peak=3)),
    row("a tip-off at level 3: a human is offered once", "ask branch",
        memory(story(nature=Nature.TIP_OFF), told=frozenset({"X22"}), human_offered=True), say("我要举报", level=3)),
    row("a tip-off that names an authority hears the rights", "script X27; human; ask branch",
        memory(story(nature=Nature.TIP_OFF), told=frozenset({"X22"})), say("不查我就打12378", "complain", level=3)),
    row("for another: what paper is needed", "script X00; say utter_note_agent; ask branch",
        NOTHING, TOLD, story(is_agent=True, agent_kind="agent")),
    row("for another: the paper is asked about before the wish", "ask authorization",
        memory(story(is_agent=True, agent_kind="agent"), told=frozenset({"utter_note_agent"})), HERE,
        memory(whole(is_agent=True, agent_kind="agent", request=None), told=frozenset({"utter_note_agent"}))),
    row("heirs hear their own words", "script X00; say utter_note_heir; ask branch",
        NOTHING, TOLD, story(is_agent=True, agent_kind="heir")),
    row("the note is said once", "ask branch",
        memory(story(is_agent=True, agent_kind="heir"), told=frozenset({"utter_note_heir"})), CALM),
    row("several people: representatives, and how many", "script X28; ask representative_count",
        story(), HERE, whole(tags=("共同投诉",))),
    row("several people: said once", "ask representative_count",
        memory(whole(tags=("共同投诉",)), told=frozenset({"X28"})), CALM),
    row("anonymous from now on: what that means", "script X32; ask branch",
        story(), say("不要透露我是谁"), story(anonymous=True)),
    row("anonymous: said once", "ask branch", story(anonymous=True), CALM),
    row("an unsure suggestion is not asked for its cause", "say utter_note_suggestion; ask phone",
        NOTHING, say("建议多开窗口", "inform", causes=(guess("C3b", 0.3),)),
        TicketDraft(nature=Nature.SUGGESTION, narrative_raw="建议你们中午多开窗口", cause_l1="C3", cause_confidence=0.3)),
    row("another language: both languages, a human, a phone", "say utter_foreign; human_short; ask phone",
        NOTHING, say("Your ATM ate my card", "complain", causes=(guess("C6b", 0.3),)),
        TicketDraft(narrative_raw="Your ATM ate my card", tags=("外语",))),
    row("another language: a human is offered once", "say utter_foreign_more; ask_again phone",
        memory(TicketDraft(narrative_raw="Your ATM ate my card", tags=("外语",)), human_offered=True, asked=("phone",)),
        say("It was yesterday"), None, line("utter_foreign_more")),
    row("another language: no explanation", "human_short; ask phone",
        TicketDraft(narrative_raw="Your ATM ate my card", cause_l1="C6", cause_confidence=0.9, tags=("外语",)), CALM, explanation="X09"),
]  # fmt: skip

PAUSES = [
    row("after a long silence nothing is forgotten", "say utter_welcome_back; ask_again branch",
        memory(story(), "branch", asked=("branch",), last_at=LONG_AGO), say("在吗")),
    row("half an hour is no long silence", "ask_again branch",
        memory(story(), "branch", asked=("branch",), last_at=LATELY), say("在吗")),
    row("after a long silence an answer is taken all the same", "say utter_welcome_back; ask event_time",
        memory(story(), "branch", asked=("branch",), last_at=LONG_AGO), HERE,
        memory(story(branch="B1", branch_name="城东支行"), asked=("branch",))),
]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "message", "now", "reaction", "explanation", "steps"),
    [*FIRST_WORDS, *LEVELS, *EXPLANATIONS, *QUESTIONS, *INTERRUPTIONS, *CORRECTIONS, *CASES, *PAUSES],
)
def test_next_steps(
    before: Memory,
    message: Turn,
    now: Memory,
    reaction: Reaction,
    explanation: str | None,
    steps: str,
    playbook: Playbook,
) -> None:
    found = next_steps(message, before, now, reaction, playbook=playbook, explanation=explanation)

    assert "; ".join(f"{step.kind} {step.what}".rstrip() for step in found) == steps


@pytest.mark.parametrize(
    ("draft", "explained"),
    [
        (story(level_peak=3), False),
        (story(cause_confidence=0.44), False),
        (story(cause_confidence=None), False),
        (story(narrative_raw="中午交班不给办啊啊啊啊"), False),
        (story(narrative_raw="中午交班不给办啊啊啊啊啊"), True),
        (story(accepted_explanation="no"), False),
        (story(nature=Nature.SUGGESTION), False),
        (story(nature=Nature.TIP_OFF), False),
        (story(tags=("外语",)), False),
        (story(level_peak=2), True),
        (story(level_peak=2, script_ids_used=("X00@1", "X28@1")), True),  # nothing explained yet
        (story(level_peak=2, script_ids_used=("X00@1", "X02@1")), False),
        (story(level_peak=1, script_ids_used=("X00@1", "X02@1")), True),
        (story(accepted_explanation="yes"), True),
        (story(cause_confidence=0.45), True),
    ],
)
def test_is_explained(draft: TicketDraft, explained: bool) -> None:
    assert is_explained(CALM, memory(draft)) is explained


@pytest.mark.parametrize(
    ("step", "requested"),
    [
        (Step("hold"), None),
        (Step("say", "utter_wait"), None),
        (Step("ask", "branch"), "branch"),
        (Step("ask_again", "phone"), "phone"),
        (Step("verify", "branch"), "verify:branch"),
        (Step("clarify"), "cause"),
        (Step("confirm"), "confirm"),
        (Step("hint"), "confirm"),
    ],
)
def test_which_question_is_open_afterwards(step: Step, requested: str | None) -> None:
    assert requested_after(step) == requested
