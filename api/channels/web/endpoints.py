"""The customer's routes. Each proves the token first; text is scrubbed before anything is stored."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from pydantic_core import to_json
from sqlalchemy import Connection
from starlette.responses import Response, StreamingResponse

from api.core.openapi import content
from api.channels.web.schemas import MessagePage
from api.channels.web.attachments import send_attachments
from api.channels.web.schemas import ConversationCreated, ConversationIn, MessageAccepted, MessageIn, SatisfactionIn
from api.channels.web.verification import Authorization, Customer, proved
from api.conversations import repository as conversations
from api.conversations.personal import PersonalTalks
from api.conversations.push import ConversationStream
from api.core import audit
from api.core.clock import rfc3339
from api.core.context import Context, client_address, context
from api.core.errors import ApiError, InvalidError, RateLimitedError
from api.core.principals import admitted, find_principal
from api.core.redaction import scrub, scrub_all
from api.core.security import Principal, Role, conversation_token
from api.core.sse import last_event_id, stream_response
from api.dialogue import repository
from api.dialogue.errors import ConversationNotFoundError
from api.dialogue.schemas import Incoming
from api.dialogue.turns import Turns
from api.tickets import repository as tickets
from api.tickets.privacy import consent
from api.tickets.privacy.repository import with_data
from api.tickets.privacy.schemas import WithdrawalIn
from api.tickets.privacy.withdrawal import withdraw

router = APIRouter(tags=["客户"])

_STAFF_TOO: dict[str, Any] = {"security": [{"apiKey": []}, {"session": []}]}


class ConsentRequiredError(InvalidError):
    """Without consent nothing is stored (PIPL 28-29)."""

    code, message = "consent_required", "请先阅读并同意个人信息处理说明，再开始对话。"


@router.post("/v1/conversations", status_code=201)
async def start_conversation(request: Request, body: ConversationIn) -> ConversationCreated:
    """开始一次对话。"""
    ctx = context(request)
    if not body.consent:
        raise ConsentRequiredError
    limit = ctx.settings.conversations_per_minute
    if not await ctx.redis.allow(f"conversations:{client_address(request)}", limit=limit, seconds=60):
        raise RateLimitedError(60)
    now, notices = ctx.clock.now(), request.app.state.playbook.consent

    def start(connection: Connection) -> str:
        made = repository.create(connection, channel=body.channel, metadata=scrub_all(body.metadata), now=now)
        shown = body.consent_version
        consent.give(connection, notices, channel=body.channel, now=now, conversation_id=made, version=shown)
        return made

    conversation_id = await ctx.db.write(start)
    token = conversation_token(ctx.cipher.token_key, conversation_id)
    return ConversationCreated(conversation_id=conversation_id, token=token)


@router.post("/v1/conversations/{conversation_id}/consent/withdraw", response_model=dict[str, Any])
async def withdraw_consent(
    request: Request, ctx: Customer, conversation_id: str, body: WithdrawalIn
) -> Response:
    """撤回同意：对话随即结束；没有形成工单的，内容删除；已有工单的依法办结和留存，逐项说明。"""
    now, talks = ctx.clock.now(), PersonalTalks()

    def work(connection: Connection) -> dict[str, Any]:
        return withdraw(
            connection,
            talks,
            ticket_no=None,
            conversation_id=conversation_id,
            by=Principal(id="customer", name="客户", role=Role.INTERNAL),
            reason=body.reason,
            now=now,
            tickets=with_data(connection, talks.tickets_of(connection, conversation_id)),
        )

    return Response(to_json(await ctx.db.write(work)), media_type="application/json")


@router.post("/v1/conversations/{conversation_id}/messages", status_code=202, response_model=MessageAccepted)
async def post_message(
    request: Request, ctx: Customer, conversation_id: str, body: MessageIn
) -> Response:
    """发一条消息：存好之后才回 202；同一个 client_id 只存一次。"""
    if body.attachment_ids is not None:
        seq = await send_attachments(request, ctx, conversation_id, body.client_id, body.attachment_ids)
        return _accepted(seq)
    text = None if body.text is None else scrub(body.text)
    turns: Turns = request.app.state.turns
    seq = await turns.accept(conversation_id, Incoming(body.client_id, text, body.choice_id, ctx.clock.now()))
    return _accepted(seq)


def _accepted(seq: int) -> Response:
    return Response(b'{"seq":%d}' % seq, 202, media_type="application/json")


@router.get("/v1/conversations/{conversation_id}/messages", response_model=MessagePage, openapi_extra=_STAFF_TOO)
async def read_messages(
    request: Request,
    conversation_id: str,
    after: Annotated[int, Query(ge=0)] = 0,
    authorization: Authorization = None,
) -> Response:
    """某条之后的消息、现在由谁接待、工单号；一次最多 500 条，more 表示后面还有。工作人员也可以读。"""
    ctx, _ = await _proved_or_staff(request, conversation_id, authorization)

    def read(connection: Connection) -> dict[str, Any]:
        head = repository.head(connection, conversation_id)
        found = repository.read_messages(connection, conversation_id, after=after)
        page: dict[str, Any] = {"messages": [message.wire() for message in found], "owner": head.owner}
        if len(found) == repository.MESSAGES_PAGE:
            page["more"] = True
        return page if head.ticket_no is None else {**page, "ticket_no": head.ticket_no}

    return Response(to_json(await ctx.db.read(read)), media_type="application/json")


@router.get("/v1/conversations/{conversation_id}/events", response_class=StreamingResponse, openapi_extra=_STAFF_TOO, responses=content("text/event-stream", "事件流，不会结束"))
async def stream_events(
    request: Request,
    conversation_id: str,
    after: Annotated[int, Query(ge=0)] = 0,
    authorization: Authorization = None,
    last_event: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
) -> StreamingResponse:
    """事件流：message、typing、owner、ticket；用 Last-Event-ID 续传，不缺不重。"""
    ctx, reader = await _proved_or_staff(request, conversation_id, authorization)
    await ctx.db.read(lambda connection: repository.head(connection, conversation_id))  # 404 before the stream begins
    again = partial(_may_still_read, request, conversation_id) if reader is not None else None
    stream = ConversationStream(ctx, conversation_id, last_event_id(last_event, after), again)
    return stream_response(stream.chunks())


@router.post("/v1/conversations/{conversation_id}/satisfaction", status_code=204)
async def rate_conversation(
    ctx: Customer, conversation_id: str, body: SatisfactionIn
) -> None:
    """满意度；再次提交以最后一次为准。对话里有工单的，也记在工单上。"""
    now = ctx.clock.now()
    values = {
        "conversation_id": conversation_id,
        "score": body.score,
        "resolved": body.resolved,
        "comment": scrub(body.comment) if body.comment else None,
        "created_at": now,
    }
    rating = {"score": body.score, "resolved": body.resolved, "comment": values["comment"], "at": rfc3339(now)}

    def rate(connection: Connection) -> None:
        conversations.rate(connection, values)
        tickets.keep_rating(connection, conversation_id, rating)

    await ctx.db.write(rate)


async def _proved_or_staff(
    request: Request, conversation_id: str, authorization: str | None
) -> tuple[Context, Principal | None]:
    """The member of staff who reads, which is noted; None: the customer."""
    principal = await find_principal(request) if authorization is None else None
    if principal is None:
        return proved(request, conversation_id, authorization), None
    ctx, reader = context(request), admitted(request, principal, conversations.READERS)
    now = ctx.clock.now()

    def note(connection: Connection) -> None:
        if not conversations.may_read(connection, reader, conversation_id):
            raise ConversationNotFoundError
        audit.note(
            connection, who=reader.id, action="conversation.read", subject=conversation_id, now=now, fields=("messages",)
        )

    await ctx.db.write(note)
    return ctx, reader


async def _may_still_read(request: Request, conversation_id: str) -> bool:
    """Accounts end, and conversations get tickets, while a stream runs."""
    try:
        reader = admitted(request, await find_principal(request, touch=False), conversations.READERS, counted=False)
    except ApiError:
        return False
    return await context(request).db.read(
        lambda connection: conversations.may_read(connection, reader, conversation_id)
    )
