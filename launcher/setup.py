"""Brings a fresh clone to a state that runs. Standard library only: it starts before any environment exists.

Each step prints its name and time and is skipped when its inputs have not changed since it last succeeded.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
MODERN = ROOT / ".venv"
BOT = ROOT / "bot" / ".venv"
WEB = ROOT / "web"
STAMPS = TOOLS / "stamps"


class SetupError(Exception):
    """Set-up cannot go on; `str()` is one sentence that says what to do."""


def main() -> int:
    parser = argparse.ArgumentParser(description="准备运行环境")
    parser.add_argument("--only", choices=["environments", "web", "model", "all"], default="all")
    only = parser.parse_args().only
    try:
        uv = _step("uv", find_or_install_uv)
        _step("环境 .venv（Python ≥ 3.11）", lambda: _environment(uv, MODERN, ROOT, _modern_python))
        _step("环境 bot/.venv（Rasa，Python 3.10）", lambda: _environment(uv, BOT, ROOT / "bot", python_310))
        if only in ("web", "all"):
            _step("网页", _build_web)
        if only in ("model", "all"):
            _step("模型", _train)
    except SetupError as error:
        print(f"\n✗ {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"\n✗ {_os_sentence(error)}", file=sys.stderr)
        return 1
    return 0


def _step(name: str, work: Callable[[], str | None]) -> str:
    print(f"· {name} … ", end="", flush=True)
    started = time.monotonic()
    result = work()
    note = "未变化，跳过" if result is None else f"{time.monotonic() - started:.1f} 秒"
    print(note, flush=True)
    return result or ""


def _os_sentence(error: OSError) -> str:
    if error.errno == 28:
        return "磁盘已满：请清理出至少 3 GB 空间后再试。"
    return f"无法读写 {error.filename}：{error.strerror}。请检查权限后再试。"


def find_or_install_uv() -> str:
    local = TOOLS / "bin" / "uv"
    for candidate in (shutil.which("uv"), str(local)):
        if candidate and _output([candidate, "--version"]):
            return candidate
    for command in (
        [sys.executable, "-m", "venv", str(TOOLS)],
        [str(TOOLS / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv"],
    ):
        if not _run(command, ROOT):
            raise SetupError("装不上 uv：请先安装 uv，或安装系统的 python3-venv 包，然后重试。")
    return str(local)


def _modern_python(uv: str) -> str:
    for version in ("3.12", "3.13", "3.11"):
        found = _interpreter(uv, version)
        if found:
            return found
    raise SetupError("找不到 Python 3.11 或更新的版本：请安装一个（例如 pyenv install 3.12），然后重试。")


def python_310(uv: str) -> str:
    found = _interpreter(uv, "3.10")
    if not found:
        raise SetupError("找不到 Python 3.10（Rasa 3.6 只支持到它）：请安装（例如 pyenv install 3.10），然后重试。")
    return found


def _interpreter(uv: str, version: str) -> str:
    """uv's own, then PATH (run it: a pyenv shim may exist and fail), then pyenv's versions, then a download."""
    managed = _output([uv, "python", "find", "--managed-python", "--no-python-downloads", version])
    candidates = [managed, shutil.which(f"python{version}") or "", sys.executable, *_pyenv_pythons(version)]
    for candidate in candidates:
        if candidate and _is_version(candidate, version):
            return candidate
    if _run([uv, "python", "install", "--quiet", version], ROOT, quiet=True):
        return _output([uv, "python", "find", "--managed-python", version])
    return ""


def _pyenv_pythons(version: str) -> Iterable[str]:
    root = _output(["pyenv", "root"]) or os.environ.get("PYENV_ROOT", "") or str(Path.home() / ".pyenv")
    return (str(path) for path in sorted(Path(root, "versions").glob(f"{version}.*/bin/python"), reverse=True))


def _is_version(python: str, version: str) -> bool:
    return _output([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]) == version


def _environment(uv: str, environment: Path, project: Path, find: Callable[[str], str]) -> str | None:
    lock = project / "requirements.lock"
    stand_ins = sorted((project / "stand_ins").rglob("*.py")) if project != ROOT else []
    stamp = _stamp(environment.relative_to(ROOT), [lock, *stand_ins])
    if stamp is None and _output([str(environment / "bin" / "python"), "-c", "print(1)"]) == "1":
        return None
    if not (environment / "bin" / "python").exists():
        _must([uv, "venv", "--quiet", "--clear", "--python", find(uv), str(environment)], "建不了虚拟环境")
    python = str(environment / "bin" / "python")
    _must(
        [uv, "pip", "sync", "--quiet", "--python", python, "--require-hashes", str(lock)],
        "装不上依赖，请检查到软件源的网络",
    )
    _write_stamp(environment.relative_to(ROOT), [lock, *stand_ins])
    return "ok"


def _build_web() -> str | None:
    sources = [path for path in WEB.rglob("*") if path.is_file() and not {"node_modules", "dist"} & set(path.parts)]
    if _stamp(Path("web"), sources) is None and (WEB / "dist").exists():
        return None
    npm = str(MODERN / "bin" / "npm")
    environment = {**os.environ, "PATH": f"{MODERN / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    _must([npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"], "装不上网页的依赖", cwd=WEB, env=environment)
    _must([npm, "run", "--silent", "build"], "网页没有构建成功", cwd=WEB, env=environment)
    _write_stamp(Path("web"), sources)
    return "ok"


def _train() -> str | None:
    """bot.train knows its own inputs; it prints nothing and exits 0 when the model is up to date."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'bot' / 'stand_ins'}{os.pathsep}{ROOT}"}
    newest = _newest_model()
    _must([str(BOT / "bin" / "python"), "-m", "bot.train"], "模型没有训练成功", env=environment)
    return None if newest and newest == _newest_model() else "ok"


