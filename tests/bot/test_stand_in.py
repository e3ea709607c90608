"""TensorFlow's stand-in: enough for Rasa to be imported, and a clear refusal of everything else."""

import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Generic, List, Optional, TypeVar

import pytest
import tensorflow as tf

from bot.train import TrainingError, train
from tests.bot.conftest import project

STAND_INS = Path(__file__).resolve().parent.parent.parent / "bot" / "stand_ins"


def test_it_is_ours() -> None:
    assert tf.__file__ is not None
    assert Path(tf.__file__).parent.parent == STAND_INS


@pytest.mark.parametrize(
    "name",
    [
        "tensorflow.keras.layers",
        "tensorflow.python.keras.utils",
        "tensorflow.compat.v1",
        "tensorflow_addons",
        "tensorflow_hub",
        "tensorflow_text",
        "keras.utils",
    ],
)
def test_every_module_below_can_be_imported(name: str) -> None:
    assert importlib.import_module(name).__name__ == name


@pytest.mark.parametrize("name", ["tensorflow_serving", "kerastuner", "tensor"])
def test_other_names_are_as_missing_as_ever(name: str) -> None:
    assert importlib.util.find_spec(name) is None


def test_nobody_takes_it_for_a_place_to_compute() -> None:
    """spaCy's thinc asks by importing this one."""
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("tensorflow.experimental.dlpack")


class TestDefinitions:
    """What module bodies do with TensorFlow's names."""

    def test_a_class_can_be_derived(self) -> None:
        class Layer(tf.keras.layers.Layer):  # type: ignore[misc]
            def units(self) -> int:
                return 3

        assert Layer.units(None) == 3  # type: ignore[arg-type]

    def test_a_class_can_be_derived_from_two(self) -> None:
        kind = TypeVar("kind")

        class Mixed(tf.keras.utils.Sequence, Generic[kind]):  # type: ignore[misc]
            pass

        assert issubclass(Mixed, Generic)  # type: ignore[arg-type]

    def test_names_stand_in_type_hints(self) -> None:
        def hinted(given: Optional[tf.Tensor], more: List[tf.Tensor], either: "Callable[..., tf.Tensor]") -> Any:
            return given

        assert (tf.Tensor | None) is Any
        assert (None | tf.Tensor) is Any
        assert tf.Tensor[int] is tf.Tensor
        assert hinted(None, [], hinted) is None

    def test_a_name_is_the_same_every_time(self) -> None:
        assert tf.Tensor is tf.Tensor


class TestUse:
    def test_an_object_is_refused_in_one_sentence(self) -> None:
        class Model(tf.keras.Model):  # type: ignore[misc]
            pass

        with pytest.raises(RuntimeError, match=r"^This environment has no TensorFlow: .*\)\.$"):
            Model()

    @pytest.mark.parametrize(
        "call",
        [
            lambda: tf.constant([1.0, 2.0]),
            lambda: tf.zeros((2, 3)),
            lambda: tf.constant(1),
            lambda: tf.keras.layers.Dense(8, activation="relu"),
            lambda: tf.keras.optimizers.Adam(learning_rate=0.1),
            lambda: tf.math.reduce_sum([1.0], axis=0),
            lambda: tf.config.list_physical_devices("GPU"),
            lambda: tf.random.set_seed(42),
            lambda: tf.shape(x=[1]),
            lambda: tf.function(len),
        ],
    )
    def test_a_call_is_refused_too(self, call: Callable[[], Any]) -> None:
        with pytest.raises(RuntimeError, match="This environment has no TensorFlow"):
            call()

    @pytest.mark.filterwarnings("ignore:constrain_similarities", "ignore:'evaluate_every_number_of_epochs")
    def test_a_neural_component_in_the_configuration_says_so(self, tmp_path: Path) -> None:
        """Not in the middle of a conversation, and not with a riddle: when it is trained."""
        pipeline = [
            {"name": "JiebaTokenizer"},
            {"name": "CountVectorsFeaturizer"},
            {"name": "DIETClassifier", "epochs": 1},
        ]
        root = tmp_path / "project"
        config = project(root, {"recipe": "default.v1", "assistant_id": "x", "language": "zh", "pipeline": pipeline})

        with pytest.raises(TrainingError, match=r"DIETClassifier.* This environment has no TensorFlow"):
            train(root, config, root / "models")


def test_rasa_is_imported_without_the_real_one() -> None:
    """In a process of its own: nothing that serves or trains looks for TensorFlow on the way."""
    code = (
        "import bot.serve, bot.train, rasa.model_training, sys;"
        "found = {name for name, it in sys.modules.items() if name.startswith('tensorflow')"
        " and getattr(it, '__file__', None) and 'stand_ins' not in it.__file__};"
        "assert not found, found"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=STAND_INS.parent.parent, capture_output=True, check=False)

    assert done.returncode == 0, done.stderr.decode()
