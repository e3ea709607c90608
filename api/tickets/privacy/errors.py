"""Refusals about personal data."""

from api.core.errors import ApiError, ContradictionError, InvalidError


class PersonNotFoundError(ApiError):
    """No ticket and no conversation of this phone or ticket."""

    status, code = 404, "person_not_found"
    message = "没有找到这位客户的工单或对话，请核对手机号或工单号。"


class WhoseDataError(InvalidError):
    """A phone or a ticket number, one of both."""

    code, message = "whose_data", "请给出手机号（phone）或工单号（ticket_no），只给一个。"


class SeveralPeopleError(ContradictionError):
    """A family's phone, perhaps; `details.tickets` are the tickets of it."""

    code = "several_people"

    def __init__(self, numbers: list[str]) -> None:
        text = f"这个手机号的工单（{'、'.join(numbers)}）上姓名不同，可能不是同一个人：请核对后用 only 写明是哪几张。"
        super().__init__(text, details={"tickets": numbers})


class NotOfThisPhoneError(ContradictionError):
    """`only` names what is not among this phone's tickets; `details.unknown`."""

    code = "not_of_this_phone"

    def __init__(self, unknown: list[str]) -> None:
        super().__init__(f"only 里的 {'、'.join(unknown)} 不是这个手机号的工单，请核对。", details={"unknown": unknown})


class NotConfirmedError(InvalidError):
    """The word was not typed."""

    code, message = "not_confirmed", "请在 confirm 里输入“删除”两个字确认；删除后无法恢复。"


class NotHeldError(ApiError):
    """There is no hold to lift."""

    status, code, message = 409, "not_held", "这张工单没有被保全，不用解除；请核对工单号。"


class AnonymisedError(ApiError):
    """The ticket has no personal data any more."""

    status, code, message = 409, "anonymised", "这张工单已经去除个人信息，不能再做这项操作；需要时请另立新单。"


class NoConsentError(ApiError):
    """Nothing to withdraw."""

    status, code, message = 404, "no_consent", "没有找到还有效的同意记录，可能已经撤回；请先查看工单的同意记录。"


class ConsentVersionError(ContradictionError):
    """The caller showed words that are not in force; `details.version` is what to show."""

    code, message = "consent_version", "个人信息处理说明已经更新，请重新阅读后再同意。"
