"""Refusals of the dialogue room."""

from api.core.errors import ApiError


class ConversationNotFoundError(ApiError):
    """No such conversation; also said for one that belongs to somebody else."""

    status, code, message = 404, "conversation_not_found", "找不到这次对话，请重新开始。"


class ConversationClosedError(ApiError):
    """The conversation was ended; a new one can be started."""

    status, code, message = 409, "conversation_closed", "这次对话已经结束，请重新开始一次对话。"


class ChoiceNotOfferedError(ApiError):
    """Unknown, already used, or overtaken by a newer answer."""

    status, code, message = 422, "choice_not_available", "这个选项已经失效，请直接输入文字，或点最新的选项。"


class BacklogFullError(ApiError):
    """More unanswered messages than a person can type."""

    status, code, message = 429, "too_many_waiting", "前面的消息还在处理，请稍等片刻再发。"


class BotUnavailableError(ApiError):
    """The bot did not answer in time, or answered with something that is no answer."""

    status, code, message = 503, "bot_unavailable", "理解服务暂时不可用，请稍后再试。"
