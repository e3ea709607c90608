"""Our importer reads what Rasa's would have read, without its price."""

import copy
from pathlib import Path

from rasa.shared.importers.rasa import RasaFileImporter
from rasa.shared.nlu.training_data.message import Message

from bot.importer import CorpusImporter

NLU = """version: "3.1"
nlu:
- intent: complain
  metadata: {cause: C1a, level: 1, voice: chat}
  examples: |
    - [昨天](time)少给了[两百](amount)
    - 存折上的数不对
- intent: greet
  metadata: {level: 0, voice: chat}
  examples: |
    - 你好
"""
RULES = 'version: "3.1"\nrules:\n- rule: 问好\n  steps:\n  - intent: greet\n  - action: utter_greet\n'


def _project(root: Path) -> Path:
    (root / "nlu").mkdir()
    (root / "nlu" / "chat.yml").write_text(NLU, encoding="utf-8")
    (root / "rules.yml").write_text(RULES, encoding="utf-8")
    return root


def test_the_examples_are_those_that_rasa_reads(tmp_path: Path) -> None:
    root = str(_project(tmp_path))

    ours = CorpusImporter(training_data_paths=[root]).get_nlu_data().training_examples
    rasas = RasaFileImporter(training_data_paths=[root]).get_nlu_data().training_examples

    def told(message: Message) -> object:
        entities = [(it["start"], it["end"], it["value"], it["entity"]) for it in message.get("entities") or ()]
        return message.get("text"), message.get("intent"), message.get("metadata"), entities

    assert [told(it) for it in ours] == [told(it) for it in rasas]


def test_rules_are_left_to_rasa(tmp_path: Path) -> None:
    domain = tmp_path / "domain.yml"
    importer = CorpusImporter(domain_path=str(domain), training_data_paths=[str(_project(tmp_path))])
    domain.write_text('version: "3.1"\nintents: [greet]\nresponses: {utter_greet: [{text: 您好}]}\n', encoding="utf-8")

    assert [step.block_name for step in importer.get_stories().story_steps] == ["问好"]


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    root = _project(tmp_path)
    first = CorpusImporter(training_data_paths=[str(root)]).get_nlu_data()

    (root / "nlu" / "chat.yml").write_text(NLU + "    - 在吗\n", encoding="utf-8")
    second = CorpusImporter(training_data_paths=[str(root)]).get_nlu_data()

    assert len(second.training_examples) == len(first.training_examples) + 1
    assert first.fingerprint() != second.fingerprint()


def test_copies_are_the_line_itself(tmp_path: Path) -> None:
    line = CorpusImporter(training_data_paths=[str(_project(tmp_path))]).get_nlu_data().training_examples[0]

    assert copy.deepcopy(line) is line
