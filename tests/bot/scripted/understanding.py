"""A Rasa component that reads the understanding from the message: `intent level cause | the words`.

A last word with TS in it is a ticket number. Entities stand before the bar: `complain 0 C03 cue=agent branch=城东支行 | 我妈的事`.
A message without a bar whose words are in `MEANT` means what stands there, where the length of the words counts.
"""

from typing import Any, Dict, List

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.nlu.training_data.message import Message

# Words -> script.
MEANT: Dict[str, str] = {}


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=False)
class ScriptedUnderstanding(GraphComponent):
    """Understands exactly what a test says."""

    @classmethod
    def create(
        cls, config: Dict[str, Any], model_storage: ModelStorage, resource: Resource, context: ExecutionContext
    ) -> "ScriptedUnderstanding":
        """Creates the component (see parent class for full docstring)."""
        return cls()

    def process(self, messages: List[Message]) -> List[Message]:
        """Sets what the real components set."""
        for message in messages:
            text = message.get("text")
            script, bar, words = f"{MEANT[text]} | {text}".partition("|") if text in MEANT else text.partition("|")
            told = [part.split("=", 1) for part in script.split() if "=" in part]
            parts = [part for part in script.split() if "=" not in part]
            intent, level, cause = ([*parts, "0", "C99"] if bar else ["nlu_fallback", "0", "C99"])[:3]
            if intent == "explode":
                raise RuntimeError(f"cannot understand {words}")
            values = [("level", int(level)), *(told if bar else [])]
            values += [("ticket_no", words.split()[-1])] if "TS" in words else []
            entities = [
                {"entity": name, "value": value, "start": 0, "end": 1, "extractor": "scripted"}
                for name, value in values
            ]
            found = {
                "intent": {"name": intent, "confidence": 0.9},
                "nature": "complaint" if intent == "complain" else "other",
                "cause": [{"code": cause, "confidence": 0.8}],
                "level": int(level),
                "level_confidence": 0.9,
                "reasons": [],
                "entities": [{"type": "branch", "text": words, "start": len(script) + 1, "end": len(script) + 2}],
            }
            message.set("intent", found["intent"], add_to_output=True)
            message.set("entities", entities, add_to_output=True)
            message.set("understanding", found, add_to_output=True)
        return messages
