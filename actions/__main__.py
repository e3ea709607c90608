"""`python -m actions`: the action server on the loopback address of TINGSU_ACTIONS_URL."""

import logging
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from rasa_sdk import Action

from actions.afterwards import ActionSupplement
from actions.answer import ActionAnswer, ActionClarify
from actions.bridge import Bridge
from actions.follow_up import ActionProgress, ActionWithdraw, ValidateProgressForm, ValidateWithdrawForm
from actions.handover import ActionHandover, ActionOfferHuman
from actions.intake import ValidateComplaintForm
from actions.safety import ActionSafety
from actions.server import create_app, secret_from_environment
from actions.submit import ActionSubmitComplaint
from contract.playbook import Playbook
from contract.playbook_loader import PlaybookError, load_playbook


def all_actions(bridge: Bridge, playbook: Playbook) -> list[Action]:
    """Every duty, once; the domain names the same (tests/bot/test_domain.py)."""
    return [
        ValidateComplaintForm(bridge, playbook),
        ActionSubmitComplaint(bridge, playbook),
        ActionSupplement(bridge, playbook),
        ActionSafety(bridge, playbook),
        ActionHandover(),
        ActionOfferHuman(bridge, playbook),
        ValidateProgressForm(bridge, playbook),
        ValidateWithdrawForm(bridge, playbook),
        ActionProgress(bridge, playbook),
        ActionWithdraw(bridge, playbook),
        ActionAnswer(bridge, playbook),
        ActionClarify(),
    ]


def main() -> int:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # The executor logs every registered action and, at debug, whole requests.
    logging.getLogger("rasa_sdk").setLevel(logging.ERROR)
    try:
        playbook = load_playbook(Path(os.environ.get("TINGSU_PLAYBOOK", "playbook")))
    except PlaybookError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the operator's one sentence
        return 1
    app = create_app(all_actions(Bridge.from_environment(), playbook), secret_from_environment())
    address = urlsplit(os.environ["TINGSU_ACTIONS_URL"])
    uvicorn.run(
        app,
        host=address.hostname or "127.0.0.1",
        port=address.port or 8002,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=5,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
