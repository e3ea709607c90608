"""Refusals of the ticket room that belong to no single step."""

from api.core.errors import ApiError, ContradictionError, InvalidError


class TicketNotFoundError(ApiError):
    """Unknown, or hidden from this caller: the answer is the same."""

    status, code, message = 404, "ticket_not_found", "找不到这张工单，请核对工单号。"


class PublicTicketNotFoundError(ApiError):
    """Unknown number and wrong tail look the same, so that numbers cannot be tried out."""

    status, code, message = 404, "ticket_not_found", "没有找到对应的工单，请核对工单号和登记手机号的后四位。"


class IdempotencyKeyRequiredError(InvalidError):
    """Without a key a repeated call would file twice."""

    code, message = "idempotency_key_required", "请在 Idempotency-Key 请求头中给出唯一的键（1 到 255 个字符）。"


class ConversationUnknownError(ContradictionError):
    """No such conversation, or the caller may not read it: the answer is the same."""

    code, message = "conversation_unknown", "找不到这次对话，或者您不能看它；请核对 conversation_id，或者不填。"


class IdempotencyConflictError(ApiError):
    """The key was used for something else; `details.ticket_no` is what was filed under it."""

    status, code, message = 409, "idempotency_conflict", "这个 Idempotency-Key 已用于另一份内容，请换一个键。"


class EventInvalidError(InvalidError):
    """The event lacks what its type needs."""

    code = "event_invalid"
