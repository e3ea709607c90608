"""Personal numbers in free text: what is never stored, what is masked before storage, what the bot sees instead.

`scrub` runs before anything is stored: card and identity numbers keep six and four digits, secrets disappear. `mask` runs
before the bot: phones and masked numbers become placeholders, and spans of the masked text can be put back.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from stdnum import luhn
from stdnum.cn import ric

DELETED = "[已删除]"

# One character for one, so that offsets stay true: full-width and Chinese digits, full-width letters and signs.
_CHINESE_DIGITS = dict(zip("零〇一二三四五六七八九幺", "001234567891", strict=True))
_WIDE = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
_NARROW = str.maketrans(
    {**{chr(code): char for code, char in _WIDE.items()}, "　": " ", "\u00a0": " ", "—": "-", "–": "-"}
)
_DIGITS = str.maketrans(_CHINESE_DIGITS)

_GAP = r"[ \-.]?"
_EDGE_LEFT, _EDGE_RIGHT = r"(?<![\d*])", r"(?![\d*])"
_LONG = re.compile(rf"{_EDGE_LEFT}\d(?:{_GAP}\d){{11,18}}(?:{_GAP}[Xx](?![A-Za-z]))?{_EDGE_RIGHT}")
_PHONE = re.compile(
    rf"{_EDGE_LEFT}(?:(?:\+|00)86{_GAP})?(?:1[3-9](?:{_GAP}\d){{9}}|0\d{{2,3}}[ \-]\d{{7,8}}){_EDGE_RIGHT}"
)
_MASKED = re.compile(r"(?<![\d*])\d{6}\*{3,9}\d{3}[\dX](?![\d*])")
_HAS_NUMBER = re.compile(r"(?:[\d零〇一二三四五六七八九幺][ \-.]?){3}")

_LINK = r"[^\d\n,，。;；!！?？]{0,6}?"
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
    plain = text.translate(_NARROW)
    if not _HAS_NUMBER.search(plain):
        return text
    digits = plain.translate(_DIGITS)
    cuts = [(*match.span("secret"), DELETED) for pattern in _SECRETS for match in pattern.finditer(digits)]
    for match in _LONG.finditer(digits):
        masked = _masked_number(re.sub(r"[ \-.]", "", match.group()).upper())
        if masked is not None:
            cuts.append((*match.span(), masked))
    return _replace(text, cuts)


def _masked_number(digits: str) -> str | None:
    """`622202******1234`, or None when it is neither a card nor an identity number."""
    if len(digits) == 18 and (ric.is_valid(digits) or _looks_like_identity(digits)):
        return f"{digits[:6]}{'*' * 8}{digits[-4:]}"
    if not digits.isdigit() or not 13 <= len(digits) <= 19:
        return None
    # A UnionPay number with one digit mistyped is still a card; other long numbers must prove it.
    is_card = (digits.startswith("62") and len(digits) >= 16) or (digits[0] in "3456" and luhn.is_valid(digits))
    return f"{digits[:6]}{'*' * (len(digits) - 10)}{digits[-4:]}" if is_card else None


def _looks_like_identity(digits: str) -> bool:
    """An identity number with a wrong check digit still shows region and birthday."""
    return (
        re.fullmatch(r"[1-8]\d{5}(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dX]", digits) is not None
    )


def phones(text: str) -> list[tuple[int, int, str]]:
    """Start, end and digits of every phone number, however it was typed."""
    digits = text.translate(_NARROW).translate(_DIGITS)
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
    if not _HAS_NUMBER.search(text.translate(_NARROW)):
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
    return _each_text(value, lambda text: restore(text, values)) if values else value


def _each_text(value: object, change: Callable[[str], str]) -> object:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list | tuple):
        return [_each_text(item, change) for item in value]
    if isinstance(value, dict):
        return {key: _each_text(item, change) for key, item in value.items()}
    return value


def masked_phone(phone: str | None) -> str | None:
    """`138****8000`, for lists."""
    if not phone:
        return None
    return f"{phone[:3]}****{phone[-4:]}" if len(phone) >= 8 else "****"
