"""Files in a directory and in a real S3 server: sealed, found again, removed; and what happens when the store is away."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.core.crypto import Cipher
from api.core.files.errors import FileStoreDamagedError, FileStoreUnavailableError
from api.core.files.store import Bucket, DiskStore, S3Store, Store
from api.core.files.vault import Kept, Vault
from api.core.keyring import KeyRing
from tests.api.files.servers import Process, s3

LATER = time.time() + 1_000_000
CONTENT = os.urandom(600_000)  # three chunks, the last one not full


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bucket, Process]]:
    with s3(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(params=["disk", "s3"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "disk":
        return DiskStore(tmp_path / "files")
    bucket, _ = request.getfixturevalue("server")
    return S3Store(bucket)


def vault_of(store: Store, tmp_path: Path, master: bytes = b"m" * 32) -> Vault:
    return Vault(store, Cipher(lambda: KeyRing({1: master}, 1)), tmp_path / "work")


def keep(vault: Vault, content: bytes) -> Kept:
    with vault.workplace() as place:
        plain = Path(place) / "plain"
        plain.write_bytes(content)
        return vault.keep(plain)


def read(vault: Vault, kept: Kept) -> bytes:
    return b"".join(vault.read(kept.address, kept.key))


# Refused


def test_a_full_disk_keeps_nothing(tmp_path: Path) -> None:
    """A directory that cannot be made stands for every disk that takes no more: ENOSPC has the same way out."""
    (tmp_path / "files").write_text("a file where the directory should be")
    with pytest.raises(FileStoreUnavailableError):
        keep(vault_of(DiskStore(tmp_path / "files"), tmp_path), CONTENT)
    assert not list((tmp_path / "work").iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_disk_that_is_full_while_sealing(tmp_path: Path) -> None:
    vault = vault_of(DiskStore(tmp_path / "files"), tmp_path)
    with vault.workplace() as place:
        plain = Path(place) / "plain"
        plain.write_bytes(CONTENT)
        plain.with_suffix(".sealed").symlink_to("/dev/full")
        with pytest.raises(FileStoreUnavailableError):
            vault.keep(plain)
    assert not list((tmp_path / "files").glob("*"))


def test_an_s3_store_that_is_gone_is_an_honest_refusal(tmp_path: Path) -> None:
    with s3(tmp_path) as (bucket, server):
        vault = vault_of(S3Store(bucket), tmp_path)
        kept = keep(vault, CONTENT)
        server.stop()
        with pytest.raises(FileStoreUnavailableError):
            keep(vault, b"more")
        with pytest.raises(FileStoreUnavailableError):
            read(vault, kept)
        with pytest.raises(FileStoreUnavailableError):
            list(vault.store.each("ab"))
        with pytest.raises(FileStoreUnavailableError):
            vault.store.remove(kept.address, older_than=LATER)


def test_an_s3_store_that_never_answers_does_not_keep_us_waiting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        bucket = Bucket(f"http://127.0.0.1:{silent.getsockname()[1]}", "evidence", "k", "s", "us-east-1")
        store = S3Store(bucket, patience=0.3)
        with pytest.raises(FileStoreUnavailableError):
            keep(vault_of(store, tmp_path), CONTENT)


def test_a_bucket_that_is_missing_is_not_taken_for_an_empty_one(server: tuple[Bucket, Process], tmp_path: Path) -> None:
    bucket, _ = server
    elsewhere = S3Store(Bucket(bucket.url, "no-such-bucket", bucket.key, bucket.secret, bucket.region))
    with pytest.raises(FileStoreUnavailableError):
        keep(vault_of(elsewhere, tmp_path), CONTENT)


def test_what_is_not_there_is_said_to_be_damaged(shelf: Store, tmp_path: Path) -> None:
    vault = vault_of(shelf, tmp_path)
    with pytest.raises(FileStoreDamagedError):
        list(vault.read("ab" * 32, bytes(32)))


@pytest.mark.parametrize("harm", ["bit", "cut", "cut_at_chunk", "longer", "swapped", "empty"])
def test_what_was_changed_on_disk_is_not_given_out(tmp_path: Path, harm: str) -> None:
    vault = vault_of(DiskStore(tmp_path / "files"), tmp_path)
    kept = keep(vault, CONTENT)
    path = next((tmp_path / "files").glob("??/??/*"))
    sealed, chunk = path.read_bytes(), 256 * 1024 + 16
    path.write_bytes(
        {
            "bit": bytes((sealed[0] ^ 1,)) + sealed[1:],
            "cut": sealed[:-1],
            "cut_at_chunk": sealed[:chunk],
            "longer": sealed + sealed[:chunk],
            "swapped": sealed[chunk : 2 * chunk] + sealed[:chunk] + sealed[2 * chunk :],
            "empty": b"",
        }[harm]
    )
    with pytest.raises(FileStoreDamagedError):
        read(vault, kept)


# Kept


@pytest.mark.parametrize("size", [1, 256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, 600_000])
def test_what_was_kept_comes_back(shelf: Store, tmp_path: Path, size: int) -> None:
    vault = vault_of(shelf, tmp_path)
    kept = keep(vault, CONTENT[:size])
    assert kept.size == size
    assert read(vault, kept) == CONTENT[:size]


def test_the_same_content_is_stored_once(tmp_path: Path) -> None:
    vault = vault_of(DiskStore(tmp_path / "files"), tmp_path)
    assert keep(vault, CONTENT) == keep(vault, CONTENT)
    assert len(list((tmp_path / "files").rglob("*"))) == 3  # two levels and the file
    assert not list((tmp_path / "work").iterdir())


def test_nobody_can_find_out_by_its_address_whether_we_have_a_known_file(tmp_path: Path) -> None:
    vault = vault_of(DiskStore(tmp_path / "files"), tmp_path)
    other = vault_of(DiskStore(tmp_path / "others"), tmp_path, master=b"another master key, as long as it")
    kept, theirs = keep(vault, CONTENT), keep(other, CONTENT)
    assert kept.sha256 == theirs.sha256
    assert kept.address not in (kept.sha256, theirs.address)
    sealed = next((tmp_path / "files").glob("??/??/*")).read_bytes()
    assert CONTENT[:64] not in sealed


def test_removing_spares_what_was_put_again(shelf: Store, tmp_path: Path) -> None:
    vault = vault_of(shelf, tmp_path)
    kept = keep(vault, CONTENT)
    assert not shelf.remove(kept.address, older_than=time.time() - 3600)
    assert kept.address in dict(shelf.each(kept.address[:2]))
    assert shelf.remove(kept.address, older_than=LATER)
    assert kept.address not in dict(shelf.each(kept.address[:2]))
    assert shelf.remove(kept.address, older_than=LATER)  # nothing there is as good


def test_what_a_killed_process_left_behind_is_swept(tmp_path: Path) -> None:
    vault = vault_of(DiskStore(tmp_path / "files"), tmp_path)
    left = tmp_path / "work" / "tmpabc"
    left.mkdir(parents=True)
    (left / "plain").write_bytes(b"somebody's photo")
    with vault.workplace() as busy:
        assert vault.sweep_work() == 1
        assert (left.exists(), busy.exists()) == (False, True)
    assert not busy.exists()
