"""What the answer to "what do you want us to do" asks for. Pure.

The question makes the words plain: "看看录像" is no wish anywhere else. What is found in other messages is bot/lexicon/requests.yml's.
"""

import re

from contract.ticket import Request

# The more specific first; a clause that declines ("道歉就不用了") counts for nothing.
_KINDS: tuple[tuple[Request, re.Pattern[str]], ...] = (
    (Request.STOP_HARASSMENT, re.compile(r"(?:别|不要|不许|停止|少).{0,8}(?:打|催|骚扰|联系|发短信|推销|找我)|别打了|一个都别打")),
    (Request.APOLOGY, re.compile(r"道(?:个)?歉|赔(?:个)?(?:不是|礼)|对不起|认(?:个)?错|说(?:声|句)(?:好话|软话|抱歉)")),
    (Request.REFUND, re.compile(r"退(?!休)|返还|还(?:给)?(?:我|俺|我们|他|她|老人)|吐出来|要回|追回|拿回来|补(?:给我|上|回来)|给我补")),
    (Request.COMPENSATION, re.compile(r"赔|补偿|损失|误工")),
    (Request.STAFF, re.compile(r"处分|(?:处理|批评|教育|惩罚|管管|管一管|说说|换掉|调走|开除).{0,8}(?:他|她|那|人|员工|柜员|经理|保安)|(?:把|让)(?:他|她|那个).{0,6}(?:换|调|开)")),
    (Request.CORRECTION, re.compile(r"更正|纠正|订正|修正|改(?:过来|对|回来|正|成|掉)|(?:把|将).{0,10}改|消除|删(?:掉|除)?|撤销|重新(?:录|算)|算对")),
    (Request.RESTORE, re.compile(r"恢复|解(?:冻|封|除|开|锁)|放开|能(?:正常)?(?:用|登|转|取)|修好|开通|提额|正常(?:用|使)")),
    (Request.SPEED_UP, re.compile(r"尽快|赶紧|赶快|快(?:点|些)|多(?:开|派|安排|设)|加(?:开|派)|抓紧|早(?:点|日)|马上|办(?:完|下来|好|了)|安排")),
    (Request.VERIFY, re.compile(r"查|核(?:实|对)|告诉我(?!妈|爸|家|老)|说法|解释|说清|讲清|弄清|搞清|弄个?明白|讲明白|交代|答复|回话|回音|道理|告知|怎么回事|咋回事|看看|录像|监控|书面")),
)  # fmt: skip
_DECLINED = re.compile(r"(?:就|也)?(?:不用|免了|不必|不需要|算了|不要了)$|^(?:不用|不要|不是要)")
_CLAUSE = re.compile(r"[，。！？；,!?;\s]+")


def wish_of(text: str) -> Request | None:
    """The kind of wish; None when the words ask for nothing that we know a name for."""
    clauses = [clause for clause in _CLAUSE.split(text) if clause and not _DECLINED.search(clause)]
    for kind, pattern in _KINDS:
        if any(pattern.search(clause) for clause in clauses):
            return kind
    return None
