"""What is promised by word when a ticket is filed or told more about, and who has to keep it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api.tickets.lifecycle import PromiseKind


@dataclass(frozen=True, slots=True)
class Promise:
    """`due_at` None: the customer's to keep, or without a day."""

    kind: PromiseKind
    due_at: datetime | None = None

    @property
    def text(self) -> str:
        return _TEXTS[self.kind]


# Nothing that was said stands here: whoever reads a promise needs no more than what is owed.
_TEXTS: Mapping[PromiseKind, str] = {
    PromiseKind.CALLBACK: "工作人员按登记的电话联系客户",
    PromiseKind.FIRST_CONTACT: "首次联系客户",
    PromiseKind.DECISION: "作出处理决定并告知客户",
    PromiseKind.AUTHORIZATION_ORIGINAL: "客户提供授权委托书原件（代理）或继承关系证明",
    PromiseKind.EVIDENCE: "客户补充提供材料",
    PromiseKind.REVIEW: "重新核查并把结果告知客户",
    PromiseKind.EXTENSION_NOTICE: "把延期和新的期限告知客户",
}


def promised_at_filing(values: Mapping[str, Any]) -> list[Promise]:
    """First contact and decision are clocks of the ticket and not promised twice."""
    found = []
    if values["callback_wanted"] and values["phone"]:
        found.append(Promise(PromiseKind.CALLBACK, values["first_contact_due_at"]))
    if values["is_agent"] and values["authorization"] == "promised":
        found.append(Promise(PromiseKind.AUTHORIZATION_ORIGINAL))
    return found
