"""How the bank addresses the customer: every text is written with 您, and a bank may prefer 你. Pure."""

import re
from collections.abc import Iterable
from typing import Literal

from contract.turn import Card, CardField

Form = Literal["您", "你"]

_QUOTED = "“[^”]*”"
# The lines of a card that say what the customer said.
_TOLD = frozenset({"narrative", "branch", "event_time", "product", "request", "name"})


def addressed(text: str, form: Form, own: Iterable[str] = ()) -> str:
    """Our words in that form. What stands in quotation marks or is one of `own` are the customer's words and stay."""
    if form == "您":
        return text
    kept = "|".join([_QUOTED, *(re.escape(words) for words in own if words)])
    return re.sub(f"{kept}|您", lambda found: form if found.group() == "您" else found.group(), text)


def addressed_card(card: Card, form: Form) -> Card:
    lines = tuple(_line(line, form) for line in card.fields)
    return Card(kind=card.kind, title=addressed(card.title, form), fields=lines)


def told_in(card: Card | None) -> tuple[str, ...]:
    """The customer's own words in a card; the hotline's text repeats them."""
    return tuple(line.value for line in card.fields if line.name in _TOLD) if card else ()


def _line(line: CardField, form: Form) -> CardField:
    value = line.value if line.name in _TOLD else addressed(line.value, form)
    return CardField(name=line.name, label=addressed(line.label, form), value=value)
