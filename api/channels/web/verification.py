"""Proves that a call belongs to a conversation, in constant time."""

from collections.abc import Iterable
from typing import Annotated

from fastapi import Depends, Header, Request

from api.core.context import Context, context
from api.core.errors import UnauthorizedError
from api.core.security import bearer, conversation_token, same_secret


Authorization = Annotated[str | None, Header()]


def verify_conversation(*, keys: Iterable[bytes], conversation_id: str, authorization: str | None) -> None:
    """The same refusal for a wrong token and an unknown conversation; a token of any of the keys holds."""
    given = bearer(authorization)
    if not any([same_secret(given, conversation_token(key, conversation_id)) for key in keys]):
        raise UnauthorizedError("对话令牌不对或已失效，请重新开始对话。")


def proved(request: Request, conversation_id: str, authorization: Authorization = None) -> Context:
    """The context, for whoever holds the conversation's token; proved before anything of the body is looked at."""
    ctx = context(request)
    verify_conversation(keys=ctx.cipher.token_keys, conversation_id=conversation_id, authorization=authorization)
    return ctx


Customer = Annotated[Context, Depends(proved)]
