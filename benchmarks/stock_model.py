"""Makes a stock Rasa project from our training data, trains it and serves it.

Stock has no cause component, so the cause becomes the intent (`complain_c5`), which is how a stock project would do it. Its
form asks with plain utterances and calls no action server: that is in stock's favour.
"""

import os
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from launcher.settings import ROOT

HERE = ROOT / "benchmarks" / "stock"
BUILD = HERE / "build"
PYTHON = HERE / ".venv" / "bin" / "python"
_ENVIRONMENT = {"RASA_TELEMETRY_ENABLED": "false", "TF_CPP_MIN_LOG_LEVEL": "3", "SANIC_HOST": "127.0.0.1"}
_FIELDS = ("branch", "event_time", "request", "name", "phone")


def write_project(examples: int) -> int:
    """Writes build/ from about `examples` examples and returns their number."""
    shutil.rmtree(BUILD, ignore_errors=True)
    (BUILD / "data").mkdir(parents=True)
    for name in ("config.yml", "endpoints.yml", "credentials.yml"):
        shutil.copy(HERE / name, BUILD / name)
    blocks = [_as_stock(block) for block in sample(examples)]
    causes = sorted({block["intent"] for block in blocks})
    dump(BUILD / "data" / "nlu.yml", {"version": "3.1", "nlu": blocks})
    dump(BUILD / "data" / "rules.yml", {"version": "3.1", **_rules(causes)})
    dump(BUILD / "domain.yml", _domain(causes))
    return count_of(blocks)


def sample(examples: int) -> list[dict[str, Any]]:
    """The training data's blocks with every nth example, about `examples` in all: DIET needs a second per example."""
    blocks = [
        block
        for path in sorted((ROOT / "data" / "nlu").rglob("*.yml"))
        for block in YAML(typ="safe").load(path.read_text("utf-8")).get("nlu", [])
    ]
    step, seen, kept = max(1.0, count_of(blocks) / examples), 0, []
    for block in blocks:
        lines = block["examples"].rstrip("\n").split("\n")
        chosen = [line for place, line in enumerate(lines, start=seen) if int((place + 1) / step) > int(place / step)]
        seen += len(lines)
        if chosen:
            kept.append({**block, "examples": "\n".join(chosen) + "\n"})
    return kept


def count_of(blocks: list[dict[str, Any]]) -> int:
    """How many examples the blocks hold."""
    return sum(block["examples"].count("\n") for block in blocks)


def _as_stock(block: dict[str, Any]) -> dict[str, Any]:
    intent = block["intent"]
    if intent == "complain":
        intent = f"complain_{block['metadata']['cause'].rstrip('abcde').lower()}"
    return {"intent": intent, "examples": block["examples"]}


def _rules(intents: list[str]) -> dict[str, Any]:
    rules: list[dict[str, Any]] = [
        {
            "rule": "filed",
            "condition": [{"active_loop": "complaint_form"}],
            "steps": [
                {"action": "complaint_form"},
                {"active_loop": None},
                {"slot_was_set": [{"requested_slot": None}]},
                {"action": "utter_filed"},
            ],
        }
    ]
    stories = []
    for intent in intents:
        if intent.startswith("complain_"):
            steps = [{"intent": intent}, {"action": "complaint_form"}, {"active_loop": "complaint_form"}]
            rules.append({"rule": intent, "steps": steps})
        else:
            rules.append({"rule": intent, "steps": [{"intent": intent}, {"action": "utter_other"}]})
            stories.append(
                {
                    "story": f"{intent} first",
                    "steps": [
                        {"intent": intent},
                        {"action": "utter_other"},
                        {"intent": "thank"},
                        {"action": "utter_other"},
                    ],
                }
            )
    return {"rules": rules, "stories": stories}


def _domain(intents: list[str]) -> dict[str, Any]:
    slots = {
        field: {
            "type": "text",
            "influence_conversation": False,
            "mappings": [
                {"type": "from_text", "conditions": [{"active_loop": "complaint_form", "requested_slot": field}]}
            ],
        }
        for field in _FIELDS
    }
    entities = ["branch", "person", "time", "amount", "duration", "phone", "card_tail", "product", "count"]
    responses = {f"utter_ask_{field}": [{"text": f"请问{field}是什么？"}] for field in _FIELDS}
    responses |= {"utter_filed": [{"text": "已经登记。"}], "utter_other": [{"text": "好的，请问有什么可以帮您？"}]}
    return {
        "version": "3.1",
        "intents": intents,
        "entities": entities,
        "slots": slots,
        "forms": {"complaint_form": {"required_slots": list(_FIELDS)}},
        "responses": responses,
        "session_config": {"session_expiration_time": 60, "carry_over_slots_to_new_session": True},
    }


def dump(path: Path, data: dict[str, Any]) -> None:
    """Writes YAML whose long lines stay lines."""
    yaml = YAML()
    yaml.width = 100_000
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(data, file)


def train() -> float:
    """Trains and returns the seconds; a model of the same data is used again, with the time it once took."""
    started = time.perf_counter()
    command = [str(PYTHON), "-m", "rasa", "train", "--quiet"]
    with (BUILD / "train.log").open("w") as log:
        subprocess.run(command, cwd=BUILD, env={**os.environ, **_ENVIRONMENT}, stdout=log, stderr=log, check=True)
    return time.perf_counter() - started


def serve(port: int) -> tuple[subprocess.Popen[bytes], float]:
    """Starts stock Rasa with its REST channel; returns the process and the seconds until it answers."""
    command = [str(PYTHON), "-m", "rasa", "run", "--enable-api", "--port", str(port), "-i", "127.0.0.1", "--quiet"]
    started = time.perf_counter()
    log = (BUILD / "serve.log").open("w")
    process = subprocess.Popen(command, cwd=BUILD, env={**os.environ, **_ENVIRONMENT}, stdout=log, stderr=log)
    while process.poll() is None and time.perf_counter() - started < 300:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=2):
                return process, time.perf_counter() - started
        except OSError:
            time.sleep(0.2)
    process.kill()
    raise RuntimeError(f"stock Rasa did not start, see {BUILD / 'serve.log'}")
