"""What an event tells of its ticket, and how much of it a receiver may see.

The snapshot is taken in the transaction of the change and kept whole, encrypted. Each way out shows its part:

| `personal` | person | words of customer and staff | codes, states, dates |
|---|---|---|---|
| `none` | – | – | yes |
| `masked` | surname, masked phone | yes, phones in them masked | yes |
| `full` | yes | yes | yes |

Full card and identity numbers leave in none of them: they are masked again on the way out, whatever was stored.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from api.core.clock import MOMENT, rfc3339
from api.core.crypto import EncryptedBytes
from api.core.models import AnyRow
from api.core.redaction import masked_phone, phones, scrub
from api.tickets.models import tickets
from api.tickets.schemas import wire

Personal = Literal["none", "masked", "full"]

_INSIDE = ("id", "phone_index", "next_check_at", "calendar_version")
_PERSON = ("name", "phone", "card_tail")
# What is encrypted at rest, and what says something about somebody's health or age.
_NOT_WITHOUT_RIGHT = frozenset(c.name for c in tickets.c if isinstance(c.type, EncryptedBytes)) | {"special_group"}
# Of a thread's entry, for receivers without personal data: codes, numbers and dates only.
_PLAIN_DATA = frozenset(
    "level route copied due_at clock_restarted new_facts days outcome into count from to owner validity for clock stage run complexity".split()
)


def snapshot(ticket: AnyRow, entry: Mapping[str, Any]) -> dict[str, Any]:
    """`entry`: seq, type, actor, audience, at (datetime) and data of the thread's entry."""
    shown = {name: value for name, value in ticket._asdict().items() if name not in _INSIDE}
    data = {name: value for name, value in entry["data"].items() if value is not None}
    return {"event": wire({**entry, "data": data}), "ticket": wire(shown)}


def shown(payload: Mapping[str, Any] | None, personal: Personal) -> dict[str, Any]:
    """`event` and `ticket` for a receiver; both null when the snapshot was purged."""
    if payload is None:
        return {"event": None, "ticket": None}
    if personal == "none":
        data = {name: value for name, value in payload["event"]["data"].items() if name in _PLAIN_DATA}
        plain = {name: value for name, value in payload["ticket"].items() if name not in _NOT_WITHOUT_RIGHT}
        payload = {"event": {**payload["event"], "data": data}, "ticket": plain}
    hide = scrub if personal == "full" else hidden
    return {name: _each(payload[name], hide, keep=personal == "full") for name in ("event", "ticket")}


def message(row: AnyRow, personal: Personal) -> dict[str, Any]:
    """The body of an event as every way out sends it; `row`: one of the outbox with its payload."""
    return {
        "id": row.event_id,
        "type": row.type,
        "timestamp": rfc3339(row.created_at),
        "data": {
            "ticket_no": row.ticket_no,
            "version": row.version,
            "state": row.state,
            **shown(row.payload, personal),
        },
    }


def _each(value: Any, hide: Callable[[str], str], *, keep: bool, name: str = "") -> Any:
    """Every text of a JSON value, seen by the field it stands in."""
    if isinstance(value, dict):
        return {key: _each(item, hide, keep=keep, name=key if key in _PERSON else name) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_each(item, hide, keep=keep, name=name) for item in value]
    if not isinstance(value, str) or MOMENT.fullmatch(value):
        return value
    return hide(value) if keep or not name else masked(name, value)


def masked(name: str, value: str) -> str | None:
    """A field of the person (name, phone, card_tail) for those who may not see it."""
    if name == "phone":
        return masked_phone(value)
    return f"{value[:1]}**" if name == "name" else "****"


def hidden(text: str) -> str:
    """A text with its phones masked, and full numbers in any case."""
    text = scrub(text)
    for start, end, number in reversed(phones(text)):
        text = f"{text[:start]}{masked_phone(number)}{text[end:]}"
    return text
