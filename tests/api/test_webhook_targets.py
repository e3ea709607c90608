"""Where a webhook may not send to, however the address is written."""

import socket
from typing import Any

import pytest

from api.tickets.handoff.webhooks.targets import TargetRefusedError, Targets, TargetUnknownError

INSIDE = ("127.0.0.0/8", "10.20.0.0/16", "fd12::/16", "crm.bank.internal", ".desk.internal")


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Every name stands for these; gives the names that were asked."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/", "https://[::1]/", "https://localhost/", "https://0.0.0.0/", "https://[::]/",
        "https://10.0.0.1/", "https://172.16.5.4/", "https://192.168.1.1/", "https://[fd00::1]/",
        "https://169.254.169.254/latest/meta-data/", "https://[fd00:ec2::254]/", "https://100.100.100.200/",
        "https://[fe80::1]/", "https://100.64.0.1/", "https://224.0.0.1/", "https://[ff02::1]/", "https://240.0.0.1/",
        "https://[::ffff:127.0.0.1]/", "https://[::ffff:a9fe:a9fe]/", "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/", "https://[2002:a00:1::]/", "https://[::7f00:1]/", "https://192.0.2.1/", "https://255.255.255.255/",
        "https://2130706433/", "https://0x7f000001/", "https://0x7f.1/", "https://0177.0.0.1/", "https://127.1/",
        "https://017700000001/", "https://127.0.0.1./",
        "http://1.1.1.1/", "ftp://1.1.1.1/", "file:///etc/passwd", "gopher://1.1.1.1/", "//1.1.1.1/", "1.1.1.1", "",
        "https://", "https://user:pass@1.1.1.1/", "https://1.1.1.1/#x", "https://1.1.1.1:0/", "https://1.1.1.1/ x",
        "https://1.1.1.1\\@127.0.0.1/", "https://1.1.1.1/\r\nHost: x", "https://1.1.1.1/" + "x" * 2000,
    ],
)  # fmt: skip
async def test_by_default_nothing_but_the_internet_over_https(url: str) -> None:
    with pytest.raises(TargetRefusedError) as refused:
        await Targets(()).check(url)
    assert refused.value.status == 409


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::ffff:10.0.0.1"])
async def test_a_name_that_stands_for_an_inner_address_is_refused(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    resolving(monkeypatch, "1.1.1.1", address)
    with pytest.raises(TargetRefusedError):
        await Targets(()).check("https://harmless.example/")


async def test_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: Any, **__: Any) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    with pytest.raises(TargetUnknownError):
        await Targets(()).check("https://nowhere.example/")


@pytest.mark.parametrize("item", ["10.20.0.1/16", "http://crm/", "a b", "300.1.1.1", "0x7f.1", ""])
async def test_a_setting_that_is_neither_host_nor_network_is_refused(item: str) -> None:
    with pytest.raises(ValueError, match="TINGSU_WEBHOOK_ALLOW"):
        Targets((item,))


@pytest.mark.parametrize("url", ["https://1.1.1.1/hook", "https://[2606:4700::1111]/", "https://8.8.8.8:8443/a?b=c"])
async def test_the_internet_is_allowed(url: str) -> None:
    assert str((await Targets(()).check(url)).url) == url


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:9000/", "127.0.0.1"),
        ("https://10.20.3.4/", "10.20.3.4"),
        ("https://[::ffff:10.20.3.4]/", "::ffff:a14:304"),
        ("https://[fd12::5]/", "fd12::5"),
    ],
)
async def test_networks_of_the_bank_are_allowed_by_setting(url: str, address: str) -> None:
    assert (await Targets(INSIDE).check(url)).addresses == (address,)


@pytest.mark.parametrize("url", ["http://10.20.3.4/", "https://10.21.0.1/", "https://0x7f.1/", "https://2130706433/"])
async def test_beside_what_is_allowed_nothing_opens(url: str) -> None:
    with pytest.raises(TargetRefusedError):
        await Targets(INSIDE).check(url)


@pytest.mark.parametrize(("host", "may"), [("crm.bank.internal", True), ("a.desk.internal", True), ("CRM.Bank.Internal.", True), ("x.crm.bank.internal", False), ("desk.internal", False), ("evildesk.internal", False)])  # fmt: skip
async def test_hosts_of_the_bank_are_allowed_by_name(monkeypatch: pytest.MonkeyPatch, host: str, may: bool) -> None:
    resolving(monkeypatch, "192.168.7.7")
    targets = Targets(INSIDE)
    if may:
        assert (await targets.check(f"https://{host}/")).addresses == ("192.168.7.7",)
    else:
        with pytest.raises(TargetRefusedError):
            await targets.check(f"https://{host}/")


@pytest.mark.parametrize("address", ["169.254.169.254", "100.100.100.200", "224.0.0.1", "0.0.0.0", "169.254.1.1"])  # noqa: S104 - an address to refuse
async def test_an_allowed_name_opens_no_metadata_service(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    resolving(monkeypatch, address)
    with pytest.raises(TargetRefusedError):
        await Targets(INSIDE).check("https://crm.bank.internal/")


async def test_no_setting_opens_a_metadata_service() -> None:
    with pytest.raises(TargetRefusedError):
        await Targets(("0.0.0.0/0", "100.64.0.0/10")).check("https://169.254.169.254/")
