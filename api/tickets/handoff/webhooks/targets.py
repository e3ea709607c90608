"""Where a webhook may send to: the address is checked after the name was resolved, and that very address is connected to.

By default the internet over https and nothing else. Receivers inside the bank stand in `TINGSU_WEBHOOK_ALLOW` by host
(`crm.bank.internal`, or `.bank.internal` for all below it) or by network (`10.20.0.0/16`); http is for loopback only.
"""

import asyncio
import ipaddress
import re
import socket
from dataclasses import dataclass

import httpx

from api.core.errors import ContradictionError

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_LONGEST = 2000  # characters of a URL
_RESOLVE = 5.0  # seconds for the name server

# Answer with credentials to whoever asks from inside a cloud; no setting opens them.
_METADATA = frozenset(map(ipaddress.ip_address, ("169.254.169.254", "fd00:ec2::254", "100.100.100.200")))
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")
# What an allowed host name may stand for.
_INSIDE = tuple(
    map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fc00::/7", "::1/128"))
)


class TargetRefusedError(ContradictionError):
    """The address is not one that a webhook may send to."""

    code = "webhook_target_refused"
    message = "不能向这个地址推送：只允许 https 的公网地址；行内系统请先由运维加入 TINGSU_WEBHOOK_ALLOW。"


class TargetUnknownError(ContradictionError):
    """The host's name cannot be resolved now."""

    code = "webhook_target_unknown"
    message = "解析不到这个域名，请检查地址是否写对，或稍后再试。"


@dataclass(frozen=True, slots=True)
class Target:
    """A checked place: the URL as it was given, and the addresses to connect to, best first."""

    url: httpx.URL
    addresses: tuple[str, ...]


class Targets:
    """The rules of one app. Raises ValueError for a setting that is neither host nor network."""

    def __init__(self, allow: tuple[str, ...]) -> None:
        self._networks: list[_Network] = []
        self._hosts: list[str] = []
        for item in allow:
            self._add(item)

    async def check(self, url: str) -> Target:
        """Raises TargetRefusedError or TargetUnknownError."""
        parsed = self._parsed(url)
        port = parsed.port or (443 if parsed.scheme == "https" else 80)
        addresses = await _resolve(parsed.raw_host.decode(), port)
        named = self._is_named(parsed.host)
        for address in addresses:
            plain = parsed.scheme == "http" and not _bare(address).is_loopback
            if plain or not all(self._may(seen, named=named) for seen in _faces(address)):
                raise TargetRefusedError
        return Target(parsed, tuple(str(address) for address in addresses))

    def _add(self, item: str) -> None:
        try:
            self._networks.append(ipaddress.ip_network(item))
        except ValueError:
            if not re.fullmatch(r"\.?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", item) or _looks_numeric(item):
                raise ValueError(
                    f"TINGSU_WEBHOOK_ALLOW 的 {item!r} 不是主机名或网段，例如 crm.bank.internal,10.20.0.0/16"
                ) from None
            self._hosts.append(item.lower())

    def _parsed(self, url: str) -> httpx.URL:
        if len(url) > _LONGEST or re.search(r"[\s\x00-\x1f\x7f\\]", url):
            raise TargetRefusedError("地址太长，或含有空格、反斜线等字符，请检查。")
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, ValueError) as error:
            raise TargetRefusedError("这不是完整的网址，请以 https:// 开头。") from error
        if parsed.scheme not in ("https", "http") or not parsed.host:
            raise TargetRefusedError("这不是完整的网址，请以 https:// 开头。")
        if parsed.userinfo or parsed.fragment or parsed.port == 0:
            raise TargetRefusedError("地址里不要带用户名、密码或 # 后的内容。")
        if _looks_numeric(parsed.host):
            raise TargetRefusedError
        return parsed

    def _is_named(self, host: str) -> bool:
        host = host.lower().rstrip(".")
        return any(host == known or (known[0] == "." and host.endswith(known)) for known in self._hosts)

    def _may(self, address: _Address, *, named: bool) -> bool:
        if address in _METADATA:
            return False
        if any(address in network for network in self._networks):
            return True
        if named and any(address in network for network in _INSIDE):
            return True
        return address.is_global and not address.is_multicast and not address.is_reserved


async def _resolve(host: str, port: int) -> list[_Address]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_RESOLVE):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError) as error:
        raise TargetUnknownError from error
    # A zone (fe80::1%eth0) belongs to link-local addresses, which are refused.
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    if not addresses:
        raise TargetUnknownError
    return list(dict.fromkeys(addresses))


def _looks_numeric(host: str) -> bool:
    """Numbers that a resolver takes for an IPv4 address though they do not look like one (2130706433, 0x7f.1, 0177.0.0.1)."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return re.fullmatch(r"(?i)\d+|0x[0-9a-f]*", host.rstrip(".").rpartition(".")[2]) is not None
    return False


def _bare(address: _Address) -> _Address:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _faces(address: _Address) -> list[_Address]:
    """The address, and the IPv4 addresses that a gateway would make of it (6to4, Teredo, NAT64)."""
    bare = _bare(address)
    if not isinstance(bare, ipaddress.IPv6Address):
        return [bare]
    hidden: list[_Address] = [found for found in (bare.sixtofour, *(bare.teredo or ())) if found is not None]
    if bare in _NAT64 or (bare in _COMPATIBLE and int(bare) > 1):
        hidden.append(ipaddress.IPv4Address(int(bare) & 0xFFFFFFFF))
    return [bare, *hidden]
