"""Random walks through the real stack: whatever is said, no dialogue ends dead, loops, says what is forbidden, loses a fact
that was told, or files twice (walk.py checks all of it after every message).

A short walk that is the same every time belongs to the suite. To search further, with other walks each time and with the
failing one made as short as it gets:

    TINGSU_WALKS=300 .venv/bin/python -m pytest tests/dialogue/test_random_walk.py --timeout=0
"""

import os
from collections.abc import Callable

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from contract.playbook import Playbook
from tests.dialogue.walk import YES, Walk

_WALKS = int(os.environ.get("TINGSU_WALKS", "0"))
_STEPS = 14
_BEFORE_THE_GOAL = 5
_DANGER_FROM = 8
_SHORTENED = (Phase.generate, Phase.shrink) if _WALKS else (Phase.generate,)

# Facts stand in braces: walk.py fills them in and looks for them in the ticket.
STORIES = (
    "昨天中午十二点过去{branch}取钱，窗口的人说在交班，让我等着，一等就是半个多小时",
    "在{branch}排队排了快两个小时，六个窗口就开了一个",
    "我存了{amount}块，回家一看存折上少打了一个零，是{branch}那个年轻柜员办的",
    "大堂说带身份证就能办，到了柜台又要户口本，来回跑了三趟，你们{branch}到底谁说了算",
    "信用卡莫名其妙扣了我{amount}块年费，办的时候业务员拍着胸脯说免年费",
    "理财经理跟我说保本，现在亏了{amount}元，这叫什么事",
    "我姓{name}，前天在{branch}办挂失，柜员全程黑着脸，问一句呛一句",
    "手机银行从周一起就登不上去，急着给孩子交学费",
    "ATM把我卡吞了，在{branch}门口那台，打客服半天没人接",
    "催收的一天给我打十几个电话，连我同事都骚扰，我电话{phone}",
    "我妈的定期在{branch}被你们的人转成了保险，她七十多了根本不懂",
    "卡里{amount}块钱不见了，我人在家里卡也在身上，怎么就被刷走了",
    "房贷提前还款非要收我{amount}块违约金，合同里写的根本不是这么回事",
    "你们{branch}的员工把我的电话给了卖保险的，我刚走出门电话就来了",
    "网点门口连个坡道都没有，我坐轮椅怎么进去",
    "替我爸来反映，他在{branch}取养老金被要求必须本人去，人躺在病床上怎么去",
    "我们小区六个人都在{branch}买了那个理财，说好的收益一分没见着",
    "表扬一下{branch}大堂那个小姑娘，帮我妈填单子特别有耐心",
    "建议你们{branch}中午多开一个窗口，上班的只有中午有空",
    "有个柜员偷偷查我的流水告诉了我前夫，我要举报，就在{branch}",
)
_PLAIN = {
    "branch": ("在{branch}", "就是{branch}那家", "{branch}"),
    "amount": ("一共{amount}块", "{amount}元"),
    "name": ("我姓{name}", "免贵姓{name}"),
    "phone": ("我电话{phone}", "{phone}", "打{phone}找我"),
}
PLAIN_FACTS = tuple(text for texts in _PLAIN.values() for text in texts)
OTHER_FACTS = (
    "上周五上午十点左右",
    "就是昨天的事",
    "办的是信用卡",
    "我就想要个说法",
    "把钱退给我",
    "让那个柜员给我道歉",
    "查清楚再说",
)
CORRECTIONS = (
    "不对，是{branch}",
    "刚才网点说错了，应该是{branch}",
    "金额不对，是{amount}块",
    "说错了，应该是{amount}元",
    "电话写错了，应该是{phone}",
    "不对，我姓{name}",
    "刚才说错了",
    "改一下金额",
    "上一步",
    "不对，是前天下午",
)
REFUSALS = ("不想说", "不留", "跳过吧", "这个不方便讲", "记不清了", "不知道", "我要匿名，别留我的名字", "凭什么告诉你")
SMALL_TALK = (
    "你好", "在吗", "谢谢", "你是机器人吗", "今天天气真好", "哈哈", "帮我写首诗", "再见", "嗯", "好的", "哦", "1", "？",
    "不是", "没有", "对", "可以", "那行吧",
)  # fmt: skip
QUESTIONS = (
    "为什么要电话", "问这个干嘛", "要多久才有结果", "接下来怎么办", "城东支行周六开门吗", "12378是什么电话", "你们会处分他吗",
    "我这个算有效投诉吗", "能赔我多少钱", "外卖送错了怎么办", "移动乱扣话费你们管不管", "可以匿名吗", "监控你们看了没",
)  # fmt: skip
PAUSES = ("等一下", "我找找单子", "……", "我先接个电话", "我回来了", "让我想想", "你别催")
NOISE = ("😡😡😡", "🙂", "[微笑][微笑]", "asdfgh", "。。。", "/restart", "<PHONE_1>", "哈哈哈哈哈哈哈哈", "6")
ENGLISH = (
    "Hello, I want to complain about your service",
    "The teller at the counter was very rude to me yesterday and refused to help",
    "My card was charged twice, please refund",
)
HEAT = (
    "你们他妈的什么破银行", "垃圾银行，一群骗子", "我要去12378告你们", "信不信我发抖音曝光你们", "我已经找律师了，法院见",
    "记者明天就来", "气死我了！！！", "你们就是店大欺客", "跟你说有个屁用", "我再也不信你们了",
)  # fmt: skip
DENIALS = (
    "我没说要去告你们", "我不是要闹，就想解决问题", "别人都说要找12378，我先跟你们说", "放心，我不会干傻事", "解释这些没用，我不接受",
    "行吧，我理解你们也不容易",
)  # fmt: skip
DANGER = (
    "我不想活了，从你们楼上跳下去算了",
    "再不解决我就拿刀去你们网点",
    "我正在给骗子转账，刚转了一半怎么办",
    "我们三十多个人堵在你们门口，不给钱不走",
)
HUMAN = ("转人工", "我要跟真人说", "叫你们领导来", "别让机器人跟我说话", "人工人工人工")
AFTERWARDS = (
    "到哪一步了", "催一下", "我那个投诉有结果了吗", "算了不投诉了", "我要撤回投诉", "先不撤", "我对处理结果不满意", "我有录音为证",
    "我找到了当时的回单", "下午三点以后给我回电话", "满意，谢谢", "再补充一点，当时旁边还有个保安看着", "查工单TS2026112500000",
)  # fmt: skip
SECOND_MATTERS = (
    "还有另外一件事，上个月在{branch}还多收了我{amount}块手续费",
    "另外还有个事要投诉，{branch}的取款机老是坏，没人修",
)
LONG = (
    "我跟你从头说，"
    + "那天一早我就出门了，想着早去早回，结果到了以后人山人海，也没人维持秩序，" * 12
    + "最后在{branch}办了个存折，被收了{amount}块，我不服",
    "我" * 600,
    "在{branch}" + "等了又等，问了又问，就是没人理我。" * 120,
)
BURSTS = (
    ("我要投诉", "你们{branch}", "昨天", "排队排了一上午"),
    ("喂", "有人吗", "我姓{name}"),
    ("{phone}", "这是我电话", "快点给我办"),
)
TALK = (*SMALL_TALK, *QUESTIONS, *PAUSES, *NOISE, *ENGLISH)
ANYTHING = (
    *STORIES, *PLAIN_FACTS, *OTHER_FACTS, *CORRECTIONS, *REFUSALS, *TALK, *HEAT, *DENIALS, *HUMAN, *AFTERWARDS, *SECOND_MATTERS, *LONG,
)  # fmt: skip


