"""Which names may be one person's: one table."""

import pytest

from api.tickets.privacy.names import are_several


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["王小明"],
        ["王小明", " 王小明 ", "王 小明"],
        ["王小明", "王先生"],
        ["王先生", "王老师", "王"],
        ["王女士", "王芳", "王芳女士"],
        ["王师傅", "王小明先生"],
        ["欧阳先生", "欧阳修"],
        ["司马老师", "司马"],
        ["张三·李四"],
    ],
)
def test_one_person(names: list[str]) -> None:
    assert not are_several(names)
    assert not are_several(reversed(names))


@pytest.mark.parametrize(
    "names",
    [
        ["王小明", "李小红"],
        ["王小明", "王大明"],
        ["王小明", "王大明", "王先生"],
        ["王小明", "李先生"],
        ["王先生", "李先生"],
        ["王先生", "王女士"],
        ["王小明", "王先生", "王女士"],
        ["王小明先生", "王女士"],
        ["欧阳先生", "欧阳修女士"],
        ["王小明先生", "王大明先生"],
        ["欧先生", "欧阳修"],
        ["欧阳先生", "欧小明"],
        ["先生", "王小明"],
        ["小王", "王小明"],
        ["王明", "王明明"],
        ["王小明", "John"],
    ],
)
def test_several_or_nobody_knows(names: list[str]) -> None:
    assert are_several(names)
    assert are_several(reversed(names))
