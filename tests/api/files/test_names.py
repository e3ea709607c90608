"""A file's name as it may be kept."""

import pytest

from api.core.files.names import LONGEST, safe_name

JPG = ("jpg", "jpeg")


@pytest.mark.parametrize(
    ("declared", "kept"),
    [
        (None, "附件.jpg"),
        ("", "附件.jpg"),
        ("...", "附件.jpg"),
        ("../../etc/passwd", "passwd.jpg"),
        ("C:\\Users\\wang\\回单.JPG", "回单.jpg"),
        ("/abs/path/", "附件.jpg"),
        ("a\0b\r\nSet-Cookie: x=1.jpg", "abSet-Cookiex x=1.jpg"),
        ("回单\u202egpj.exe", "回单gpj.exe.jpg"),
        ("shell.php", "shell.php.jpg"),
        ("photo.jpeg", "photo.jpeg"),
        ("photo", "photo.jpg"),
        ('"quoted"; filename=x.html', "xquotedx; filename=x.html.jpg"),
        (".htaccess", "htaccess.jpg"),
        ("IMG_20261126_153012.jpg", "IMG_20261126_153012.jpg"),
        ("6222021234567890128.jpg", "622202xxxxxxxxx0128.jpg"),
        ("银行卡_6222021234567890128_正面.jpg", "银行卡_622202xxxxxxxxx0128_正面.jpg"),
        ("身份证11010119900307002X.jpg", "身份证110101xxxxxxxx002X.jpg"),
        ("回单６２２２０２１２３４５６７８９０１２８.jpg", "回单622202xxxxxxxxx0128.jpg"),
    ],
)
def test_nothing_of_a_name_does_harm(declared: str | None, kept: str) -> None:
    assert safe_name(declared, JPG) == kept


def test_a_long_name_is_cut_and_keeps_its_extension() -> None:
    name = safe_name("证" * 500 + ".jpg", JPG)
    assert len(name) == LONGEST
    assert name.endswith("证.jpg")
    assert safe_name("x." + "y" * 500, JPG).endswith(".jpg")
