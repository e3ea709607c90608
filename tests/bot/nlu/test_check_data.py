"""What is wrong with training data is said with file, line and reason."""

from pathlib import Path
from typing import List

import pytest

from bot.nlu.check_data import faults, weaknesses

GOOD = "{cause: C6b, level: 1, voice: chat}"


def write(root: Path, *blocks: str) -> Path:
    (root / "chat.yml").write_text('version: "3.1"\nnlu:\n' + "".join(blocks), encoding="utf-8")
    return root


def block(*lines: str, metadata: str = GOOD, intent: str = "complain") -> str:
    examples = "".join(f"    - {line}\n" for line in lines)
    return f"- intent: {intent}\n  metadata: {metadata}\n  examples: |\n{examples}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (block("卡吞了", metadata="{cause: C44, level: 1, voice: chat}"), "chat.yml:3: cause 没有 C44 这个代码"),
        (block("卡吞了", metadata="{cause: C6e, level: 1, voice: chat}"), "chat.yml:3: cause 没有 C6e 这个代码"),
        (
            block("卡吞了", metadata="{cause: C6b, cause2: X, level: 1, voice: chat}"),
            "chat.yml:3: cause2 没有 X 这个代码",
        ),
        (block("卡吞了", metadata="{cause: C6b, level: 5, voice: chat}"), "chat.yml:3: level 应为 0 到 4，现在是 5"),
        (block("卡吞了", metadata="{cause: C6b, level: 1}"), "chat.yml:3: metadata 缺少 level 或 voice"),
        (block("卡吞了", metadata="{level: 1, voice: chat}"), "chat.yml:3: complain 必须有 cause"),
        (block("你好", intent="greet"), "chat.yml:3: greet 不能有 cause"),
        (block("[机器](device)把卡吞了"), "chat.yml:6: 没有 device 这种实体"),
        (block("[三百](amount没到账"), "chat.yml:6: 方括号标注没有写完整"),
        (block("/吞卡"), "chat.yml:6: 例句不能以 / 开头（Rasa 当作命令）"),
    ],
)
def test_a_faulty_line_is_named(tmp_path: Path, text: str, said: str) -> None:
    assert said in faults(write(tmp_path, text))


def test_the_same_words_with_another_label(tmp_path: Path) -> None:
    other = block("机器把卡吞了。", metadata="{cause: C1a, level: 1, voice: chat}")

    assert faults(write(tmp_path, block("机器把卡吞了"), other)) == [
        "chat.yml:10: 与 chat.yml:6 是同一句话，标注却不同"
    ]


def test_a_file_that_is_no_yaml(tmp_path: Path) -> None:
    (tmp_path / "chat.yml").write_text("nlu: [x\n", encoding="utf-8")

    assert [it.partition(": ")[0] for it in faults(tmp_path)] == ["chat.yml:2"]


def _alike(root: Path, *blocks: str) -> List[str]:
    return [it for it in weaknesses(write(root, *blocks)) if "几乎相同" in it]


def test_nearly_the_same_line_twice(tmp_path: Path) -> None:
    lines = block("存款机把我的卡吞了一上午没人管", "存款机把我的卡吞了一上午没人管啊")

    assert len(_alike(tmp_path, lines)) == 1


def test_a_hard_pair_differs_in_its_label(tmp_path: Path) -> None:
    calm = block("存款机把我的卡吞了一上午没人管")
    angry = block("存款机把我的卡吞了一上午没人管!", metadata="{cause: C6b, level: 2, voice: chat}")

    assert _alike(tmp_path, calm, angry) == []


def test_the_repositorys_data_is_sound() -> None:
    assert faults(Path(__file__).resolve().parents[3] / "data" / "nlu") == []
