"""The checked address is the one connected to, under the receiver's own name and certificate."""

import datetime as dt
import ipaddress
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.api.conftest import Bridge, Start
from tests.api.receiver import Receiver
from tests.api.test_webhooks import QUICK, call, filed, until, webhook

NAME = "receiver.bank.internal"


def certificate(directory: Path, name: str) -> tuple[Path, Path, Path]:
    """CA, certificate and key for `name`, as a bank's own authority would issue them."""
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "本行测试根证书")])
    now = dt.datetime.now(dt.UTC)

    def signed(subject: str, public: Any, *extensions: tuple[x509.ExtensionType, bool]) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=1))
            .not_valid_after(now + dt.timedelta(hours=1))
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    paths = directory / "ca.pem", directory / f"{name}.pem", directory / f"{name}.key"
    identifier = x509.SubjectKeyIdentifier.from_public_key(authority.public_key())
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    paths[0].write_bytes(
        signed("本行测试根证书", authority.public_key(), (x509.BasicConstraints(True, None), True), (identifier, False), (usage, True))
    )  # fmt: skip
    alternative = x509.SubjectAlternativeName([x509.DNSName(name)])
    of = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())
    paths[1].write_bytes(signed(name, key.public_key(), (alternative, False), (of, False)))
    form = serialization.PrivateFormat.PKCS8
    paths[2].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return paths


class Names:
    """A name server: each name's addresses, one list for each time that it is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = 0
        self.answers: list[str] = ["127.0.0.1"]
        self._real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self._lookup)

    def _lookup(self, host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        if host != NAME:
            return self._real(host, port, *rest, **more)
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        family = socket.AF_INET if ipaddress.ip_address(answer).version == 4 else socket.AF_INET6
        return [(family, socket.SOCK_STREAM, 6, "", (answer, port))]


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[Receiver]:
    _, cert, key = certificate(tmp_path, NAME)
    started = Receiver(ssl_certfile=cert, ssl_keyfile=key)
    await started.start()
    started.url = started.url.replace("http://127.0.0.1", f"https://{NAME}")
    yield started
    await started.server.stop()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(monkeypatch)


@pytest.fixture
async def bridge(start: Start, tmp_path: Path, receiver: Receiver, names: Names) -> Bridge:
    settings = {**QUICK, "webhook_allow": (NAME,), "webhook_ca_file": tmp_path / "ca.pem"}
    started: Bridge = await start(**settings)
    return started


async def test_a_receiver_inside_is_reached_by_name_with_the_banks_own_certificate(
    bridge: Bridge, receiver: Receiver, names: Names
) -> None:
    made = await webhook(bridge, receiver.url + "/hook?a=b")
    await filed(bridge, 1)
    await receiver.until(1)
    assert receiver.verified(made["secret"])
    port = receiver.url.rpartition(":")[2]
    assert receiver.requests[0][0]["host"] == f"{NAME}:{port}"
    # Once when it was made and once for the delivery: never between check and connection.
    assert names.asked == 2


async def test_a_name_that_moves_inside_after_it_was_accepted_is_not_followed(
    bridge: Bridge, receiver: Receiver, names: Names
) -> None:
    """DNS rebinding: harmless when the webhook is made, a metadata service when it delivers."""
    names.answers = ["127.0.0.1", "169.254.169.254"]
    made = await webhook(bridge, receiver.url)
    await filed(bridge, 1)
    (dead,) = await until(bridge, made, "dead")
    assert (dead["last_error"], receiver.events) == ("target_refused", [])


async def test_another_certificate_is_not_accepted(start: Start, receiver: Receiver, names: Names) -> None:
    bridge = await start(**{**QUICK, "webhook_allow": (NAME,)})
    made = await webhook(bridge, receiver.url)
    tested = await call(bridge, "POST", f"/v1/webhooks/{made['id']}/test")
    assert tested == {"delivered": False, "status": None, "error": "tls"}
