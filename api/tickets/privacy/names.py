"""Whether names may be those of one person: 王先生 is 王小明 while nobody else is called 王. Pure; in doubt they are several."""

import re
from collections.abc import Iterable

# Surnames of two characters; others are taken for one character and a given name, and then count as several people.
_COMPOUND = frozenset(
    "欧阳 司马 上官 诸葛 东方 皇甫 尉迟 公孙 慕容 令狐 宇文 长孙 司徒 司空 夏侯 端木 南宫 西门 独孤 百里 东郭 呼延 轩辕 闻人 澹台"
    " 公冶 濮阳 淳于 申屠 钟离 鲜于 闾丘 赫连 拓跋 万俟 宗政 第五".split()
)
_MEN, _WOMEN = ("先生", "大爷", "大哥", "叔叔"), ("女士", "小姐", "太太", "阿姨", "大妈", "大姐", "夫人")
_OTHERS = ("老师", "师傅", "同学", "老板", "会计", "经理", "医生", "同志")
_TITLED = re.compile(rf"^(?P<called>.+?)(?P<title>{'|'.join((*_MEN, *_WOMEN, *_OTHERS))})$")
_BLANK = re.compile(r"\s+")


def are_several(names: Iterable[str]) -> bool:
    """Two full names are always two people, and so are a 先生 and a 女士."""
    full: set[str] = set()
    called: dict[str, set[str]] = {}  # by surname: as a man, as a woman, or neither
    for name in names:
        word, sex = _parted(_BLANK.sub("", name))
        if not word:
            continue
        surname = _surname(word)
        called.setdefault(surname, set()).update(sex)
        if word != surname:
            full.add(word)
    return len(full) > 1 or len(called) > 1 or any(len(sexes) > 1 for sexes in called.values())


def _parted(name: str) -> tuple[str, set[str]]:
    """The name without its title, and what that says."""
    found = _TITLED.match(name)
    if found is None:
        return name, set()
    title = found["title"]
    return found["called"], {"man"} if title in _MEN else {"woman"} if title in _WOMEN else set()


def _surname(word: str) -> str:
    return word[:2] if word[:2] in _COMPOUND else word[:1]
