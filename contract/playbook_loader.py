"""Reads `playbook/`: a mistake names the file, the line and what was expected, in Chinese, for whoever edits it."""

import re
import string
from collections.abc import Set
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError

from contract.branch import Branch
from contract.branch_csv import read_branches
from contract.calendar import Calendar
from contract.evidence import Evidence
from contract.export import Export
from contract.playbook import Cause, CauseDetail, Organisation, Phrases, Playbook, Taxonomy
from contract.privacy import Consent, Retention
from contract.routing import Routing
from contract.script import PLACEHOLDERS, Script
from contract.sla import Sla
from contract.table import CellError

_M = TypeVar("_M", bound=BaseModel)

# An amount of money or a deadline in plain words; those come from sla.yml alone.
_FIGURE = re.compile(
    r"[\d零一二三四五六七八九十百千两几半]+(?:\.\d+)?\s*(?:万|千|百)?(?:元|块钱|%|％|个工作日|工作日|日内|天内|天|个?小时|分钟|个月|周内|年内)"
)

_EXPECTED = {
    "missing": "缺少这一项",
    "extra_forbidden": "没有这一项，请检查拼写",
    "int_parsing": "应为整数",
    "int_type": "应为整数",
    "date_from_datetime_parsing": "应为日期，例如 2026-01-01",
    "date_type": "应为日期，例如 2026-01-01",
    "string_type": "应为文字",
    "bool_parsing": "应为 true 或 false",
    "enum": "只能是 {expected}",
    "literal_error": "只能是 {expected}",
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
        calendar=_load(directory / "calendar.yml", Calendar),
        phrases=_load(directory / "phrases.yml", Phrases),
        evidence=_load(directory / "evidence.yml", Evidence),
        export=_load(directory / "export.yml", Export),
        retention=_load(directory / "retention.yml", Retention),
        consent=_load(directory / "consent.yml", Consent),
        scripts=scripts,
        branches=_load_branches(directory / "branches.csv"),
    )
    for path, script in zip(sorted((directory / "explanations").glob("X*.yml")), scripts, strict=True):
        _check_script(path, script, playbook)
    _check_faces(directory / "export.yml", playbook)
    _check_routing(directory / "routing.yml", playbook)
    return playbook


@cache
def cached_playbook(directory: Path) -> Playbook:
    """The playbook of a process; files are read once, at start."""
    return load_playbook(directory)


def _load(path: Path, model: type[_M]) -> _M:
    text = _text(path)
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


def _check_faces(path: Path, playbook: Playbook) -> None:
    """Whatever a ticket can carry has a line where the bank can write its code."""
    taxonomy, faces = playbook.taxonomy, playbook.export.faces
    placed: list[Cause | CauseDetail] = [*taxonomy.causes]
    placed += [detail for cause in taxonomy.causes for detail in cause.details]
    used = {
        "business_channel": {place.business_channel for place in placed if place.business_channel},
        "business_category": {business.name for business in taxonomy.businesses}
        | {place.business_category for place in placed if place.business_category},
        "standard_reason": {cause.standard_reason for cause in taxonomy.causes},
    }
    for face, names in used.items():
        if missing := sorted(names - {value.name for value in getattr(faces, face)}):
            raise PlaybookError(path, None, f"faces.{face} 里缺少 taxonomy.yml 用到的：{'、'.join(missing)}")


def _text(path: Path) -> str:
    try:
        # Byte for byte: a line break inside a quoted cell must stay what it is.
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise PlaybookError(path, None, "找不到这个文件") from None
    except UnicodeDecodeError as error:
        raise PlaybookError(path, None, "应为 UTF-8 编码的文本") from error


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
    if error["type"] == "value_error":
        return _reason(error)
    return f"{'.'.join(str(part) for part in error['loc']) or '文件'}：{_reason(error)}"


def _reason(error: Any) -> str:
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    known = _EXPECTED.get(error["type"])
    expected = known.format_map(error.get("ctx") or {}) if known else error["msg"]
    value = "" if error["type"] in ("missing", "extra_forbidden") else f"，现在是 {error['input']!r}"
    return f"{expected}{value}"


def _load_branches(path: Path) -> tuple[Branch, ...]:
    try:
        return read_branches(_text(path), _reason)
    except CellError as error:
        reason = f"{error.column}：{error.reason}" if error.column else error.reason
        raise PlaybookError(path, error.line, reason) from error


def _check_routing(path: Path, playbook: Playbook) -> None:
    branches = {branch.code for branch in playbook.branches}
    for location, reason in playbook.routing.mistakes(playbook.taxonomy.codes, branches):
        raise PlaybookError(path, _line(YAML(typ="rt").load(_text(path)), location), reason)


def _check_script(path: Path, script: Script, playbook: Playbook) -> None:
    """What only the whole playbook can tell: known causes, known placeholders, nothing forbidden."""
    for code in script.causes:
        if playbook.taxonomy.cause(code) is None:
            raise PlaybookError(path, None, f"原因 {code} 不在 taxonomy.yml 中")
    known = PLACEHOLDERS | playbook.organisation.facts.keys() | _sure_figures(playbook)
    for version in script.versions:
        for variant in version.variants:
            for text in (variant.spoken, *(line for wording in variant.wordings for line in wording.lines)):
                _check_text(path, text, known, playbook)


def _sure_figures(playbook: Playbook) -> set[str]:
    """Figures that have ever been sure enough to tell."""
    return {
        figure.name
        for figure in playbook.sla.figures
        if any(value.reliability in ("V", "P") for value in figure.values)
    }


def _check_text(path: Path, text: str, known: Set[str], playbook: Playbook) -> None:
    line = next(
        (number for number, row in enumerate(path.read_text("utf-8").splitlines(), 1) if text[:12] in row), None
    )
    unknown = {name for _, name, _, _ in string.Formatter().parse(text) if name} - known
    if unknown:
        raise PlaybookError(
            path, line, f"不认识的占位符 {'、'.join(sorted(unknown))}，可用：{'、'.join(sorted(known))}"
        )
    if (figure := _FIGURE.search(text)) is not None:
        raise PlaybookError(path, line, f"“{figure.group()}”是金额或时限，请写进 sla.yml 的 figures，文案里用占位符")
    forbidden = playbook.phrases.violations(text)
    if forbidden:
        raise PlaybookError(path, line, f"含有禁语“{forbidden[0]}”（见 phrases.yml）")
