"""A real OpenID Connect provider (the certified `oidc-provider` of npm) in a process of its own, and a browser for it."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

PLACE = Path(__file__).resolve().parents[1] / "oidc"
BIN = Path(__file__).resolve().parents[2] / ".venv" / "bin"


def installed() -> None:
    """Skips with the reason when npm cannot be reached; never in CI."""
    if (PLACE / "node_modules" / "oidc-provider").exists():
        return
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["npm", "ci", "--silent"],
        cwd=PLACE,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode != 0:
        reason = f"npm could not install oidc-provider: {done.stderr.strip()[:200]}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


@contextmanager
def provider(port: int, url: str, **settings: str) -> Iterator[None]:
    """For the bridge at `url`; `settings` as in provider.mjs."""
    installed()
    told = {"PORT": str(port), "CALLBACK": f"{url}/v1/staff/oidc/callback", "AFTER_LOGOUT": f"{url}/desk/"}
    process = subprocess.Popen(
        [str(BIN / "node"), "provider.mjs"], cwd=PLACE, env={**os.environ, **told, **settings},
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if "ready" in line:
                break
        else:
            raise RuntimeError("the provider did not start")
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # the package's `node` only starts the real one
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


async def sign_in(http: httpx.AsyncClient, url: str, name: str) -> httpx.Response:
    """As a person would: through login and consent, up to the answer of our callback, which is not followed."""
    answer = await http.get(f"{url}/v1/staff/oidc/login")
    for _ in range(12):
        if answer.has_redirect_location:
            where = answer.next_request
            assert where is not None
            if where.url.path.endswith("/oidc/callback"):
                return await http.send(where)
            answer = await http.send(where)
            continue
        assert answer.status_code == 200, answer.text
        action = re.search(r'action="([^"]+)"', answer.text)
        assert action is not None, answer.text
        prompt = "login" if 'value="login"' in answer.text else "consent"
        form = {"prompt": prompt, "login": name, "password": "anything"}
        answer = await http.post(str(answer.url.join(action[1])), data=form)
    raise AssertionError("no way back from the provider")
