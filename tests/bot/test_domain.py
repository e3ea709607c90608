"""What the assistant may say and remember agrees with the other rooms. They run elsewhere, so their files are read."""

import ast
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, Dict, List, Set, Tuple

import pytest
import yaml
from rasa.shared.core.domain import Domain

from bot.channels.turns import _CHOICE_INTENTS, DRAFT_FIELDS
from bot.policies import deterministic, escalation, interruption

ROOT = Path(__file__).resolve().parent.parent.parent
_LONGEST = 80
# What the assistant asks by itself; satisfaction is asked by the bridge's own card.
_NOT_ASKED_IN_WORDS = {"satisfaction"}
_LOOKUP = {"ticket_no", "phone_tail"}


def _yaml(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def _modules(*folders: str) -> List[ast.Module]:
    paths = [path for folder in folders for path in sorted((ROOT / folder).glob("*.py"))]
    return [ast.parse(path.read_text(encoding="utf-8"), str(path)) for path in paths]


def _literal(path: str, name: str) -> Set[str]:
    """The strings in the value that a module gives to `name`."""
    (module,) = [ast.parse((ROOT / path).read_text(encoding="utf-8"))]
    for node in module.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return set(_strings(node))
    raise LookupError(f"{path} has no {name}")


def _strings(node: ast.AST) -> Iterator[str]:
    for it in ast.walk(node):
        if isinstance(it, ast.Constant) and isinstance(it.value, str):
            yield it.value


RESPONSES: Dict[str, List[Dict[str, Any]]] = _yaml("bot/domain/responses.yml")["responses"]
VARIANTS = [(name, variant) for name, variants in RESPONSES.items() for variant in variants]
ASKS = _literal("contract/turn.py", "Asks") - _NOT_ASKED_IN_WORDS
TALK = _literal("actions/hear.py", "_TALK")
SHORT = _literal("actions/texts.py", "SHORT")
VERIFIED = _literal("actions/fields.py", "VERIFIED")
FOREIGN = _literal("actions/fields.py", "_FOREIGN_NEEDS")
FIGURES = {figure["name"] for figure in _yaml("playbook/sla.yml")["figures"]}
# Two questions that are put as one.
_TOGETHER = "branch_and_time"
# A sum or a deadline in plain words; the same rule holds for the playbook's texts.
(_FIGURE,) = [re.compile(text) for text in _literal("contract/playbook_loader.py", "_FIGURE")]


def _utterances(modules: List[ast.Module]) -> Tuple[Set[str], Set[str]]:
    """Names of responses: those that stand there in full, and those that are put together from a field or an intent."""
    full, composed = set(), set()
    for module in modules:
        inside_of_composed: Set[ast.AST] = set()
        for function in _functions(module):
            for node in ast.walk(function):
                if isinstance(node, ast.JoinedStr):
                    composed |= {name for name in _possible(node, function) if name.startswith("utter_")}
                    inside_of_composed |= set(ast.walk(node))
        for node in ast.walk(module):
            if isinstance(node, ast.Constant) and node not in inside_of_composed:
                full |= {node.value} if re.fullmatch(r"utter_\w+[a-z]", str(node.value)) else set()
    return full - {"utter_ask", "utter_reask"}, composed


def _functions(module: ast.Module) -> List[ast.AST]:
    return [it for it in ast.walk(module) if isinstance(it, (ast.FunctionDef, ast.AsyncFunctionDef))]


def _possible(node: ast.AST, function: ast.AST) -> Set[str]:
    """Every string that an expression may be; what comes from elsewhere is a field, or the intent."""
    if isinstance(node, ast.Constant):
        return {str(node.value)}
    if isinstance(node, ast.FormattedValue):
        return _possible(node.value, function)
    if isinstance(node, ast.JoinedStr):
        return {"".join(parts) for parts in product(*(sorted(_possible(part, function)) for part in node.values))}
    if isinstance(node, ast.IfExp):
        return _possible(node.body, function) | _possible(node.orelse, function)
    if isinstance(node, ast.BoolOp):
        return set().union(*(_possible(value, function) for value in node.values))
    if isinstance(node, ast.Attribute) and node.attr == "intent":
        return TALK
    given = _assigned(function).get(node.id, []) if isinstance(node, ast.Name) else []
    return set().union(*(_possible(value, function) for value in given)) if given else ASKS


def _assigned(scope: ast.AST) -> Dict[str, List[ast.AST]]:
    """What each name of a function or a module is set to; a function is what it returns."""
    found: Dict[str, List[ast.AST]] = {}
    for node in ast.walk(scope):
        for target in node.targets if isinstance(node, ast.Assign) else []:
            if isinstance(target, ast.Name):
                found.setdefault(target.id, []).append(node.value)
        if isinstance(node, ast.FunctionDef) and node is not scope:
            found.setdefault(node.name, []).append(node)
    return found


def _said_by_training_data() -> Set[str]:
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "data").glob("[rs]*/*.yml"))
    return set(re.findall(r"action: (utter_\w+)", text))


