"""`make spacy-model`: the optional zh_core_web_sm. Without it the project's own pipeline is used, and nothing is missing.

It is published outside the package index and carries no hash that we could lock, so it is never fetched unasked.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from launcher.setup import BOT, ROOT, SetupError, find_or_install_uv

_RELEASES = "https://github.com/explosion/spacy-models/releases/download"
# spaCy 3.4 (what Rasa 3.6 resolves to) takes the models of the same minor version.
_MODEL = "zh_core_web_sm-3.4.0"


def main() -> int:
    try:
        uv = find_or_install_uv()
    except SetupError as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    wheel = f"{_RELEASES}/{_MODEL}/{_MODEL}-py3-none-any.whl"
    command = [uv, "pip", "install", "--quiet", "--python", str(BOT / "bin" / "python"), wheel]
    try:
        result = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=300, check=False).returncode
    except subprocess.TimeoutExpired:
        result = 1
    if result == 0:
        print("zh_core_web_sm 已安装；下次训练和启动时使用。")
    else:
        print("下载不到 zh_core_web_sm，继续使用自带的中文流水线，功能不受影响。")
    return 0


if __name__ == "__main__":
    sys.exit(main())
