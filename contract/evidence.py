"""Which files are taken as evidence, and how many: `playbook/evidence.yml`."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from contract.base import Frozen

MEGABYTE = 1024 * 1024

# The kinds that the bridge knows how to open, check and clean.
MediaType = Literal[
    "image/jpeg",
    "image/png",
    "image/webp",
    "image/heic",
    "application/pdf",
    "audio/mpeg",
    "audio/mp4",
    "audio/amr",
    "video/mp4",
    "video/quicktime",
]
_Count = Annotated[int, Field(ge=1, le=1000)]


class FileKind(Frozen):
    """A kind that is taken; `name` is what customers call it."""

    media_type: MediaType
    name: str
    largest_mb: Annotated[int, Field(ge=1, le=200)]


class Evidence(Frozen):
    """`evidence.yml`: what is not named there is refused."""

    kinds: tuple[FileKind, ...] = Field(min_length=1)
    per_message: Annotated[int, Field(ge=1, le=20)]
    per_conversation: _Count
    per_conversation_mb: Annotated[int, Field(ge=1, le=10_000)]
    per_ticket: _Count
    largest_megapixels: Annotated[int, Field(ge=1, le=200)]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        types = [kind.media_type for kind in self.kinds]
        if len(set(types)) != len(types):
            raise ValueError("每种 media_type 只能写一次")
        return self

    @property
    def largest(self) -> int:
        """Bytes of the largest file of any kind."""
        return max(kind.largest_mb for kind in self.kinds) * MEGABYTE

    @property
    def bytes_by_type(self) -> dict[str, int]:
        return {kind.media_type: kind.largest_mb * MEGABYTE for kind in self.kinds}

    @property
    def names(self) -> str:
        """For the sentence that says what can be sent."""
        return "、".join(dict.fromkeys(kind.name for kind in self.kinds))
