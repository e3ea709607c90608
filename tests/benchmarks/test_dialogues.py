"""The table of `python -m benchmarks.dialogues`."""

from benchmarks.dialogues import Result, render

HELD = Result("排队", (), turns=4)
ASKED_AGAIN = Result("吞卡", ("asked: branch", "owner: bot, not queued"), turns=7)
STUCK = Result("多扣", ("nothing is asked",))
FORBIDDEN = Result("理财", (), turns=5, forbidden=2)


def row(*results: Result) -> list[str]:
    return [cell.strip() for cell in render(results).splitlines()[2].strip("|").split("|")]


def test_what_is_counted() -> None:
    assert row(HELD, ASKED_AGAIN, STUCK, FORBIDDEN) == ["4", "1", "5", "1", "2"]


def test_every_fault_is_named() -> None:
    assert render([HELD, ASKED_AGAIN]).splitlines()[4:] == ["- 吞卡: asked: branch", "- 吞卡: owner: bot, not queued"]


def test_without_a_ticket_there_is_no_median() -> None:
    assert row(STUCK) == ["1", "0", "–", "0", "0"]
