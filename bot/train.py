"""`python -m bot.train`: checks the data and trains, when anything that goes into the model has changed.

Prints one line. A model is `models/<time>.tar.gz`, and beside it `<time>.inputs`, the digest of what it was made from.
"""

import os
import sys
import time
from pathlib import Path

os.environ["RASA_TELEMETRY_ENABLED"] = "false"
# Rasa shows its progress bars unless the level says otherwise.
os.environ["LOG_LEVEL"] = "ERROR"

from bot.logs import configure_logging

configure_logging()

import argparse
import contextlib
import hashlib
import io
import re
import warnings
from collections.abc import Iterator
from typing import List, Optional

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "models"
# Another pipeline than the usual one, such as config.bert.yml.
_CONFIG = os.environ.get("TINGSU_BOT_CONFIG") or "config.yml"
_INPUTS = (
    _CONFIG,
    "bot/domain",
    "bot/nlu",
    "bot/lexicon",
    "bot/spacy/chinese.py",
    "bot/policies",
    "bot/importer.py",
    "bot/requirements.lock",
    "data",
)
_DOMAIN, _DATA = "bot/domain", "data"
_KEPT_MODELS = 3
# The first faults of the data are told; who has more made one mistake many times.
_SHOWN_FAULTS = 20

# Most lines are said by actions, which Rasa cannot see (tests/bot/test_domain.py holds them to actions/); and what it says
# of every domain.
_EXPECTED = re.compile(
    r"^The utterance '\w+' is not used in any story or rule|^Slot auto-fill has been removed|^pkg_resources is"
)


class TrainingError(Exception):
    """The model cannot be trained; `str()` is one sentence that says why."""


def inputs_digest(root: Path) -> str:
    """Changes with every byte that goes into the model, and with nothing else."""
    digest = hashlib.sha256()
    for path in _input_files(root):
        digest.update(f"{path.relative_to(root)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _input_files(root: Path) -> Iterator[Path]:
    for name in _INPUTS:
        path = root / name
        files = [path] if path.is_file() else sorted(it for it in path.rglob("*") if it.is_file())
        yield from (it for it in files if "__pycache__" not in it.parts)


def up_to_date(models: Path, digest: str) -> Optional[Path]:
    """The newest model, when it was made from these inputs."""
    newest = max(models.glob("*.tar.gz"), key=lambda path: path.stat().st_mtime, default=None)
    stamp = _stamp(newest) if newest else None
    return newest if stamp is not None and stamp.exists() and stamp.read_text(encoding="ascii") == digest else None


def check(root: Path, config: Path) -> List[str]:
    """What Rasa's validator has to say. Raises TrainingError for faulty data, naming file, line and reason."""
    from rasa.shared.importers.importer import TrainingDataImporter
    from rasa.validator import Validator

    from bot.nlu.check_data import faults

    wrong = faults(root / _DATA / "nlu")
    if wrong:
        raise TrainingError("\n".join(("训练数据有错，没有训练：", *wrong[:_SHOWN_FAULTS], *_rest(wrong))))

    with _in_one_sentence(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        importer = TrainingDataImporter.load_from_config(
            str(config), domain_path=str(root / _DOMAIN), training_data_paths=[str(root / _DATA)]
        )
        validator = Validator.from_importer(importer)
        sound = (
            validator.verify_domain_validity()
            and validator.verify_nlu(ignore_warnings=True)
            and validator.verify_form_slots()
            and validator.verify_story_structure(ignore_warnings=False)
        )
    # Other libraries' deprecations say nothing about the data.
    ours = [it for it in caught if issubclass(it.category, UserWarning) and "rasa" in Path(it.filename).parts]
    said = [str(it.message).split("\n")[0] for it in ours]
    said = [line for line in dict.fromkeys(said) if not _EXPECTED.match(line)]
    if not sound:
        raise TrainingError(f"训练数据自相矛盾：{said[-1] if said else '运行 rasa data validate 看详情'}")
    return said


def train(root: Path, config: Path, models: Path, *, force: bool = False) -> Path:
    """Trains one model; `force` leaves Rasa's cache of unchanged components aside. Raises TrainingError."""
    from rasa.model_training import train as rasa_train

    with _in_one_sentence():
        result = rasa_train(
            domain=str(root / _DOMAIN),
            config=str(config),
            training_files=[str(root / _DATA)],
            output=str(models),
            fixed_model_name=time.strftime("%Y%m%d-%H%M%S", time.gmtime()),
            force_training=force,
            # Glued-together stories are for policies that generalise; ours look up.
            core_additional_arguments={"augmentation_factor": 0},
        )
    if result.model is None or result.code != 0:
        raise TrainingError("Rasa 没有产出模型。")
    return Path(result.model)


def _rest(wrong: List[str]) -> List[str]:
    more = len(wrong) - _SHOWN_FAULTS
    return [f"……还有 {more} 处"] if more > 0 else []


@contextlib.contextmanager
def _in_one_sentence() -> Iterator[None]:
    """Rasa's errors, and those of our components inside its graph, as TrainingError."""
    from rasa.engine.exceptions import GraphComponentException, GraphSchemaValidationException
    from rasa.shared.exceptions import RasaException

    try:
        yield
    except (RasaException, GraphComponentException, GraphSchemaValidationException, ImportError) as error:
        # Rasa breaks its sentences into lines, and names only the component when the error is ours.
        said = str(error) if error.__cause__ is None else f"{error} {error.__cause__}"
        raise TrainingError(" ".join(said.split())) from error


def prune(models: Path) -> None:
    """Keeps the newest models and their stamps."""
    newest_first = sorted(models.glob("*.tar.gz"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in newest_first[_KEPT_MODELS:]:
        old.unlink()
        _stamp(old).unlink(missing_ok=True)


def _stamp(model: Path) -> Path:
    return model.with_name(model.name.replace(".tar.gz", ".inputs"))


def main() -> int:
    """Returns 0 when a model of these inputs stands in `models/`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--force", action="store_true", help="train although nothing has changed")
    force = parser.parse_args().force
    started, digest = time.monotonic(), inputs_digest(ROOT)
    current = None if force else up_to_date(MODELS, digest)
    if current is not None:
        print(f"模型 {current.name} 已是最新")
        return 0
    MODELS.mkdir(exist_ok=True)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            remarks = check(ROOT, ROOT / _CONFIG)
            model = train(ROOT, ROOT / _CONFIG, MODELS, force=force)
    except TrainingError as error:
        print(error, file=sys.stderr)
        return 1
    _stamp(model).write_text(digest, encoding="ascii")
    prune(MODELS)
    noted = f"，数据检查有 {len(remarks)} 条提醒" if remarks else ""
    seconds = time.monotonic() - started
    print(f"模型 {model.name} 训练完成，{seconds:.0f} 秒，{model.stat().st_size / 1e6:.1f} MB{noted}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
