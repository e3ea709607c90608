"""Rasa component: words by spaCy (bot/spacy/chinese.py), and the triggers among them."""

from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from bot.nlu.component import NORMALISED, READING, Component
from bot.nlu.reading import reading_of
from bot.spacy import chinese


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_TOKENIZER, is_trainable=False)
class ChineseSegmenter(Component):
    """zh_core_web_sm when it is installed, else our own pipeline."""

    def __init__(self) -> None:
        # Now, so that no customer waits for it.
        chinese.load()

    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        """Nothing: the trainable components read their examples themselves."""
        return training_data

    def understand(self, message: Message) -> None:
        """See parent class."""
        message.set(READING, reading_of(message.get(NORMALISED)))
