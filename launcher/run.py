"""`make run`: starts the stack under supervisord, waits until it is ready, prints the addresses, stops it on Ctrl-C."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import FrameType

from launcher.checks import check_before_start
from launcher.settings import ROOT, StackSettings, StartError, child_environment, read_settings
from launcher.supervision import write_configuration

# The slowest part is the bot's model; a laptop on battery needs about a third of this.
_READY_SECONDS = 120
_STOP_SECONDS = 25
_LOST_CHILD = re.compile(r"exited: (\w+) \((.*)\)")


class Stack:
    """The running processes of one data directory."""

    def __init__(self, settings: StackSettings) -> None:
        self.settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._log_position = 0

    def start(self) -> None:
        """Starts supervisord; returns at once. Raises StartError when something is in the way."""
        check_before_start(self.settings)
        environment = child_environment(self.settings)
        configuration = write_configuration(self.settings)
        self._log_position = self._supervisor_log.stat().st_size if self._supervisor_log.exists() else 0
        # A session of its own: Ctrl-C reaches the launcher alone, which then stops the children in order.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def wait_until_ready(self) -> None:
        """Returns when `/readyz` is green; raises StartError naming what is missing."""
        deadline = time.monotonic() + _READY_SECONDS
        missing = "api"
        while time.monotonic() < deadline:
            if not self.alive:
                raise StartError(f"进程管理没有启动成功，详见 {self._supervisor_log}。")
            status, missing = self._readiness()
            if status:
                return
            time.sleep(0.2)
        raise StartError(f"等了 {_READY_SECONDS} 秒，{missing} 仍未就绪，详见 {self.settings.log_dir} 下的日志。")

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def lost_children(self) -> list[str]:
        """Children that died since the last call, as sentences; supervisord is already starting them again."""
        if not self._supervisor_log.exists():
            return []
        with self._supervisor_log.open("rb") as log:
            log.seek(self._log_position)
            text = log.read().decode("utf-8", "replace")
            self._log_position = log.tell()
        return [f"{name} 意外退出（{how}），正在重新启动" for name, how in _LOST_CHILD.findall(text)]

    def stop(self) -> None:
        """Stops every process: TERM, and after a grace period KILL. Safe to call twice."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    @property
    def _supervisor_log(self) -> Path:
        return self.settings.log_dir / "supervisord.log"

    def _readiness(self) -> tuple[bool, str]:
        try:
            with urllib.request.urlopen(f"{self.settings.url}/readyz", timeout=3) as answer:
                return answer.status == 200, ""
        except urllib.error.HTTPError as error:
            return False, _named_missing(error.read())
        except OSError:
            return False, "api"


def _named_missing(body: bytes) -> str:
    try:
        parts = json.loads(body).get("checks", {})
        return "、".join(name for name, part in parts.items() if part.get("status") != "ok") or "api"
    except (ValueError, AttributeError):
        return "api"


def main() -> int:
    try:
        settings = read_settings()
        return _run(Stack(settings))
    except StartError as error:
        print(f"\n✗ {error}", file=sys.stderr)
        return 1


def _run(stack: Stack) -> int:
    signal.signal(signal.SIGTERM, _as_interrupt)
    started = time.monotonic()
    print("· 启动 … ", end="", flush=True)
    try:
        stack.start()
        stack.wait_until_ready()
        print(f"{time.monotonic() - started:.1f} 秒")
        _print_addresses(stack.settings)
        while stack.alive:
            for sentence in stack.lost_children():
                print(f"! {time.strftime('%H:%M:%S')} {sentence}", flush=True)
            time.sleep(1)
        raise StartError(f"进程管理意外退出，详见 {stack.settings.log_dir / 'supervisord.log'}。")
    except KeyboardInterrupt:
        print("\n· 正在停止 … ", end="", flush=True)
        return 0
    finally:
        # A second Ctrl-C must not leave children behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        stack.stop()
        print("已停止", flush=True)


def _as_interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _print_addresses(settings: StackSettings) -> None:
    print(f"\n  客户演示页   {settings.url}/demo/")
    print(f"  工作台       {settings.url}/desk/")
    print(f"  接口文档     {settings.url}/docs")
    password = settings.data_dir / "admin-password.txt"
    shown = settings.data_dir / "run" / "admin-password-shown"
    if password.exists() and not shown.exists():
        print(
            f"\n  管理员账号 admin，密码 {password.read_text(encoding='utf-8').strip()}（只显示这一次，存于 {password}）"
        )
        shown.touch()
    if settings.environment.get("TINGSU_CLOCK"):
        print(f"\n  注意：演示时钟，从 {settings.environment['TINGSU_CLOCK']} 开始")
    print(f"\n  日志 {settings.log_dir}；按 Ctrl-C 停止。", flush=True)


if __name__ == "__main__":
    sys.exit(main())