def _settings(examples: int) -> settings:
    """The stack answers as it likes (wordings are drawn by lot), so nothing is kept for the next run."""
    return settings(
        max_examples=_WALKS or examples,
        stateful_step_count=_STEPS,
        derandomize=not _WALKS,
        deadline=None,
        database=None,
        phases=_SHORTENED,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
    )


def say(walk: Walk, text: str) -> None:
    """Says it with what it means for the facts told before."""
    if text in REFUSALS:
        walk.refuse(text)
    else:
        walk.say(text, new=text in CORRECTIONS, aside=text in SECOND_MATTERS)


class Machine(RuleBasedStateMachine):
    """What a customer may do at any moment. After every step the walk checks what must hold."""

    def __init__(self, walk: Walk) -> None:
        super().__init__()
        self.walk = walk

    @initialize(text=st.sampled_from((*STORIES, *STORIES, *ANYTHING)))
    def begin(self, text: str) -> None:
        say(self.walk, text)

    @rule(text=st.sampled_from(STORIES), new=st.booleans())
    def tell_a_story(self, text: str, new: bool) -> None:
        self.walk.say(text, new=new)

    @rule(text=st.sampled_from((*PLAIN_FACTS, *OTHER_FACTS)))
    def tell_a_fact(self, text: str) -> None:
        say(self.walk, text)

    @rule()
    def answer(self) -> None:
        self.walk.answer()

    @rule()
    def answer_again(self) -> None:
        self.walk.answer()

    @rule(text=st.sampled_from((*CORRECTIONS, *REFUSALS)))
    def be_difficult(self, text: str) -> None:
        say(self.walk, text)

    @rule(text=st.sampled_from(TALK))
    def talk(self, text: str) -> None:
        say(self.walk, text)

    @rule(text=st.sampled_from((*HEAT, *DENIALS)))
    def get_heated(self, text: str) -> None:
        say(self.walk, text)

    @rule(text=st.sampled_from(HUMAN))
    def ask_for_a_human(self, text: str) -> None:
        say(self.walk, text)

    @rule(text=st.sampled_from(AFTERWARDS))
    def ask_about_the_ticket(self, text: str) -> None:
        say(self.walk, text)

    @rule(text=st.sampled_from((*SECOND_MATTERS, *LONG)))
    def tell_more(self, text: str) -> None:
        say(self.walk, text)

    @rule(texts=st.sampled_from(BURSTS))
    def say_at_once(self, texts: tuple[str, ...]) -> None:
        self.walk.say_at_once(texts)

    # Danger ends the form for good; before that there is more to see.
    @precondition(lambda self: len(self.walk.steps) >= _DANGER_FROM)
    @rule(text=st.sampled_from(DANGER))
    def be_in_danger(self, text: str) -> None:
        self.walk.say(text)

    @precondition(lambda self: self.walk.offered)
    @rule(place=st.integers(0, 5))
    def pick(self, place: int) -> None:
        self.walk.pick(place)

    @precondition(lambda self: self.walk.stale)
    @rule(place=st.integers(0, 50))
    def pick_a_stale_choice(self, place: int) -> None:
        self.walk.pick_stale(place)

    @rule()
    def send_again(self) -> None:
        self.walk.send_again()

    @precondition(lambda self: self.walk.question == "confirm")
    @rule(text=st.sampled_from((None, *YES)))
    def confirm(self, text: str | None) -> None:
        if text is None:
            self.walk.confirm()
        else:
            self.walk.say(text)


@pytest.fixture
def new_walk(base_url: str, staff: httpx.Client, playbook: Playbook) -> Callable[[], Walk]:
    return lambda: Walk(base_url, staff, playbook)


def test_whatever_is_said(new_walk: Callable[[], Walk]) -> None:
    class Here(Machine):
        def __init__(self) -> None:
            super().__init__(new_walk())

    run_state_machine_as_test(Here, settings=_settings(12))


@_settings(12)
@given(talk=st.lists(st.sampled_from(ANYTHING), max_size=_BEFORE_THE_GOAL))
def test_answers_lead_to_a_ticket(new_walk: Callable[[], Walk], talk: list[str]) -> None:
    walk = new_walk()
    for text in talk:
        say(walk, text)
    walk.reach_the_goal()