def _newest_model() -> Path | None:
    models = sorted((ROOT / "models").glob("*.tar.gz"), key=lambda path: path.stat().st_mtime)
    return models[-1] if models else None


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(str(path.relative_to(ROOT)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _stamp_file(name: Path) -> Path:
    return STAMPS / re.sub(r"\W+", "-", str(name)).strip("-")


def _stamp(name: Path, inputs: Iterable[Path]) -> str | None:
    """The digest of the inputs, or None when it is the one of the last success."""
    digest = _digest(inputs)
    file = _stamp_file(name)
    return None if file.exists() and file.read_text() == digest else digest


def _write_stamp(name: Path, inputs: Iterable[Path]) -> None:
    STAMPS.mkdir(parents=True, exist_ok=True)
    _stamp_file(name).write_text(_digest(inputs))


def _output(command: list[str]) -> str:
    """The command's output, or "" when it cannot be run or fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _run(command: list[str], cwd: Path, *, quiet: bool = False) -> bool:
    target = subprocess.DEVNULL if quiet else None
    try:
        return subprocess.run(command, cwd=cwd, stdout=target, stderr=target, check=False).returncode == 0
    except OSError:
        return False


def _must(command: list[str], failure: str, *, cwd: Path = ROOT, env: dict[str, str] | None = None) -> None:
    result = subprocess.run(command, cwd=cwd, env=env, text=True, capture_output=True, check=False)
    if result.returncode != 0:
        lines = (result.stderr.strip() or result.stdout.strip() or "没有输出").splitlines()
        if any("No space left" in line for line in lines):
            raise SetupError("磁盘已满：请清理出至少 3 GB 空间后再试。")
        log = TOOLS / "setup.log"
        log.parent.mkdir(exist_ok=True)
        log.write_text("\n".join([" ".join(command), *lines]), encoding="utf-8")
        raise SetupError(f"{failure}：{_reason(lines)}（全文见 {log.relative_to(ROOT)}）")


def _reason(lines: list[str]) -> str:
    """The last line that says something; tools print their sentence last."""
    return next(
        (line.strip() for line in reversed(lines) if line.strip() and not line.startswith(" ")), lines[-1].strip()
    )


if __name__ == "__main__":
    sys.exit(main())
