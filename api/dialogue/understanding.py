"""`/v1/understand`: the bot's reading of texts, with offsets and words of the text as it was sent."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, StringConstraints
from pydantic_core import to_json
from starlette.responses import Response

from api.core.context import Context, context
from api.core.principals import StaffOrBot
from api.core.redaction import Masked, mask
from api.dialogue.client import BotClient
from api.dialogue.repository import branches_version
from contract.base import Whole

router = APIRouter(tags=["理解"])

_AT_ONCE = 50  # items per call to the bot; one call must stay well inside the deadline


class UnderstandItem(BaseModel):
    """`id` comes back unchanged."""

    id: Annotated[str, StringConstraints(max_length=128)] | Whole
    text: Annotated[str, StringConstraints(max_length=20_000)]
    channel: Annotated[str, StringConstraints(max_length=32)] | None = None


class UnderstandIn(BaseModel):
    """A batch; the order of the answer is that of the question."""

    items: Annotated[list[UnderstandItem], Field(max_length=1000)]


class UnderstandOut(BaseModel):
    """One reading for each item, in their order: intent, causes, level, entities."""

    items: list[dict[str, Any]]


@router.post("/v1/understand", response_model=UnderstandOut)
async def understand(request: Request, caller: StaffOrBot, body: UnderstandIn) -> Response:
    """一批文本的理解结果：意图、原因排序、等级、要素；位置按原文计。"""
    ctx, bot = context(request), request.app.state.bot
    items: list[dict[str, Any]] = []
    for start in range(0, len(body.items), _AT_ONCE):
        items += await _parse(ctx, bot, body.items[start : start + _AT_ONCE])
    return Response(to_json({"items": items}), media_type="application/json")


async def _parse(ctx: Context, bot: BotClient, items: list[UnderstandItem]) -> list[dict[str, Any]]:
    masked = [mask(item.text, {}) for item in items]
    asked = [{"id": str(number), "text": one.text} for number, one in enumerate(masked)]
    version = await ctx.db.read(branches_version)
    parsed = {item["id"]: item for item in await bot.parse(asked, ctx.clock.now(), version)}
    return [
        {**parsed[str(number)], "id": item.id, "entities": _entities(parsed[str(number)], one, item.text)}
        for number, (item, one) in enumerate(zip(items, masked, strict=True))
    ]


def _entities(parsed: dict[str, Any], masked: Masked, original: str) -> list[dict[str, Any]]:
    """Spans moved back to the original; what was a placeholder gets its value."""
    entities = []
    for entity in parsed.get("entities") or ():
        start, end = masked.to_original(entity["start"], entity["end"])
        value = entity.get("value")
        value = masked.values.get(value, value) if isinstance(value, str) else value
        entities.append({**entity, "start": start, "end": end, "text": original[start:end], "value": value})
    return entities
