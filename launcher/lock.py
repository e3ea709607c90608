"""`make lock`: exact versions with hashes for both environments.

Not uv.lock: that format records the address of the package registry, and every bank installs from its own mirror.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from launcher.setup import ROOT, SetupError, find_or_install_uv

_COMMON = ["--group", "dev", "--generate-hashes", "--no-header", "--no-annotate", "--quiet", "--universal"]


def main() -> int:
    try:
        uv = find_or_install_uv()
    except SetupError as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    for project, version in ((ROOT, "3.11"), (ROOT / "bot", "3.10"), (ROOT / "benchmarks" / "stock", "3.10")):
        command = [uv, "pip", "compile", "pyproject.toml", "-o", "requirements.lock", "--python-version", version]
        if subprocess.run([*command, *_COMMON], cwd=project, check=False).returncode != 0:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
