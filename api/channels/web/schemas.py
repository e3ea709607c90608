"""What the widget sends and gets."""

from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictBool, StringConstraints, WithJsonSchema, model_validator

from contract.base import AS_NUMBER

LONGEST_TEXT = 20_000

_Metadata = dict[Annotated[str, StringConstraints(max_length=64)], Any]

_AttachmentId = Annotated[str, StringConstraints(min_length=1, max_length=64)]


# Blanks alone are refused by the whole, with a sentence of their own.
_SAYS_SOMETHING = Field(json_schema_extra={"pattern": r"\S"})


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


def _consenting(schema: dict[str, Any]) -> None:
    """Without it the refusal has a code of its own (consent_required), so the model has a default that is none."""
    schema["required"] = ["consent"]
    del schema["properties"]["consent"]["default"]


class ConversationIn(_Body):
    """`metadata` is kept, never interpreted."""

    model_config = ConfigDict(json_schema_extra=_consenting)

    channel: Literal["web"] = "web"
    consent: Annotated[StrictBool, WithJsonSchema({"const": True})] = False
    # Which version of the notice was shown; without one, the one in force.
    consent_version: Annotated[str, StringConstraints(max_length=32)] | None = None
    metadata: Annotated[_Metadata, Field(max_length=20)] | None = None


class ConversationCreated(_Body):
    """`token` is the Bearer for this conversation and no other."""

    conversation_id: str
    token: str


class MessageIn(_Body):
    """One of text, choice_id or attachment_ids."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": [name], "properties": {name: {"type": kind}}}
                for name, kind in (("text", "string"), ("choice_id", "string"), ("attachment_ids", "array"))
            ]
        }
    )

    client_id: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    text: Annotated[str, StringConstraints(max_length=LONGEST_TEXT), _SAYS_SOMETHING] | None = None
    choice_id: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = None
    attachment_ids: Annotated[list[_AttachmentId], Field(min_length=1, max_length=20)] | None = None

    @model_validator(mode="after")
    def _one_content(self) -> Self:
        if sum(part is not None for part in (self.text, self.choice_id, self.attachment_ids)) != 1:
            raise ValueError("text、choice_id 和 attachment_ids 请给且只给一个")
        if self.text is not None and not self.text.strip():
            raise ValueError("消息不能为空")
        return self


class MessageAccepted(_Body):
    """The message is stored; `seq` is its place in the conversation."""

    seq: int


class SatisfactionIn(_Body):
    """After the conversation: five is best."""

    score: Annotated[int, Field(ge=1, le=5), AS_NUMBER]
    resolved: StrictBool
    comment: Annotated[str, StringConstraints(max_length=2000)] | None = None


class MessageOut(BaseModel):
    """One bubble. `asks` names what an answer is waited for."""

    seq: int
    role: Literal["customer", "bot", "human", "system"]
    text: str
    choices: list[dict[str, Any]] | None = None
    card: dict[str, Any] | None = None
    client_id: str | None = None
    attachments: list[dict[str, Any]] | None = None
    asks: str | None
    created_at: AwareDatetime


class MessagePage(BaseModel):
    """`more`: ask again after the last one; `ticket_no` is there once a ticket was filed."""

    messages: list[MessageOut]
    owner: str
    more: bool | None = None
    ticket_no: str | None = None
