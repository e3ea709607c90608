"""`python -m bot.train`: trains when something has changed, and says in one sentence why it could not."""

import os
import re
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
import yaml

from bot import train
from bot.serve import newest_model
from bot.train import inputs_digest, prune, up_to_date
from tests.bot.conftest import project

ROOT = Path(__file__).resolve().parent.parent.parent
INPUTS = [
    "config.yml",
    "bot/domain/slots.yml",
    "bot/nlu/corpus.py",
    "bot/lexicon/words.txt",
    "bot/spacy/chinese.py",
    "bot/policies/escalation.py",
    "bot/requirements.lock",
    "data/nlu/form/c01.yml",
    "data/rules/talk.yml",
    "data/stories/talk.yml",
]


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """A root with one file of every kind."""
    for name in INPUTS:
        _write(tmp_path / name, f"content of {name}")
    return tmp_path


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _model(models: Path, name: str, digest: str, age: float = 0.0) -> Path:
    """A model file with its stamp, `age` seconds old."""
    path = _write(models / f"{name}.tar.gz", "model")
    _write(models / f"{name}.inputs", digest)
    moment = path.stat().st_mtime - age
    os.utime(path, (moment, moment))
    return path


class TestTheDigest:
    @pytest.mark.parametrize("name", INPUTS)
    def test_every_input_counts(self, inputs: Path, name: str) -> None:
        before = inputs_digest(inputs)

        _write(inputs / name, f"content of {name}.")

        assert inputs_digest(inputs) != before

    @pytest.mark.parametrize("name", INPUTS)
    def test_a_file_that_goes_counts(self, inputs: Path, name: str) -> None:
        before = inputs_digest(inputs)

        (inputs / name).unlink()

        assert inputs_digest(inputs) != before

    def test_a_new_file_counts(self, inputs: Path) -> None:
        before = inputs_digest(inputs)

        _write(inputs / "data/nlu/chat/c01.yml", "")

        assert inputs_digest(inputs) != before

    def test_a_renamed_file_counts(self, inputs: Path) -> None:
        before = inputs_digest(inputs)

        (inputs / "bot/lexicon/words.txt").rename(inputs / "bot/lexicon/other.txt")

        assert inputs_digest(inputs) != before

    def test_text_that_moves_from_one_file_to_the_next_counts(self, inputs: Path) -> None:
        _write(inputs / "data/rules/a.yml", "ab")
        _write(inputs / "data/rules/b.yml", "c")
        before = inputs_digest(inputs)

        _write(inputs / "data/rules/a.yml", "a")
        _write(inputs / "data/rules/b.yml", "bc")

        assert inputs_digest(inputs) != before

    @pytest.mark.parametrize(
        "name", ["bot/nlu/__pycache__/corpus.cpython-310.pyc", "bot/serve.py", "models/x.tar.gz", "playbook/sla.yml"]
    )
    def test_nothing_else_counts(self, inputs: Path, name: str) -> None:
        before = inputs_digest(inputs)

        _write(inputs / name, "new")

        assert inputs_digest(inputs) == before

    def test_age_and_place_do_not_count(self, inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
        other = tmp_path_factory.mktemp("other")
        for name in reversed(INPUTS):
            os.utime(_write(other / name, f"content of {name}"), (0, 0))

        assert inputs_digest(other) == inputs_digest(inputs)

    def test_the_repository_has_every_input(self) -> None:
        for name in train._INPUTS:
            assert (ROOT / name).exists(), name


class TestUpToDate:
    def test_the_newest_of_these_inputs(self, tmp_path: Path) -> None:
        model = _model(tmp_path, "b", "now")

        assert up_to_date(tmp_path, "now") == model

    def test_not_of_other_inputs(self, tmp_path: Path) -> None:
        _model(tmp_path, "b", "then")

        assert up_to_date(tmp_path, "now") is None

    def test_only_the_newest_is_served(self, tmp_path: Path) -> None:
        """An older model of these inputs does not help: the newest one is what `bot.serve` loads."""
        _model(tmp_path, "a", "now", age=60)
        newest = _model(tmp_path, "b", "then")

        assert up_to_date(tmp_path, "now") is None
        assert newest_model(tmp_path) == newest

    def test_a_model_without_a_stamp_was_not_finished(self, tmp_path: Path) -> None:
        _model(tmp_path, "a", "now")
        (tmp_path / "a.inputs").unlink()

        assert up_to_date(tmp_path, "now") is None

    @pytest.mark.parametrize("folder", ["", "missing"])
    def test_no_model(self, tmp_path: Path, folder: str) -> None:
        assert up_to_date(tmp_path / folder, "now") is None


class TestPrune:
    def test_the_newest_three_stay_with_their_stamps(self, tmp_path: Path) -> None:
        for age, name in enumerate("edcba"):
            _model(tmp_path, name, name, age=age * 60.0)

        prune(tmp_path)

        assert sorted(path.name for path in tmp_path.iterdir()) == [
            f"{name}.{end}" for name in "cde" for end in ("inputs", "tar.gz")
        ]

    def test_nothing_else_is_touched(self, tmp_path: Path) -> None:
        _write(tmp_path / "notes.txt", "")
        _model(tmp_path, "a", "a")

        prune(tmp_path)

        assert len(list(tmp_path.iterdir())) == 3

    def test_an_old_model_without_a_stamp(self, tmp_path: Path) -> None:
        for age, name in enumerate("dcba"):
            _model(tmp_path, name, name, age=age * 60.0)
        (tmp_path / "a.inputs").unlink()

        prune(tmp_path)

        assert not (tmp_path / "a.tar.gz").exists()


def _with(name: str, content: Any) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        path = root / name
        _write(path, content if isinstance(content, str) else yaml.safe_dump(content, allow_unicode=True))

    return change


def _rules(*steps: Dict[str, Any]) -> Dict[str, Any]:
    return {"version": "3.1", "rules": [{"rule": "坏的", "steps": list(steps)}]}


BROKEN: Dict[str, Callable[[Path], None]] = {
    "training data that is no YAML": _with("data/broken.yml", 'version: "3.1"\nrules:\n  - rule: [x\n'),
    "a rule against another": _with("data/more.yml", _rules({"intent": "greet"}, {"action": "utter_thank"})),
    "a story against a rule": _with(
        "data/more.yml",
        {
            "version": "3.1",
            "stories": [{"story": "坏的", "steps": [{"intent": "greet"}, {"action": "utter_thank"}]}],
        },
    ),
    "a configuration that is no YAML": _with("config.yml", "recipe: [x\n"),
    "an unknown component": _with(
        "config.yml", {"recipe": "default.v1", "language": "zh", "pipeline": [{"name": "Nope"}]}
    ),
    "an unknown policy": _with(
        "config.yml",
        {
            "recipe": "default.v1",
            "language": "zh",
            "pipeline": [{"name": "tests.bot.scripted.understanding.ScriptedUnderstanding"}],
            "policies": [{"name": "bot.policies.nope.Nope"}],
        },
    ),
}


class TestBrokenData:
    @pytest.fixture(params=sorted(BROKEN))
    def broken(self, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
        root = tmp_path / "project"
        project(root)
        BROKEN[request.param](root)
        return root

    def test_it_is_said_in_one_sentence(
        self, broken: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        code, out, err = _main(broken, monkeypatch, capfd)

        assert code == 1
        assert out == ""
        assert len(err.strip().splitlines()) == 1, err
        assert "Traceback" not in err
        assert not list((broken / "models").glob("*"))


def test_faulty_examples_stop_the_training_with_file_line_and_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "project"
    project(root)
    block = "- intent: complain\n  metadata: {cause: C77, level: 1, voice: chat}\n  examples: |\n    - 卡吞了\n"
    _write(root / "data" / "nlu" / "chat.yml", f'version: "3.1"\nnlu:\n{block}')

    code, out, err = _main(root, monkeypatch, capfd)

    assert (code, out) == (1, "")
    assert err == "训练数据有错，没有训练：\nchat.yml:3: cause 没有 C77 这个代码\n"
    assert not list((root / "models").glob("*"))


class TestTheProgram:
    def test_trains_once_and_again_after_a_change(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        root = tmp_path / "project"
        config = project(root)

        first = _main(root, monkeypatch, capfd)
        second = _main(root, monkeypatch, capfd)
        config.write_text(config.read_text() + "# changed\n")
        _age(root / "models")
        third = _main(root, monkeypatch, capfd)

        assert [code for code, _, _ in (first, second, third)] == [0, 0, 0]
        assert re.fullmatch(r"模型 [\d-]+\.tar\.gz 训练完成，\d+ 秒，\d+\.\d MB\n", first[1]), first
        assert re.fullmatch(r"模型 [\d-]+\.tar\.gz 已是最新\n", second[1])
        assert "训练完成" in third[1]
        assert (root / "models" / newest_model(root / "models").name.replace(".tar.gz", ".inputs")).exists()

    def test_force_trains_whatever_has_changed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        root = tmp_path / "project"
        project(root)
        _model(root / "models", "20200101-000000", inputs_digest(root))

        code, out, _ = _main(root, monkeypatch, capfd, "--force")

        assert code == 0
        assert "训练完成" in out


def _age(models: Path) -> None:
    """As if the models had been made a minute ago: their names have seconds."""
    for path in models.iterdir():
        moment = path.stat().st_mtime - 60
        os.utime(path.rename(path.with_name(f"2020{path.name[4:]}")), (moment, moment))


def _main(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *arguments: str
) -> "tuple[int, str, str]":
    """Runs the program over `root`: exit code, stdout, stderr."""
    monkeypatch.setattr(train, "ROOT", root)
    monkeypatch.setattr(train, "MODELS", root / "models")
    monkeypatch.setattr(sys, "argv", ["bot.train", *arguments])
    monkeypatch.chdir(ROOT)
    capfd.readouterr()
    code = train.main()
    return (code, *capfd.readouterr())


def test_the_repositorys_rules_and_stories_agree(tmp_path: Path) -> None:
    root = tmp_path / "project"
    config = project(root)

    remarks: List[str] = train.check(root, config)

    assert remarks == []
