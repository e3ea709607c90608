"""From margins and triggers to what the bot believes: intent, causes, level, and the customer's words that decided. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Dict, Optional, Tuple

import numpy as np

from bot.nlu.corpus import COMPLAIN, NO_CAUSE
from bot.nlu.cutting import clauses
from bot.nlu.features import spoken
from bot.nlu.guard import reason
from bot.nlu.heads import (
    CAUSE,
    COMPLAINT,
    DETAIL,
    INTENT,
    LEVEL,
    MATTER,
    NATURE,
    OTHER,
    cause_logits,
    from_details,
    nature_views,
)
from bot.nlu.linear import Floats, Ints, LinearModel, Vector, softmax
from bot.nlu.reading import Reading
from bot.nlu.reasons import deciding_words, for_cause, for_level

FALLBACK = "nlu_fallback"
# A place of the ranking below this is noise.
_WORTH_NAMING = 0.02
_MAX_CAUSES = 3
_OTHER_CAUSE = "C99"
# How sure a clause must be by itself to add a second cause.
_TOLD_PLAINLY, _TOLD_VERY_PLAINLY = 0.8, 0.93
_MAX_REASONS = 5
_WATCHED = 2
# A message that is nothing else for certain is heard as a complaint from here on: to miss one is worse than to ask.
_PERHAPS, _SURE_OF_INTENT = 0.35, 0.3
# "昨天在城东支行，柜员多扣了我三百" also answers when and where; in a form a complaint's facts are taken like an answer's.
_RATHER, _ANSWERS = 0.2, frozenset({"inform", "correct"})
# An intent below this is not acted on.
_GUESS = 0.2
# How likely a high level must be at least, with and without words of an own, present threat: to miss one is worse.
_SOONER = {4: (0.12, 0.4), 3: (0.2, 0.35)}

# Code, probability, second level.
Cause = Tuple[str, float, Optional[str]]


@dataclass(frozen=True)
class Decision:
    """`causes` holds the likeliest first; of a message that is no complaint it is `none`, then what it might be all the same.

    `second` is the code of another cause that a part of the message tells clearly.
    """

    intent: str
    confidence: float
    nature: str
    causes: Tuple[Cause, ...]
    second: Optional[str]
    level: int
    level_confidence: float
    cause_reasons: Tuple[str, ...]
    level_reasons: Tuple[str, ...]

    @property
    def reasons(self) -> Tuple[str, ...]:
        """The words that decided level and cause; those of the level first once it matters."""
        first, then = self.cause_reasons, self.level_reasons
        if self.level >= _WATCHED:
            first, then = then, first
        return tuple(dict.fromkeys((*first, *then)))[:_MAX_REASONS]


def decide(model: LinearModel, reading: Reading, dense: Optional[Floats] = None) -> Decision:
    """Understands one message; `dense` is an encoder's vector of it, for a model that was trained with one."""
    located = model.vocabulary.located(reading.grams())
    vector = model.vocabulary.vector(located[:, 0], dense)
    margins = model.margins(vector)
    chances = _chances(model, margins)
    unclear = reason(reading, _known_share(model, reading)) if len(located) else "noise"
    complaint = 0.0 if unclear else _complaint(model, margins)
    intent, confidence = (FALLBACK, 1.0) if unclear else _intent(model, complaint, chances[INTENT])
    level, sureness = _level(model, reading, chances[LEVEL], calm=bool(unclear) and unclear != "pictures")
    complains = intent == COMPLAIN
    causes = _causes(model, chances)
    if not complains:
        causes = ((NO_CAUSE, 1 - complaint, None), *(_possible(causes, complaint)))
    return Decision(
        intent=intent,
        confidence=confidence,
        nature=COMPLAINT if complains else OTHER,
        causes=causes,
        second=_second(model, reading, located, causes) if complains else None,
        level=level,
        level_confidence=sureness,
        cause_reasons=_cause_reasons(model, reading, located, vector, causes[0][0], chances[DETAIL])
        if complains
        else (),
        level_reasons=_level_reasons(model, reading, located, vector, level) if level else (),
    )


def _cause_reasons(
    model: LinearModel, reading: Reading, located: Ints, vector: Vector, cause: str, details: Floats
) -> Tuple[str, ...]:
    return deciding_words(model, reading, located, vector, for_cause(model, cause, details))


def _level_reasons(model: LinearModel, reading: Reading, located: Ints, vector: Vector, level: int) -> Tuple[str, ...]:
    """Threats in full, then the words that weighed most."""
    threats = [
        (it.start, it.end) for it in reading.triggers if it.is_own and (it.kind.level or 0) >= max(level, _WATCHED)
    ]
    return deciding_words(model, reading, located, vector, for_level(model, level), threats)


