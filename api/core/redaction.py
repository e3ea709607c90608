"""Personal numbers in free text: what is never stored, what is masked before storage, what the bot sees instead.

`scrub` runs before anything is stored: card and identity numbers keep six and four digits, secrets disappear. `mask` runs
before the bot: phones and masked numbers become placeholders, and spans of the masked text can be put back.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from api.core.personal_numbers import digits_of, has_number, personal_numbers

_T = TypeVar("_T")

DELETED = "[已删除]"

_GAP = r"[ \-.]?"
_EDGE_LEFT, _EDGE_RIGHT = r"(?<![\d*])", r"(?![\d*])"
_PHONE = re.compile(
    rf"{_EDGE_LEFT}(?:(?:\+|00)86{_GAP})?(?:1[3-9](?:{_GAP}\d){{9}}|0\d{{2,3}}[ \-]\d{{7,8}}){_EDGE_RIGHT}"
)
_MASKED = re.compile(r"(?<![\d*])\d{6}\*{3,9}\d{3}[\dX](?![\d*])")

_LINK = r"[^\d\n,，。;；!！?？]{0,6}?"
# One of these stands in every text that holds a secret.
_SECRET_SAID = re.compile(r"码|口令|有效期|背面|otp|cv[nvc]|pass", re.I)
_SECRETS = (
    # Digits soon after the word: one-time codes have four to eight.
    re.compile(
        rf"(?:验证码|校验码|动态码|动态口令|短信码|口令码|OTP){_LINK}(?P<secret>\d(?:{_GAP}\d){{3,7}})(?!\d)", re.I
    ),
    re.compile(
        r"(?<!\d)(?P<secret>\d(?:[ \-]?\d){3,7})(?=\s*(?:是|就是|为)[^\n,，。]{0,6}(?:验证码|校验码|动态码|密码))"
    ),
    re.compile(rf"(?:CVN2?|CVV2?|CVC2?|安全码|背面(?:后)?三位(?:数)?){_LINK}(?P<secret>\d{{3,4}})(?!\d)", re.I),
    re.compile(rf"有效期{_LINK}(?P<secret>\d{{2}}\s*/\s*\d{{2}}(?:\d{{2}})?)(?!\d)"),
    # A password follows a linking word or the word itself, and has a digit: “密码错误3次” and “密码ATM改不了” stay.
    re.compile(
        r"(?:密码|口令|password|passwd|pin码)\s*(?:就)?(?:是|为|[:=])?\s*"
        r"(?P<secret>(?=[!-~]*\d)[A-Za-z0-9!@#$%^&*_.+\-]{4,32})",
        re.I,
    ),
)


@dataclass(frozen=True, slots=True)
class Span:
    """Where a placeholder stands in the masked text, and which part of the original it stands for."""

    start: int
    end: int
    original_start: int
    original_end: int


@dataclass(frozen=True, slots=True)
class Masked:
    """Text for the bot. `values` maps each placeholder to what the customer wrote there."""

    text: str
    values: Mapping[str, str]
    spans: tuple[Span, ...] = ()

    def to_original(self, start: int, end: int) -> tuple[int, int]:
        """The original's span for one of the masked text; a placeholder is only ever covered whole."""
        return self._position(start, at_end=False), self._position(end, at_end=True)

    def _position(self, offset: int, *, at_end: bool) -> int:
        shift = 0
        for span in self.spans:
            if offset <= span.start:
                break
            if offset < span.end:
                return span.original_end if at_end else span.original_start
            shift = span.original_end - span.end
        return offset + shift


def scrub(text: str) -> str:
    """The text as it may be stored."""
    if not has_number(text):
        return text
    digits = digits_of(text)
    cuts: list[tuple[int, int, str]] = []
    if _SECRET_SAID.search(digits):  # first, because a password may be a card's number
        cuts += [(*match.span("secret"), DELETED) for pattern in _SECRETS for match in pattern.finditer(digits)]
    cuts += [(one.start, one.end, one.kept) for one in personal_numbers(digits)]
    return _replace(text, cuts) if cuts else text


def scrub_all(value: _T) -> _T:
    """`scrub` for every text in a JSON value, names of fields included."""
    return each_text(value, scrub, names=True)  # type: ignore[return-value]  # texts stay texts, lists stay lists


def scrub_split(before: Sequence[str], text: str) -> list[str]:
    """Texts sent one after the other, of which together a number is made: hidden in each, its first six and last four digits
    apart. Returns all of them, `text` last; unchanged when there is none.
    """
    whole = "\n".join((*before, text))
    hidden, ends = list(whole), [index for index, char in enumerate(whole) if char == "\n"]
    for one in personal_numbers(digits_of(whole)):
        if any(one.start < end < one.end for end in ends):
            places = [index for index in range(one.start, one.end) if digits_of(whole[index]).isalnum()]
            for index in places[6:-4]:
                hidden[index] = "*"
    return _cut("".join(hidden), [len(part) for part in (*before, text)])


