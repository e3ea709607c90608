"""Reads `playbook/`: a mistake names the file, the line and what was expected, in Chinese, for whoever edits it."""

import csv
import string
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError

from contract.branch import Branch
from contract.playbook import PLACEHOLDERS, Organisation, Phrases, Playbook, Routing, Script, Sla, Taxonomy

_M = TypeVar("_M", bound=BaseModel)

_EXPECTED = {
    "missing": "缺少这一项",
    "extra_forbidden": "没有这一项，请检查拼写",
    "int_parsing": "应为整数",
    "int_type": "应为整数",
    "date_from_datetime_parsing": "应为日期，例如 2026-01-01",
    "date_type": "应为日期，例如 2026-01-01",
    "string_type": "应为文字",
    "bool_parsing": "应为 true 或 false",
    "time_parsing": "应为 24 小时制的时:分，例如 09:00",
    "tuple_type": "应为列表",
    "model_type": "应为若干“名称: 值”",
}


class PlaybookError(Exception):
    """A playbook file cannot be used. `str()` is one sentence for the operator."""

    def __init__(self, file: Path, line: int | None, expected: str) -> None:
        self.file = file
        self.line = line
        self.expected = expected
        where = f"{file} 第 {line} 行" if line else str(file)
        super().__init__(f"{where}：{expected}")


def load_playbook(directory: Path) -> Playbook:
    """Loads and checks everything; raises PlaybookError at the first mistake."""
    scripts = tuple(_load(path, Script) for path in sorted((directory / "explanations").glob("X*.yml")))
    playbook = Playbook(
        organisation=_load(directory / "organisation.yml", Organisation),
        taxonomy=_load(directory / "taxonomy.yml", Taxonomy),
        routing=_load(directory / "routing.yml", Routing),
        sla=_load(directory / "sla.yml", Sla),
        phrases=_load(directory / "phrases.yml", Phrases),
        scripts=scripts,
        branches=_load_branches(directory / "branches.csv"),
    )
    for path, script in zip(sorted((directory / "explanations").glob("X*.yml")), scripts, strict=True):
        _check_script(path, script, playbook)
    return playbook


@cache
def cached_playbook(directory: Path) -> Playbook:
    """The playbook of a process; files are read once, at start."""
    return load_playbook(directory)


def _load(path: Path, model: type[_M]) -> _M:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise PlaybookError(path, None, "找不到这个文件") from None
    except UnicodeDecodeError as error:
        raise PlaybookError(path, None, "应为 UTF-8 编码的文本") from error
    try:
        data = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise PlaybookError(path, line, f"不是正确的 YAML（{error.problem}）") from error
    try:
        return model.model_validate(_plain(data))
    except ValidationError as error:
        # A misspelt name is reported twice, as missing and as unknown; the unknown one has a line.
        first = min(error.errors(), key=lambda found: found["type"] == "missing")
        raise PlaybookError(path, _line(data, first["loc"]), _sentence(first)) from error


def _plain(node: Any) -> Any:
    """ruamel's round-trip types as plain ones; pydantic wants real dicts, lists and strings."""
    if isinstance(node, CommentedMap):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, CommentedSeq):
        return [_plain(value) for value in node]
    if isinstance(node, str):
        return str(node)
    return node


def _line(data: Any, location: tuple[int | str, ...]) -> int | None:
    """The line of the deepest part of `location` that exists in the file."""
    node, line = data, 1
    for key in location:
        try:
            position = node.lc.value(key) if isinstance(node, CommentedMap) else node.lc.item(key)
            node, line = node[key], position[0] + 1
        except (AttributeError, KeyError, IndexError, TypeError):
            break
    return line


def _sentence(error: Any) -> str:
    field = ".".join(str(part) for part in error["loc"]) or "文件"
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    expected = _EXPECTED.get(error["type"], error["msg"])
    value = "" if error["type"] in ("missing", "extra_forbidden") else f"，现在是 {error['input']!r}"
    return f"{field}：{expected}{value}"


def _load_branches(path: Path) -> tuple[Branch, ...]:
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    except FileNotFoundError:
        raise PlaybookError(path, None, "找不到这个文件") from None
    branches: list[Branch] = []
    for line, row in enumerate(rows, start=2):
        try:
            branch = Branch.model_validate(_branch_row(row))
        except (ValidationError, ValueError) as error:
            reason = _sentence(error.errors()[0]) if isinstance(error, ValidationError) else str(error)
            raise PlaybookError(path, line, reason) from error
        if any(known.code == branch.code for known in branches):
            raise PlaybookError(path, line, f"网点代码 {branch.code} 重复")
        branches.append(branch)
    if not branches:
        raise PlaybookError(path, 1, "至少应有一个网点")
    return tuple(branches)


def _branch_row(row: dict[str, str]) -> dict[str, Any]:
    """A CSV row in the shape of Branch: `1-5 09:00-12:00;…` for hours, `12:00-12:20;…` for handover, `;` between names."""
    hours = []
    for part in _split(row["hours"]):
        days, _, span = part.partition(" ")
        opening, _, closing = span.partition("-")
        hours.append({"days": days, "open": opening, "close": closing})
    handover = [dict(zip(("start", "end"), part.split("-"), strict=True)) for part in _split(row["handover"])]
    return {
        "code": row["code"],
        "name": row["name"],
        "aliases": _split(row["aliases"]),
        "address": row["address"] or None,
        "hours": hours,
        "handover": handover,
        "window_open_in_handover": row["window_open_in_handover"].strip().lower() in ("true", "yes", "1", "是"),
        "windows": row["windows"] or None,
        "machines": row["machines"] or None,
        "nearest": _split(row["nearest"]),
    }


def _split(cell: str | None) -> list[str]:
    return [part.strip() for part in (cell or "").split(";") if part.strip()]


def _check_script(path: Path, script: Script, playbook: Playbook) -> None:
    """What only the whole playbook can tell: known causes, known placeholders, nothing forbidden."""
    for code in script.causes:
        if playbook.taxonomy.cause(code) is None:
            raise PlaybookError(path, None, f"原因 {code} 不在 taxonomy.yml 中")
    for version in script.versions:
        for variant in version.variants:
            for part in variant.parts:
                _check_part(path, part, playbook)


def _check_part(path: Path, part: str, playbook: Playbook) -> None:
    line = next(
        (number for number, text in enumerate(path.read_text("utf-8").splitlines(), 1) if part[:12] in text), None
    )
    unknown = {name for _, name, _, _ in string.Formatter().parse(part) if name} - PLACEHOLDERS
    if unknown:
        raise PlaybookError(
            path, line, f"不认识的占位符 {'、'.join(sorted(unknown))}，可用：{'、'.join(sorted(PLACEHOLDERS))}"
        )
    forbidden = playbook.phrases.violations(part)
    if forbidden:
        raise PlaybookError(path, line, f"含有禁语“{forbidden[0]}”（见 phrases.yml）")
