"""An organisation's own encoder: real loading code over a tiny one that is made here."""

from pathlib import Path
from typing import List

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

from bot.nlu.classifier import ComplaintClassifier
from bot.nlu.corpus import COMPLAIN, Example, labelled
from bot.nlu.decision import decide
from bot.nlu.encoder import Encoder, EncoderError, digest
from bot.nlu.fitting import fit
from bot.nlu.linear import LinearModel
from bot.nlu.reading import read

CHARACTERS = ["[PAD]", "[UNK]", *"卡吞了排队等两小时谢你好请问几点开门机器的我在吗人很多"]
DIMENSIONS = 8


def tiny_encoder(folder: Path, *, inputs: List[str]) -> Path:
    """One embedding for each character, nothing else: as many outputs as tokens, like a real encoder's last layer."""
    folder.mkdir(parents=True, exist_ok=True)
    table = np.random.default_rng(1).normal(size=(len(CHARACTERS), DIMENSIONS)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])],
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"]) for name in inputs],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "tokens", DIMENSIONS])],
        [numpy_helper.from_array(table, "table")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(folder / "model.onnx"))
    words = models.WordLevel({char: at for at, char in enumerate(CHARACTERS)}, unk_token="[UNK]")
    tokenizer = Tokenizer(words)
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("encoder"), inputs=["input_ids", "attention_mask"])


class TestTheVectors:
    def test_one_row_of_unit_length_for_each_text(self, folder: Path) -> None:
        vectors = Encoder.load(folder).vectors(["机器把我的卡吞了", "请问几点开门", "x"])

        assert vectors.shape == (3, DIMENSIONS)
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)

    def test_neighbours_in_a_batch_change_nothing(self, folder: Path) -> None:
        encoder = Encoder.load(folder)

        alone = encoder.vectors(["卡吞了"])[0]
        beside = encoder.vectors(["卡吞了", "在机器的门吗人很多两小时等等等等等"])[0]

        assert np.allclose(alone, beside, atol=1e-6)

    def test_an_empty_text_has_a_vector_too(self, folder: Path) -> None:
        assert np.isfinite(Encoder.load(folder).vectors([""])).all()


class TestWhatCannotBeUsed:
    def test_an_empty_folder(self, tmp_path: Path) -> None:
        with pytest.raises(EncoderError, match=r"没有 model\.onnx"):
            Encoder.load(tmp_path)

    def test_a_file_that_is_no_model(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "model.onnx").write_text("no model")
        (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())

        with pytest.raises(EncoderError, match="读不了"):
            Encoder.load(tmp_path)

    def test_a_model_that_wants_more(self, tmp_path: Path) -> None:
        tiny_encoder(tmp_path, inputs=["input_ids", "pixels"])

        with pytest.raises(EncoderError, match="pixels"):
            Encoder.load(tmp_path)


def _examples() -> List[Example]:
    """Enough of everything for the folds; the model is about the plumbing, not about language."""
    told = [
        ("机器把我的卡吞了", COMPLAIN, {"cause": "C6b", "level": 1}),
        ("排队等了两小时", COMPLAIN, {"cause": "C3a", "level": 2}),
        ("谢谢你", "thank", {"level": 0}),
        ("请问几点开门", "inquire", {"level": 0}),
    ]
    voices = ("one", "two", "three", "four", "five", "six")
    return [labelled(text, intent, {**labels, "voice": voice}, ()) for voice in voices for text, intent, labels in told]


def test_a_model_learns_from_the_encoder_and_is_stored_with_it(folder: Path, tmp_path: Path) -> None:
    encoder, examples = Encoder.load(folder), _examples()
    texts = [it.text for it in examples]

    fit(examples, [read(text) for text in texts], encoder.vectors(texts)).save(tmp_path)
    model = LinearModel.load(tmp_path)

    assert sum(name.startswith("=") for name in model.vocabulary.names) == 2 * DIMENSIONS
    dense = model.weights[model.vocabulary.first_dense :]
    assert np.abs(dense).sum() > 0
    decision = decide(model, read("卡吞了"), encoder.vectors(["卡吞了"])[0])
    assert decision.causes[0][0] == "C6"


def test_another_encoder_is_another_model(folder: Path, tmp_path: Path) -> None:
    other = tiny_encoder(tmp_path / "other", inputs=["input_ids"])

    assert digest(folder) != digest(other)
    assert ComplaintClassifier.fingerprint_addon({"encoder": str(folder)}) != ComplaintClassifier.fingerprint_addon(
        {"encoder": str(other)}
    )
