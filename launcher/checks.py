"""What can be known before anything starts, each failure one sentence that says what to do."""

import shutil
import socket
from pathlib import Path

from contract.playbook_loader import PlaybookError, load_playbook
from launcher.settings import HOST, ROOT, StackSettings, StartError

# SQLite, Redis and the logs of a day fit well inside; less is a disk about to be full.
_FREE_BYTES = 200 * 1024 * 1024


def check_before_start(settings: StackSettings) -> None:
    """Raises StartError at the first thing that would keep the stack from running."""
    _check_data_dir(settings.data_dir)
    _check_playbook(settings.playbook)
    for name, port in settings.ports.items():
        _check_port(name, port)
    if not list((ROOT / "models").glob("*.tar.gz")):
        raise StartError("还没有模型：请先运行 make train。")


def _check_data_dir(directory: Path) -> None:
    try:
        for part in (directory, directory / "logs", directory / "run"):
            part.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)
        probe = directory / "run" / "write-probe"
        probe.write_bytes(b"\0" * 65536)
        probe.unlink()
    except OSError as error:
        if error.errno == 28:
            raise StartError(f"磁盘已满，无法写入 {directory}：请清理出空间后再试。") from None
        raise StartError(
            f"无法写入数据目录 {directory}（{error.strerror}）：请检查权限，或用 TINGSU_DATA_DIR 换一个。"
        ) from None
    if shutil.disk_usage(directory).free < _FREE_BYTES:
        raise StartError(f"磁盘快满了：{directory} 所在的磁盘可用空间不足 200 MB，请清理后再试。")


def _check_playbook(directory: Path) -> None:
    try:
        load_playbook(directory)
    except PlaybookError as error:
        raise StartError(f"规则文件有误：{error}。请改正后再启动。") from None


def _check_port(name: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise StartError(
                f"端口 {port}（{name}）已被占用：请关闭占用它的程序，或设置 TINGSU_PORT 换一组端口后再试。"
            ) from None
