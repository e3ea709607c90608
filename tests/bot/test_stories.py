"""`rasa test core` on every story: those that are trained on (data/stories), and those that only our policies know (stories/).

Rasa calls no action here: the events that actions bring stand in the story. Stories are given to the core of Rasa's test one
by one: its command takes two that differ in cues or level for one, and lets an open form's wrong turn pass.
"""

from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest
import yaml
from rasa.core import test as rasa_test
from rasa.shared.core.domain import Domain
from rasa.shared.core.generator import TrainingDataGenerator
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.core.training_data.loading import load_data_from_resource
from rasa.shared.core.training_data.structures import StoryGraph
from sanic import Sanic

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDERS = (ROOT / "data" / "stories", Path(__file__).resolve().parent / "stories")


def _names() -> List[str]:
    return [story["story"] for story in _stories()]


@lru_cache(maxsize=None)
def _stories() -> List[Dict[str, Any]]:
    files = [path for folder in FOLDERS for path in sorted(folder.glob("*.yml"))]
    read = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in files]
    return [story for content in read for story in content["stories"]]


def _trackers(domain: Domain, *paths: Path) -> Dict[str, DialogueStateTracker]:
    """The conversations that the stories tell, by name."""
    steps = [step for path in paths for step in load_data_from_resource(str(path), domain)]
    alone = [TrainingDataGenerator(StoryGraph([step]), domain, augmentation_factor=0) for step in steps]
    return {tracker.sender_id: tracker for it in alone for tracker in it.generate_story_trackers()}


@pytest.fixture(scope="module")
def told(served: Tuple[Sanic, str]) -> Dict[str, DialogueStateTracker]:
    return _trackers(served[0].ctx.agent.domain, *FOLDERS)


@pytest.fixture(autouse=True)
def no_action_rejects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rasa would let a form's wrong turn pass as one that the form rejected; ours never reject (bot/agent.py)."""
    monkeypatch.setattr(rasa_test, "_form_might_have_been_rejected", lambda *_: False)


async def _predicted(served: Tuple[Sanic, str], tracker: DialogueStateTracker) -> List[str]:
    """What the policies chose, turn by turn. Raises WrongPredictionException, which quotes the story."""
    found, _, _ = await rasa_test._collect_story_predictions(
        [tracker], served[0].ctx.agent, fail_on_prediction_errors=True
    )
    return [it["predicted"] for it in found.action_list]


@pytest.mark.parametrize("name", _names())
async def test_every_action_is_the_predicted_one(
    served: Tuple[Sanic, str], told: Dict[str, DialogueStateTracker], name: str
) -> None:
    (story,) = [it for it in _stories() if it["story"] == name]

    predicted = await _predicted(served, told[name])

    assert [it for it in predicted if it != "action_listen"] == [
        step["action"] for step in story["steps"] if "action" in step
    ]


@pytest.mark.parametrize(
    "steps",
    [
        [{"intent": "greet"}, {"action": "utter_goodbye"}],
        [{"intent": "inform", "entities": [{"level": 4}]}, {"action": "complaint_form"}],
        [
            {"intent": "complain"},
            {"action": "complaint_form"},
            {"active_loop": "complaint_form"},
            {"intent": "thank"},
            {"action": "utter_thank"},
        ],
    ],
    ids=["against a rule", "against a policy", "past an open form"],
)
async def test_a_wrong_story_fails(served: Tuple[Sanic, str], steps: List[Dict[str, Any]], tmp_path: Path) -> None:
    path = tmp_path / "story.yml"
    bad = {"version": "3.1", "stories": [{"story": "坏的", "steps": steps}]}
    path.write_text(yaml.safe_dump(bad, allow_unicode=True), encoding="utf-8")
    trackers = _trackers(served[0].ctx.agent.domain, path)

    with pytest.raises(rasa_test.WrongPredictionException):
        await _predicted(served, trackers["坏的"])


def test_no_story_is_told_twice() -> None:
    names = Counter(_names())
    steps = Counter(yaml.safe_dump(story["steps"]) for story in _stories())

    assert [name for name, count in names.items() if count > 1] == []
    assert [told for told, count in steps.items() if count > 1] == []


def test_every_path_has_a_story() -> None:
    """What the customer may come with: every intent, every cue that leads somewhere, the levels, every action."""
    steps = [step for story in _stories() for step in story["steps"]]
    entities = [entity for step in steps for entity in step.get("entities", ())]
    domain = yaml.safe_load((ROOT / "bot" / "domain" / "domain.yml").read_text(encoding="utf-8"))
    cues = {entity["cue"].partition(":")[0] for entity in entities if "cue" in entity}

    assert {step["intent"] for step in steps if "intent" in step} == {name for it in domain["intents"] for name in it}
    assert {*domain["forms"], *(it for it in domain["actions"] if not it.startswith("validate_"))} <= {
        step["action"] for step in steps if "action" in step
    }
    assert {entity["level"] for entity in entities if "level" in entity} == {2, 3, 4}
    assert cues >= {
        "agent", "heir", "joint", "anonymous", "tip_off", "suggestion", "foreign", "human", "urge", "dissatisfied",
        "evidence", "callback", "misspoke", "second_matter", "satisfied", "keep", "other_bank", "telecom", "other_company",
    }  # fmt: skip
