"""Spans as values a form can take."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bot.nlu.branches import BranchDirectory
from bot.nlu.values import value_of

# A Wednesday afternoon.
NOW = datetime(2026, 11, 25, 14, 30, tzinfo=ZoneInfo("Asia/Shanghai"))
BRANCHES = BranchDirectory(
    [
        {"code": "B1", "name": "城东支行", "aliases": ["东大街支行"]},
        {"code": "B2", "name": "南湖支行", "aliases": ["万象城网点"]},
        {"code": "B3", "name": "桂林路支行", "aliases": []},
        {"code": "B4", "name": "桂林路营业部", "aliases": []},
        {"code": "B5", "name": "开发区支行", "aliases": [], "address": "云汀市高新区创业大道12号"},
        {"code": "B6", "name": "大学城支行", "aliases": [], "address": "学府路3号"},
        {"code": "B7", "name": "北门支行", "aliases": [], "address": "学府路88号"},
    ]
)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("amount", "三万五", "35000"),
        ("amount", "1千2", "1200"),
        ("amount", "25块8", "25.8"),
        ("amount", "两百五", "250"),
        ("amount", "八毛", "0.8"),
        ("amount", "￥3,280.00", "3280"),
        ("amount", "5w", "50000"),
        ("amount", "二十六七万", "260000"),
        ("amount", "几百块", None),
        ("amount", "三百六十块零五毛", "360.5"),
        ("amount", "十块零五分", "10.05"),
        ("amount", "一万欧元", "10000"),
        ("amount", "快五万", "50000"),
        ("duration", "两个半小时", 150),
        ("duration", "俩钟头", 120),
        ("duration", "三刻钟", 45),
        ("duration", "一上午", 180),
        ("duration", "好久", None),
        ("time", "昨天中午12点05分", "2026-11-24T12:05"),
        ("time", "周五", "2026-11-20"),
        ("time", "一点五十", "2026-11-25T13:50"),
        ("time", "下午三点", "2026-11-24T15:00"),
        ("time", "12月3号", "2025-12-03"),
        ("time", "昨天中午", "2026-11-24"),
        ("time", "上个月", None),
        ("time", "二十六号", "2026-10-26"),
        ("time", "这个月二十号前", None),
        ("time", "31号下午三点", "2026-10-31T15:00"),
        ("time", "腊月二十八", "2026-02-15"),
        ("time", "大年初七", "2026-02-23"),
        ("count", "二十多个人", 20),
        ("count", "三十来个", 30),
        ("phone", "幺五九 二二三幺 七七零八", "15922317708"),
        ("phone", "138-0000-4521", "13800004521"),
        ("phone", "<PHONE_2>", "<PHONE_2>"),
        ("card_tail", "幺二三四", "1234"),
        ("branch", "城东那家", {"code": "B1", "name": "城东支行"}),
        ("branch", "成东支行", {"code": "B1", "name": "城东支行"}),
        ("branch", "万象城网点", {"code": "B2", "name": "南湖支行"}),
        ("branch", "南胡支行", {"code": "B2", "name": "南湖支行"}),
        ("branch", "桂林路", None),
        ("branch", "创业大道那家网点", {"code": "B5", "name": "开发区支行"}),
        ("branch", "学府路那家", None),
        ("branch", "北京路支行", None),
        ("person", "3号窗口的柜员", None),
    ],
)
def test_value(kind: str, text: str, value: Any) -> None:
    assert value_of(kind, text, now=NOW, branches=BRANCHES) == value
