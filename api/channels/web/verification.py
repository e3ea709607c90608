"""Proves that a call belongs to a conversation; pure, constant time."""

from api.core.errors import UnauthorizedError
from api.core.security import bearer, conversation_token, same_secret


def verify_conversation(*, key: bytes, conversation_id: str, authorization: str | None) -> None:
    """The same refusal for a wrong token and an unknown conversation."""
    if not same_secret(bearer(authorization), conversation_token(key, conversation_id)):
        raise UnauthorizedError("对话令牌不对或已失效，请重新开始对话。")