class TestWhatIsSaid:
    @pytest.mark.parametrize("name", sorted(RESPONSES))
    def test_nothing_forbidden(self, name: str) -> None:
        phrases = {phrase for group in _yaml("playbook/phrases.yml")["forbidden"] for phrase in group["phrases"]}
        assert phrases
        for variant in RESPONSES[name]:
            assert not {phrase for phrase in phrases if phrase in variant["text"]}

    @pytest.mark.parametrize("name", sorted(RESPONSES))
    def test_short_plain_and_of_one_bubble(self, name: str) -> None:
        for variant in RESPONSES[name]:
            text = variant["text"]
            assert set(variant) == {"text"}, "buttons and cards belong to the actions"
            assert 0 < len(text) <= _LONGEST
            assert text == text.strip()
            assert "\n" not in text, "a blank line would be a bubble of its own"

    @pytest.mark.parametrize("name", sorted(RESPONSES))
    def test_no_sum_and_no_deadline_in_plain_words(self, name: str) -> None:
        """They change by law and by date: placeholders, filled from sla.yml or from the ticket."""
        for variant in RESPONSES[name]:
            assert not _FIGURE.search(variant["text"])

    def test_no_line_twice(self) -> None:
        texts = [variant["text"] for _, variant in VARIANTS]
        assert len(texts) == len(set(texts))

    def test_whoever_is_in_danger_is_told_whom_to_call_and_asked_nothing(self) -> None:
        lines = {name: variants for name, variants in RESPONSES.items() if name.startswith("utter_safety")}
        assert len(lines) == 6
        for name, variants in lines.items():
            for variant in variants:
                assert re.search(r"110|120", variant["text"]), name
                assert "？" not in variant["text"], name