def _cut(whole: str, lengths: list[int]) -> list[str]:
    parts, position = [], 0
    for length in lengths:
        parts.append(whole[position : position + length])
        position += length + 1
    return parts


def ends_in_number(text: str) -> bool:
    return re.search(r"\d\W{0,3}$", digits_of(text[-8:])) is not None


def begins_with_number(text: str) -> bool:
    return re.match(r"\W{0,3}[\dXx]", digits_of(text[:8])) is not None


def phones(text: str) -> list[tuple[int, int, str]]:
    """Start, end and digits of every phone number, however it was typed."""
    if not has_number(text):
        return []
    digits = digits_of(text)
    found = []
    for match in _PHONE.finditer(digits):
        number = re.sub(r"\D", "", match.group())
        found.append((*match.span(), re.sub(r"^(?:00)?86(?=1\d{10}$)", "", number)))
    return found


_FORGED = re.compile(r"<(?=[A-Z]+_\d+>)")


def mask(text: str, known: Mapping[str, str]) -> Masked:
    """Placeholders for phones and masked numbers; a value that is `known` (placeholder to value) keeps its placeholder.

    What only looks like a placeholder was typed by somebody and is made harmless, length kept.
    """
    text = _FORGED.sub("‹", text)
    if not has_number(text):
        return Masked(text, {})
    names = {value: name for name, value in known.items()}
    cuts: list[tuple[int, int, str]] = []
    for start, end, value in sorted(_personal_numbers(text)):
        kind = "PHONE" if "*" not in value else "ID" if len(value) == 18 else "CARD"
        if value not in names:
            names[value] = f"<{kind}_{1 + sum(name.startswith(f'<{kind}_') for name in names.values())}>"
        cuts.append((start, end, names[value]))
    used = {name for _, _, name in cuts}
    values = {name: value for value, name in names.items() if name in used}
    return Masked(_replace(text, cuts), values, _spans(cuts))


def _personal_numbers(text: str) -> list[tuple[int, int, str]]:
    return [*phones(text), *((*match.span(), match.group()) for match in _MASKED.finditer(text))]


def _spans(cuts: list[tuple[int, int, str]]) -> tuple[Span, ...]:
    spans, shift = [], 0
    for start, end, name in cuts:
        spans.append(Span(start + shift, start + shift + len(name), start, end))
        shift += len(name) - (end - start)
    return tuple(spans)


def _replace(text: str, cuts: list[tuple[int, int, str]]) -> str:
    """Each span replaced; of overlapping ones the earlier and longer wins."""
    parts, position = [], 0
    for start, end, replacement in sorted(cuts, key=lambda cut: (cut[0], -cut[1])):
        if start < position:
            continue
        parts += [text[position:start], replacement]
        position = end
    return "".join([*parts, text[position:]])


_PLACEHOLDER = re.compile(r"<(?:PHONE|CARD|ID)_\d+>")


def restore(text: str, values: Mapping[str, str]) -> str:
    """Placeholders back to values; one that is not ours stays as it is."""
    return _PLACEHOLDER.sub(lambda match: values.get(match.group(), match.group()), text) if "<" in text else text


def restore_all(value: object, values: Mapping[str, str]) -> object:
    """`restore` for every text in a JSON value."""
    return each_text(value, lambda text: restore(text, values)) if values else value


def each_text(value: object, change: Callable[[str], str], *, names: bool = False) -> object:
    """`change` for every text in a JSON value; with `names` for the names of fields, too."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, tuple):
        return tuple(each_text(item, change, names=names) for item in value)
    if isinstance(value, list):
        return [each_text(item, change, names=names) for item in value]
    if isinstance(value, dict):
        return {
            change(key) if names and isinstance(key, str) else key: each_text(item, change, names=names)
            for key, item in value.items()
        }
    return value


def masked_phone(phone: str | None) -> str | None:
    """`138****8000`, for lists."""
    if not phone:
        return None
    return f"{phone[:3]}****{phone[-4:]}" if len(phone) >= 8 else "****"


def mask_for_log(text: str) -> str:
    """`scrub`, and phones masked too: what a line of the log may quote at the worst."""
    text = scrub(text)
    return _replace(text, [(start, end, masked_phone(number) or "") for start, end, number in phones(text)])


def plain_phone(phone: str | None) -> str | None:
    if not phone:
        return None
    found = phones(phone)
    return found[0][2] if found else phone.strip() or None


def card_tail(narrative: str, vault: dict[str, str]) -> str | None:
    """The last four digits of a card the customer mentioned; the bot only saw its placeholder."""
    for name, value in vault.items():
        if name.startswith("<CARD_") and name in narrative:
            return value[-4:]
    return None