def _chances(model: LinearModel, margins: Floats) -> Dict[str, Floats]:
    """Each head's probabilities; a cause's second levels speak for it too."""
    chances = {name: softmax(margins[head.columns]) for name, head in model.heads.items()}
    return {**chances, CAUSE: softmax(_cause_logits(model, margins))}


def _cause_logits(model: LinearModel, margins: Floats) -> Floats:
    cause, detail = model.heads[CAUSE], model.heads[DETAIL]
    added = from_details(cause.classes, detail.classes, margins[..., detail.columns])
    return cause_logits(model.cause, margins[..., cause.columns], added)


def _known_share(model: LinearModel, reading: Reading) -> float:
    chars = set(spoken(reading.message.text)[0])
    return sum(char in model.vocabulary.columns for char in chars) / len(chars) if chars else 0.0


def _complaint(model: LinearModel, margins: Floats) -> float:
    """How likely the message is a complaint."""
    nature, matter = (margins[None, model.heads[name].columns] for name in (NATURE, MATTER))
    first, second = nature_views(model.heads, nature, matter)[0]
    odds = model.nature[0] * first + model.nature[1] * second + model.nature[2]
    return float(1 / (1 + np.exp(-odds)))


def _intent(model: LinearModel, complaint: float, intents: Floats) -> Tuple[str, float]:
    best = int(intents.argmax())
    confidence = (1 - complaint) * float(intents[best])
    told = complaint >= _PERHAPS and confidence < _SURE_OF_INTENT
    if complaint >= 0.5 or told or (complaint >= _RATHER and model.heads[INTENT].classes[best] in _ANSWERS):
        return COMPLAIN, complaint
    return (model.heads[INTENT].classes[best], confidence) if confidence >= _GUESS else (FALLBACK, 1 - confidence)


def _causes(model: LinearModel, chances: Dict[str, Floats]) -> Tuple[Cause, ...]:
    ranked = sorted(zip(chances[CAUSE], model.heads[CAUSE].classes, strict=True), reverse=True)[:_MAX_CAUSES]
    return tuple(
        (code, float(chance), _detail(model, chances[DETAIL], code))
        for place, (chance, code) in enumerate(ranked)
        if place == 0 or chance >= _WORTH_NAMING
    )


def _possible(causes: Tuple[Cause, ...], complaint: float) -> Iterator[Cause]:
    """What the matter would be, if the message were a complaint after all."""
    for code, chance, detail in causes[: _MAX_CAUSES - 1]:
        if complaint * chance >= _WORTH_NAMING:
            yield code, complaint * chance, detail


def _second(model: LinearModel, reading: Reading, located: Ints, causes: Tuple[Cause, ...]) -> Optional[str]:
    """The cause that a clause alone tells plainly; still more plainly when the message as a whole hardly suggests it."""
    told = clauses(reading.message.text)
    if not told:
        return None
    columns = np.unique(located[:, 0])
    margins = model.vocabulary.parts(columns, located, told) @ model.weights[columns] + model.bias
    chances = softmax(_cause_logits(model, margins))
    best, second = 0.0, None
    main, suggested = causes[0][0], {code for code, _, _ in causes}
    for clause, place in np.argwhere(chances >= _TOLD_PLAINLY):
        code, chance = model.heads[CAUSE].classes[place], float(chances[clause, place])
        bar = _TOLD_PLAINLY if code in suggested else _TOLD_VERY_PLAINLY
        if code not in (main, _OTHER_CAUSE) and chance >= max(bar, best):
            best, second = chance, _detail(model, margins[clause, model.heads[DETAIL].columns], code) or code
    return second


def _detail(model: LinearModel, chances: Floats, code: str) -> Optional[str]:
    """The likeliest second level of this cause."""
    own = [(chance, it) for chance, it in zip(chances, model.heads[DETAIL].classes, strict=True) if it[:-1] == code]
    return max(own)[1] if own else None


def _level(model: LinearModel, reading: Reading, chances: Floats, *, calm: bool) -> Tuple[int, float]:
    """The likeliest level; a high one is taken sooner, and sooner still where the words of such a threat stand.

    `calm`: the words mean nothing, only threats count.
    """
    by_level = {int(level): float(chance) for level, chance in zip(model.heads[LEVEL].classes, chances, strict=True)}
    own = max((it.kind.level or 0 for it in reading.triggers if it.is_own), default=0)
    if calm:
        return (own, by_level[own]) if own >= min(_SOONER) else (0, by_level[0])
    for level, (with_words, without) in _SOONER.items():
        reached = sum(chance for at, chance in by_level.items() if at >= level)
        if reached >= (with_words if own >= level else without):
            return level, max(by_level[level], reached / 2)
    guessed = max(by_level, key=lambda level: by_level[level])
    return guessed, by_level[guessed]