class TestWhatActionsSay:
    def test_every_line_exists(self) -> None:
        full, _ = _utterances(_modules("actions", "bot/policies"))

        assert len(full) > 30
        assert full - set(RESPONSES) == set()

    def test_every_line_of_rules_and_stories_exists(self) -> None:
        assert _said_by_training_data() - set(RESPONSES) == set()

    def test_no_line_is_unused(self) -> None:
        full, composed = _utterances(_modules("actions", "bot/policies"))

        assert set(RESPONSES) - full - composed - _said_by_training_data() == set()

    @pytest.mark.parametrize("field", sorted(ASKS))
    def test_whatever_is_asked_has_a_question_and_a_reason(self, field: str) -> None:
        assert f"utter_ask_{field}" in RESPONSES
        assert f"utter_why_{field}" in RESPONSES

    @pytest.mark.parametrize("field", sorted(ASKS - _LOOKUP - {"confirm"}))
    def test_the_second_question_is_another_one(self, field: str) -> None:
        first = {variant["text"] for variant in RESPONSES[f"utter_ask_{field}"]}
        second = {variant["text"] for variant in RESPONSES[f"utter_reask_{field}"]}

        assert second
        assert not first & second

    @pytest.mark.parametrize("name", [*sorted(VERIFIED), "branch_and_time"])
    def test_what_is_put_otherwise_has_its_words(self, name: str) -> None:
        assert ("utter_ask_branch_and_time" if name == _TOGETHER else f"utter_verify_{name}") in RESPONSES

    def test_short_questions_are_those_of_heated_moments(self) -> None:
        short = {
            name for name in RESPONSES if name.startswith(("utter_ask_", "utter_reask_")) and name.endswith("_short")
        }

        assert short == {f"utter_ask_{field}_short" for field in SHORT}
        for field, name in ((field, f"utter_ask_{field}_short") for field in SHORT):
            longest = max(len(variant["text"]) for variant in RESPONSES[name])
            assert longest < min(len(variant["text"]) for variant in RESPONSES[f"utter_ask_{field}"]), name

    def test_foreign_questions_are_those_that_are_asked(self) -> None:
        asked = {name for name in RESPONSES if re.fullmatch(r"utter_(?:re)?ask_\w+_foreign", name)}
        both = {f"utter_{again}ask_{field}_foreign" for again in ("", "re") for field in FOREIGN}

        assert asked == both | {"utter_ask_confirm_foreign"}

    @pytest.mark.parametrize("name", sorted(name for name in RESPONSES if "foreign" in name))
    def test_foreign_lines_are_in_both_languages(self, name: str) -> None:
        for variant in RESPONSES[name]:
            assert re.search(r"[A-Za-z]{2,} [A-Za-z]{2,}|Noted", variant["text"])
            assert re.search(r"[\u4e00-\u9fff]{3}", variant["text"])

    @pytest.mark.parametrize("intent", sorted(TALK))
    def test_small_talk_in_the_form_is_answered(self, intent: str) -> None:
        assert f"utter_{intent}_in_form" in RESPONSES

    def test_every_placeholder_is_filled(self) -> None:
        """A placeholder that nobody fills would reach the customer with its braces."""
        given = _given_to_lines(_modules("actions"))
        for name, variant in VARIANTS:
            needed = set(re.findall(r"{(\w+)}", variant["text"]))
            if not needed:
                continue
            assert given.get(name), f"{name} needs {needed}, and is never said with anything"
            for passed in given[name]:
                assert needed <= passed, f"{name} needs {needed}, is given {passed}"


def _given_to_lines(modules: List[ast.Module]) -> Dict[str, List[Set[str]]]:
    """For each response the names of what every `line(...)` with it passes on."""
    given: Dict[str, List[Set[str]]] = {}
    for module in modules:
        everywhere = _assigned(module)
        for function in _functions(module):
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "line" and call.args:
                    for name in _lines(call.args[0], function, {**everywhere, **_assigned(function)}):
                        given.setdefault(name, []).append(_passed(call))
    return given


def _lines(first: ast.AST, function: ast.AST, known: Dict[str, List[ast.AST]]) -> Set[str]:
    if isinstance(first, ast.JoinedStr):
        return _possible(first, function)
    if isinstance(first, ast.Name) and first.id in _parameters(function):
        # intake._say: whatever the next step is.
        return SAID_BY_STEPS
    named = {node.id for node in ast.walk(first) if isinstance(node, ast.Name)}
    found = [first, *(value for name in named for value in known.get(name, []))]
    return {text for node in found for text in _strings(node) if text.startswith("utter_")}


def _parameters(function: ast.AST) -> Set[str]:
    assert isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
    return {argument.arg for argument in function.args.args}


def _passed(call: ast.Call) -> Set[str]:
    names = {str(keyword.arg) for keyword in call.keywords}
    return names | FIGURES if "figures" in names else names


# What the pure parts choose and the form says.
SAID_BY_STEPS = {
    name
    for module in ("actions/hear.py", "actions/next_step.py")
    for name in _strings(ast.parse((ROOT / module).read_text(encoding="utf-8")))
    if name.startswith("utter_")
}


