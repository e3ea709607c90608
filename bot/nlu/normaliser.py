"""Rasa component: one spelling for the message (bot/nlu/normalise.py), long ones cut by sentences (bot/nlu/cutting.py)."""

from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.shared.nlu.constants import TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from bot.nlu.component import NORMALISED, Component
from bot.nlu.reading import cut_and_normalised


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_FEATURIZER, is_trainable=False)
class Normaliser(Component):
    """Leaves the original text alone; offsets stay true to it."""

    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        """Nothing: the trainable components read their examples themselves."""
        return training_data

    def understand(self, message: Message) -> None:
        """See parent class."""
        message.set(NORMALISED, cut_and_normalised(message.get(TEXT) or ""))
