"""What a message does beside telling a story: every cue in customers' words, and words that only look like it."""

from collections import Counter
from pathlib import Path
from typing import Dict, List, Set, Tuple

import pytest

from bot.nlu.corpus import COMPLAIN, read_corpus
from bot.nlu.cues import _lexicon, find_cues, is_foreign
from bot.nlu.normalise import normalise

DATA = Path(__file__).resolve().parents[3] / "data" / "nlu"

# Cue: sentences that have it, sentences that must not. `change:amount` names the field too.
TABLE: Dict[str, Tuple[List[str], List[str]]] = {
    "wait": (
        ["等一下", "稍等，我翻翻短信", "你等会儿啊", "让我找找回单", "我看一下手机", "我先去接个孩子一会儿说", "容我想想", "等我查查再告诉你"],
        ["等一下就办好，结果等了一上午", "让我等了两个小时", "柜员叫我稍等，一等就是四十分钟还没人理", "等等再来，他们就这么打发我的", "我等了俩小时"],
    ),
    "returned": (
        ["我回来了", "好了，我又回来了", "刚才说到哪了", "前面我们讲到什么地方"],
        ["钱又回来了三百", "回来以后发现卡被吞了", "我爸回来说柜员骂他"],
    ),
    "silence": (["嗯", "……", "？", "呃呃", "额…"], ["嗯嗯好的", "哦是城东支行", "嗯就是昨天的事", "啊？凭什么"]),
    "back": (
        ["上一步", "回到上一题", "返回", "我要回上一步！", "退回去"],
        ["我返回大厅又排了一遍", "退回去重新填表，填了三遍", "上一步说要身份证下一步又说要户口本", "把钱退回去"],
    ),
    "change:amount": (["改一下金额", "金额不对", "钱数错了", "金额那里要改一下"], ["金额是五百", "多少钱我也说不清"]),
    "change:event_time": (["时间写错了", "改一下日期", "时间不对，换个说法"], ["那个时间网点都关门了", "说好的时间"]),
    "change:branch": (["网点不是这个", "更正一下网点", "网点写错了"], ["网点没人管", "这个网点服务不对头"]),
    "change:phone": (["修改一下我的手机号", "电话记错了", "号码有误"], ["电话没人接", "号码牌叫了三遍"]),
    "change:request": (["改一下诉求", "要求写错了"], ["我的要求就是道歉"]),
    "misspoke": (["刚才说错了", "我打错了", "前面写的不对", "我报错了"], ["她说对不起", "你们办错了业务", "机器出错了"]),
    "why:phone": (
        ["为什么要电话", "干嘛要我手机号", "凭什么问我电话", "要我号码干什么", "为啥非得留联系方式"],
        ["为什么不接电话", "怎么电话老是占线", "为什么一直给我打电话"],
    ),
    "why:name": (["问我姓名做什么", "凭啥要名字"], ["为什么叫不到我", "名字给我打错了为什么不改"]),
    "how_long": (
        ["要多久", "几天能有结果", "什么时候给我答复", "得多长时间啊", "几个工作日", "大概啥时候能处理好"],
        ["前几天的事", "等了好几天了", "那几天我在外地", "没几天就坏了", "几天前在城东支行"],
    ),
    "what_next": (["接下来呢", "然后怎么办", "下一步要干什么", "走什么流程"], ["然后他就走了", "之后我又去了一趟", "后面排队的人都急了"]),
    "accepts": (["明白了", "原来是这样", "说得也有道理", "可以理解", "我懂了，谢谢"], ["我不明白", "没听懂了啥意思", "谁能理解", "不能理解你们"]),
    "rejects": (
        ["这算什么解释", "少来这套", "借口", "不接受你这种说法", "说这些有什么用", "别糊弄我"],
        ["他解释了半天", "这是什么手续", "解释一下为什么扣费"],
    ),
    "urge": (
        ["催一下", "帮我催催", "我再来催一遍", "怎么还没人处理", "都五天了还没回复", "麻烦给催办一下", "快点处理我的投诉", "我那个工单怎么还没消息", "好几天了没人联系我", "都一个星期了没人联系我", "半个月了还没处理", "一个礼拜没回音"],
        ["天天催我还钱", "催收的打了三十个电话", "催债的骂人", "你们催就催，别骂人", "催命一样", "晚一天还没关系", "催贷款的咒我", "他们又来催了", "催他还钱"],
    ),
    "dissatisfied": (
        ["处理结果我不满意", "对你们的答复不认可", "我要申请复核", "要求重新调查", "这个结果不行", "不接受这个处理方案", "你们那个答复太敷衍了"],
        ["柜员态度我不满意", "要先核查身份", "后台还要复核，等了半天", "要升级核查", "调查问卷问我满不满意", "结果不知道"],
    ),
    "evidence": (
        ["录音我找到了", "补一张照片", "我翻到聊天记录了", "截图发给你们", "有新证据", "小票还在我这"],
        ["叫我提供证明", "流水打不出来", "监控不给看", "照片拍得难看", "你们到现在都不给我提供回单", "柜员不肯给回单", "我没有新证据"],
    ),
    "second_matter": (
        ["还有另一件事", "还有一个事要反映", "我还要投诉另外一个", "第二件事是手机银行", "另外我还想投诉", "还有一件别的事", "再反映一个问题"],
        ["另一个窗口没人", "还要排队", "换个小姑娘再登记一遍", "为了这一件事跑了三趟"],
    ),
    "addition": (["忘了说，是3号窗口", "再补充一下", "漏了说一点", "刚才没说全"], ["忘带身份证", "补办一张卡", "漏了一笔钱"]),
    "satisfied": (["挺满意的", "处理速度还可以", "5分", "态度不错。", "很满意"], ["我不满意", "说是很满意，其实很差", "等了5分钟", "态度不好"]),
    "keep": (
        ["我不撤", "先不撤了", "别撤", "不想撤了", "不会撤的", "绝对不可能撤", "我没打算撤", "凭什么让我撤", "不同意撤诉", "没想撤"],
        ["我要撤回投诉", "能不能撤回", "撤了吧", "要不撤了算了", "可不可以撤掉", "还能不能撤", "撤不撤都行", "不投诉了撤掉", "不撤换柜员不行"],
    ),
    "again": (
        ["我还是要投诉那件", "又来反映了", "再次投诉", "跟上次说的一样", "同一件事"],
        ["又排了一个小时", "重新填了三遍", "上次办得挺快"],
    ),
    "progress": (
        ["到哪一步了", "查一下我的投诉", "处理得怎么样了", "有没有消息", "我的工单呢"],
        ["到了下一个窗口", "处理完再说", "没人理我"],
    ),
    "afraid": (
        ["投诉了会不会被报复", "怕你们给我穿小鞋", "会影响我贷款吗", "担心他们为难我"],
        ["影响市容", "态度恶劣", "很为难的事"],
    ),
    "kin": (
        ["我妈去取钱，柜员冲她吼", "我爸七十了，他们骗老人买保险", "我老伴让柜员嫌她慢"],
        ["我妈陪我去的", "我老公说跟他们打官司", "柜员冲我吼", "他妈的让他滚"],
    ),
    "withdraw": (
        ["撤了吧", "我要撤回投诉", "不投诉了", "算了", "别登记了", "取消登记", "不用记了", "这事能不能撤回啊"],
        ["不撤换柜员不行", "我要投诉", "不告诉我原因", "登记了三遍", "取消了我的卡", "必须把那个柜员撤了", "要求给他撤职", "他说算了我不服"],
    ),
    "withdraw_plain": (
        ["我要撤回投诉", "帮我把工单取消掉，取消工单", "投诉给我撤了", "不投诉了", "取消投诉吧"],
        ["必须把那个柜员撤了", "这事能不能撤回啊", "可以撤诉吗", "怎么撤回", "要求把他撤职", "把行长撤掉", "算了", "别登记了"],
    ),
    "plain_complaint": (
        ["不是举报，就是普通投诉", "我这只是个投诉", "不算举报", "不是建议"],
        ["我要投诉", "我要举报你们", "建议你们改改", "普通话都说不好"],
    ),
    "human": (
        ["I want to speak to a human", "Can I talk to a real person?", "human please", "please transfer me to a manager", "connect me to an agent"],
        ["the human resources card", "a person took my money", "I talk to my bank every day"],
    ),
    "callback": (["给我回个电话", "回电", "让人联系我", "打个电话给我", "叫人联系我吧"], ["打了十个电话没人接", "电话打不通", "一天打我三十个电话", "催收往我爸那打电话", "客服给我打个电话态度还差"]),
    "agent": (
        ["我替我妈投诉", "帮我爸反映个事", "我是老人的儿子", "受我姐委托", "我代理她来投诉", "他不会用手机，我替他说", "帮同事问个事"],
        ["我妈陪我去的", "柜员帮我爸取的钱", "代理行的事", "代表处关门", "我儿子排的队"],
    ),
    "heir": (["我爸去世了，存折取不出来", "老爷子上个月走了，年费还在扣", "我妈不在了", "遗产怎么办", "继承要公证", "老伴过世了，卡里的钱你们不给"], ["我爷爷的卡被吞了", "走了三趟都没办成", "人走了柜台就关了", "钱被转走了，卡里一分没剩", "窗口的人不在了，我取不了钱", "没有继承这回事"]),
    "joint": (["我们十几户联名投诉", "大家一起来反映", "集体维权", "我们几个老人都要投诉"], ["联名卡年费", "联名账户取不了", "跟老公一起去的"]),
    "anonymous": (["我要匿名", "别问我叫啥", "不能说我是谁", "名字就别问了", "不想透露姓名", "别写我的名字", "不留名", "我不方便说我是谁"], ["不知道他名字", "名字写错", "实名认证过不去", "我不匿名，我敢实名投诉她", "有人匿名举报我", "没有匿名"]),
    "tip_off": (
        ["我要举报你们柜员收红包", "举报城东支行行长", "我来实名举报", "检举信贷员吃回扣"],
        ["我要举报到银保监", "去12378举报你们", "骗子让我举报不了"],
    ),
    "suggestion": (["我有个建议", "给你们提个建议", "建议你们多开窗口", "希望银行能增加座椅", "提点意见"], ["他建议我买理财", "经理建议转存保险", "没人听我意见"]),
    "corporate": (["我们公司的对公账户", "公户转账", "单位结算"], ["我自己的卡", "对公平没要求"][:1]),
    "agency": (["代理维权", "全额退保代办", "征信修复"], ["我要维权", "退保金少了"]),
    "other_bank": (
        ["我要投诉招商银行", "投诉农商行", "投诉工行", "反映一下建设银行的事", "中信银行柜员态度差"],
        ["转到工行三天没到", "你们让我找工行，工行又让我找你们", "我在建行也有卡，没你们这么慢", "从招行转过来的钱不见了"],
    ),
    "telecom": (["移动公司乱扣费", "联通客服不理人", "宽带断了", "话费多扣"], ["移动柜员机吞钱", "手机没信号", "移动支付失败"]),
    "other_company": (["美团不退钱", "快递员把件丢了", "物业公司乱收费"], ["医院支行排队", "酒后驾驶", "外面下雨"]),
    "foreign": (
        ["My card was swallowed by the machine", "카드가 안 나와요 도와주세요", "Банкомат съел мою карту", "カードが出てきません"],
        ["ATM吞卡", "app登不上", "我的VISA卡", "asdfgh", "WiFi和APP都坏了"],
    ),
}  # fmt: skip
# What a story may look like by accident, as a share of the complaints: a cue of these turns the talk elsewhere.
STEERING = (
    "wait", "silence", "back", "change", "misspoke", "why", "how_long", "urge", "dissatisfied", "second_matter", "keep", "human", "foreign",
)  # fmt: skip
MOST = 0.005
# Only short messages are steered (actions/hear.py); so few of them may be mistaken.
SHORT, MOST_SHORT = 20, 0.001


