"""The complaint as a form: field names are those of the ticket everywhere (bot slots, api, desk)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictFloat

from contract.base import AS_NUMBER, Frozen, Moment, Whole
from contract.sla import Source

Level = Annotated[int, Field(ge=0, le=4), AS_NUMBER]


class Channel(StrEnum):
    """Where the customer speaks to us; `intake_channel` of the ticket."""

    WEB = "web"
    WECHAT = "wechat"
    HOTLINE = "hotline"


class Nature(StrEnum):
    """What kind of matter it is (domain.md 6.2)."""

    COMPLAINT = "投诉"
    OPINION = "意见"
    SUGGESTION = "建议"
    INQUIRY = "咨询"
    TIP_OFF = "举报"
    PRAISE = "表扬"


class Request(StrEnum):
    """What the customer wants (domain.md 6.2, `request`)."""

    VERIFY = "核实"
    APOLOGY = "道歉"
    CORRECTION = "更正"
    REFUND = "退费"
    COMPENSATION = "补偿"
    STOP_HARASSMENT = "停止骚扰"
    SPEED_UP = "加快"
    RESTORE = "恢复使用"
    STAFF = "处理员工"
    OTHER = "其他"


class FieldSource(Frozen):
    """Where a field's value comes from, and how sure it is (0..1); below a threshold one closed question is asked."""

    source: Literal["said", "known", "typed", "inferred"]
    confidence: StrictFloat = Field(ge=0, le=1)


class TicketDraft(Frozen):
    """The ticket as far as the conversation has come; every field may still be missing.

    Amounts are in yuan as a decimal string. `branch` is the branch code when the directory knows it, `branch_name` what to
    show. `cause_runner_up` is the second guess, while it is likely enough to be worth a look. `is_agent` and `agent_kind` say
    that somebody complains for another (3号令 art 14), `authorization` what was said about the paper. `level_course` are the
    levels in the order in which they changed, `explanation_levels` the level after each explanation, by its label.
    `missing_fields` were asked for and not learned. Full card and identity numbers never stand here.
    """

    nature: Nature = Nature.COMPLAINT
    narrative_raw: str | None = None
    summary: str | None = None
    branch: str | None = None
    branch_name: str | None = None
    event_time: str | None = None
    event_time_text: str | None = None
    product: str | None = None
    amount: str | None = None
    request: Request | None = None
    customer_quote: str | None = None
    name: str | None = None
    phone: str | None = None
    card_tail: str | None = None
    staff_described: str | None = None
    customer_type: Literal["个人", "对公"] | None = None
    anonymous: StrictBool = False
    is_agent: StrictBool = False
    agent_kind: Literal["agent", "heir"] | None = None
    authorization: Literal["promised", "none"] | None = None
    representative_count: Whole | None = None
    special_group: tuple[str, ...] = ()
    cause_l1: str | None = None
    cause_l2: str | None = None
    cause_secondary: str | None = None
    cause_confidence: StrictFloat | None = None
    cause_runner_up: str | None = None
    business_category: str | None = None
    business_channel: str | None = None
    incident_id: str | None = None
    level: Level = 0
    level_peak: Level = 0
    level_course: tuple[Level, ...] = ()
    tags: tuple[str, ...] = ()
    trigger_phrases: tuple[str, ...] = ()
    script_ids_used: tuple[str, ...] = ()
    explanation_levels: Mapping[str, Level] = Field(default_factory=dict)
    accepted_explanation: Literal["yes", "no", "unasked"] = "unasked"
    hours_fault: StrictBool = False
    callback_wanted: StrictBool = False
    missing_fields: tuple[str, ...] = ()
    sources: Mapping[str, FieldSource] = Field(default_factory=dict)


class TicketCreate(TicketDraft):
    """Body of `POST /v1/tickets`. `source` is where the matter came from (an authority that passed it on). The key is the `Idempotency-Key` header: conversation and form run."""

    conversation_id: str | None = None
    intake_channel: Channel = Channel.WEB
    source: Source | None = None
    consent_at: Moment | None = None
    created_at: Moment | None = None