class TestWhatIsRemembered:
    def test_every_field_of_the_draft_is_a_slot(self, domain: Domain) -> None:
        assert set(DRAFT_FIELDS) <= {slot.name for slot in domain.slots}

    def test_the_draft_is_the_contracts(self) -> None:
        (draft,) = [
            node
            for module in _modules("contract")
            for node in ast.walk(module)
            if isinstance(node, ast.ClassDef) and node.name == "TicketDraft"
        ]
        fields = [node.target.id for node in draft.body if isinstance(node, ast.AnnAssign)]  # type: ignore[union-attr]

        assert list(DRAFT_FIELDS) == fields

    def test_every_slot_that_actions_set_exists(self, domain: Domain) -> None:
        told = {
            str(call.args[0].value)
            for module in _modules("actions")
            for call in ast.walk(module)
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "SlotSet"
            if isinstance(call.args[0], ast.Constant)
        }
        # Those of a lookup are set by the dozen, from tuples of names.
        told |= {
            str(name.value)
            for module in _modules("actions")
            for name in ast.walk(module)
            if isinstance(name, ast.Constant) and re.fullmatch(r"(?:lookup|ticket)_[a-z_]+", str(name.value))
        }

        assert {"clarified", "lookup_tries", "lookup_sure", "ticket_phone_tail"} <= told
        assert told - {slot.name for slot in domain.slots} == set()

    def test_every_slot_that_actions_read_exists(self, domain: Domain) -> None:
        text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "actions").glob("*.py"))
        read = set(re.findall(r"\bslots(?:\.get\(|\[)\"(\w+)\"", text))

        assert len(read) >= 10
        # Slots of the playbook's texts have the same name and another meaning.
        assert read - {slot.name for slot in domain.slots} == {"day_count", "extension_reason", "next_date"}

    def test_only_having_a_ticket_steers_the_dialogue(self, domain: Domain) -> None:
        """Everything else would multiply the rules, and each value would be kept as an event of the state."""
        steering = {slot.name for slot in domain.slots if slot.influence_conversation}

        assert steering == {"ticket_no"}

    def test_no_word_of_a_message_fills_a_slot_by_itself(self, domain: Domain) -> None:
        """`from_text` would overwrite with every later message."""
        by_rasa = {
            slot.name: [mapping["type"] for mapping in slot.mappings]
            for slot in domain.slots
            if [mapping["type"] for mapping in slot.mappings] not in ([], ["custom"])
        }

        assert by_rasa == {"cause": ["from_entity"], "level": ["from_entity"]}


class TestWhatIsDone:
    def test_every_action_is_somebodys(self, domain: Domain) -> None:
        served = {name for module in _modules("actions") for name in _strings(module) if _is_action(name)}
        forms = {form for module in _modules("actions") for form in _strings(module) if _is_form(form)}
        served |= {f"validate_{form}" for form in forms}

        assert served == {action for action in domain.user_actions if _is_action(action)}

    def test_what_policies_choose_exists(self, domain: Domain) -> None:
        modules = [ast.parse(Path(str(it.__file__)).read_text()) for it in (deterministic, escalation, interruption)]
        chosen = {name for module in modules for name in _strings(module) if _is_action(name) or _is_form(name)}

        assert len(chosen) > 5
        assert chosen - set(domain.action_names_or_texts) == set()

    def test_what_buttons_mean_exists(self, domain: Domain) -> None:
        assert set(_CHOICE_INTENTS.values()) <= set(domain.intents)

    def test_entities_never_steer_the_dialogue(self, domain: Domain) -> None:
        for intent, properties in domain.intent_properties.items():
            if intent not in ("restart", "back", "session_start"):
                assert not properties["used_entities"], intent

    def test_sessions_belong_to_the_bridge(self, domain: Domain) -> None:
        assert domain.session_config.session_expiration_time == 0


def _is_action(name: str) -> bool:
    return re.fullmatch(r"(action|validate)_\w*[a-z]", name) is not None and name not in (
        "action_listen",
        "action_name",
    )


def _is_form(name: str) -> bool:
    return re.fullmatch(r"[a-z]+_form", name) is not None