def cues(text: str) -> Set[str]:
    return {name for name, _, _ in find_cues(normalise(text).text)}


@pytest.mark.parametrize(("cue", "text"), [(cue, text) for cue, (having, _) in TABLE.items() for text in having])
def test_has(cue: str, text: str) -> None:
    assert cue in cues(text)


@pytest.mark.parametrize(("cue", "text"), [(cue, text) for cue, (_, without) in TABLE.items() for text in without])
def test_has_not(cue: str, text: str) -> None:
    assert cue not in cues(text)


def test_every_cue_stands_in_the_table() -> None:
    patterns, unless, fields = _lexicon()

    assert set(unless) <= set(patterns)
    assert {name.partition(":")[0] for name in TABLE} == {*patterns, "foreign"}
    assert {name.partition(":")[2] for name in TABLE} - {""} <= set(fields)


@pytest.mark.parametrize("words", ["改一下{}", "为什么要{}"])
@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("amount", "金额"),
        ("event_time", "时间"),
        ("branch", "网点"),
        ("phone", "手机号"),
        ("name", "姓名"),
        ("request", "诉求"),
        ("product", "产品"),
        ("narrative", "经过"),
        ("cause", "问题类型"),
    ],
)
def test_the_field_is_named(words: str, field: str, said: str) -> None:
    assert {name.partition(":")[2] for name in cues(words.format(said)) if ":" in name} == {field}


