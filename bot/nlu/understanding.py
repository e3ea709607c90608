"""Rasa component: puts together what was understood, in the words of api.md, and hands Rasa what its slots need."""

from typing import Any, Dict, List

from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.shared.nlu.training_data.message import Message

from bot.nlu.asides import find_asides
from bot.nlu.component import DECISION, READING, SPANS, Component
from bot.nlu.decision import Decision
from bot.nlu.reading import Reading

_DIGITS = 4


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.ENTITY_EXTRACTOR, is_trainable=False)
class Understanding(Component):
    """The last component: `understanding` for the bridge and the actions, `entities` for Rasa."""

    def understand(self, message: Message) -> None:
        """See parent class."""
        reading, decision, spans = message.get(READING), message.get(DECISION), message.get(SPANS)
        asides = _asides(reading, decision)
        public = _public(decision, spans)
        message.set("understanding", {**public, "internal": asides}, add_to_output=True)
        entities = [
            *({**_as_rasa(it), "entity": it["type"]} for it in (*spans, *asides)),
            {"entity": "cause", "value": public["cause"], "start": 0, "end": 0},
            {"entity": "level", "value": decision.level, "start": 0, "end": 0},
        ]
        message.set("entities", [{**it, "extractor": type(self).__name__} for it in entities], add_to_output=True)


def _public(decision: Decision, spans: List[Dict[str, Any]]) -> Dict[str, Any]:
    causes = []
    for code, chance, detail in decision.causes:
        guess = {"code": code, "confidence": round(chance, _DIGITS)}
        causes.append(guess if detail is None else {**guess, "detail": detail})
    return {
        "intent": {"name": decision.intent, "confidence": round(decision.confidence, _DIGITS)},
        "nature": decision.nature,
        "cause": causes,
        "level": decision.level,
        "level_confidence": round(decision.level_confidence, _DIGITS),
        "reasons": list(decision.reasons),
        "cause_reasons": list(decision.cause_reasons),
        "level_reasons": list(decision.level_reasons),
        "entities": spans,
    }


def _asides(reading: Reading, decision: Decision) -> List[Dict[str, Any]]:
    found: List[Dict[str, Any]] = []
    if decision.second is not None:
        found.append({"type": "second_cause", "text": "", "start": 0, "end": 0, "value": decision.second})
    for kind, start, end, value in find_asides(reading.message.text, reading.triggers, decision.intent):
        begin, stop = reading.message.to_raw(start, end)
        text = reading.message.raw[begin:stop].strip()
        found.append({"type": kind, "text": text, "start": begin, "end": stop, "value": value})
    return found


def _as_rasa(span: Dict[str, Any]) -> Dict[str, Any]:
    return {"value": span.get("value", span["text"]), "start": span["start"], "end": span["end"]}