def test_a_cue_is_found_where_it_stands() -> None:
    text = "好的，催一下吧"
    ((_, start, end),) = [it for it in find_cues(text) if it[0] == "urge"]

    assert text[start:end].startswith("催一下")


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_a_blank_message_is_silence_and_no_language(text: str) -> None:
    assert cues(text) == {"silence"}
    assert not is_foreign(text)


def test_a_blank_message_has_a_place() -> None:
    """Its cue points at nothing, and nothing fails."""
    assert normalise("").to_raw(0, 0) == (0, 0)


def test_mixed_with_chinese_it_is_chinese() -> None:
    assert is_foreign("my card 被吞了 please help me get it back")
    assert not is_foreign("我在ATM上取钱，机器说please wait然后就没反应了，卡也不退")


def test_stories_of_the_corpus_are_not_steered() -> None:
    stories = [example.text for example in read_corpus(DATA) if example.intent == COMPLAIN]
    found: "Counter[str]" = Counter()
    short: "Counter[str]" = Counter()
    for text in stories:
        names = {name.partition(":")[0] for name in cues(text)}
        found.update(names)
        short.update(names if len(text) <= SHORT else ())

    assert len(stories) > 10_000
    assert {name: found[name] for name in STEERING if found[name] > MOST * len(stories)} == {}
    assert {name: short[name] for name in STEERING if short[name] > MOST_SHORT * len(stories)} == {}
