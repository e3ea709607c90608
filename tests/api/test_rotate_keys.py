"""Keys of personal data: a wrong one is told, and changing one loses nothing, whatever happens meanwhile."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from api.app import create_app
from api.commands import open_database, rotate_keys
from api.core.crypto import Cipher, WrongKeyError
from api.core.db import Database
from api.core.kept import kept_secret
from api.core.keyring import KeyRing, read_file, with_new_key, write_file
from api.core.rotation import left, places, rotate, rotate_batch, rotate_if_needed
from api.core.settings import Settings
from api.migrations.run import all_metadata
from api.tickets.search.upkeep import keep_up
from tests.api.conftest import ROOT, Bridge, Start
from tests.api.stores import Store

ONE, TWO = b"first-key-of-at-least-32-characters", b"second-key-of-at-least-32-character"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Running processes read the ring at every use, so nobody has to wait."""
    monkeypatch.setattr("api.core.crypto._LOOK_AGAIN", 0.0)
    monkeypatch.setattr(rotate_keys, "_SETTLE", 0.0)
    monkeypatch.setattr(rotate_keys, "_WATCH", 0.02)


@pytest.fixture
def database_url(store: Store) -> str | None:
    return store.database_url


async def filled(bridge: Bridge) -> list[tuple[str, str]]:
    """Some tickets with a phone each, and a conversation."""
    talk = await bridge.talk()
    await talk.answered(await talk.say("柜员很凶，我的电话13912345678"))
    made = []
    for number in range(5):
        phone = f"1380000000{number}"
        made.append(((await bridge.file(phone=phone, name=f"客户{number}")).json()["ticket_no"], phone))
    return made


async def check(bridge: Bridge, made: list[tuple[str, str]]) -> None:
    """Everything can be read, and found by its phone."""
    for number, phone in made:
        ticket = (await bridge.http.get(f"/v1/tickets/{number}", headers=bridge.key())).json()
        assert (ticket["phone"], ticket["narrative_raw"]) == (phone, "柜员说交班让我等")
        found = (await bridge.http.get("/v1/tickets", params={"q": phone}, headers=bridge.key())).json()["tickets"]
        assert [one["ticket_no"] for one in found] == [number]


async def command(bridge: Bridge, *arguments: str) -> int:
    return await asyncio.to_thread(rotate_keys.main, list(arguments), bridge.settings)


async def served(bridge: Bridge) -> None:
    """What the server does by itself every now and then."""
    ctx = bridge.app.state.context
    while True:
        await rotate_if_needed(ctx.db, ctx.cipher, all_metadata(), ctx.clock.now, keep_up)
        await asyncio.sleep(0.02)


async def refused(stopped: Bridge, **changes: Any) -> None:
    """The bridge does not start with these keys, and says why."""
    app = create_app(Settings(**{**stopped.settings.model_dump(), **changes, "_env_file": None}))
    with pytest.raises(WrongKeyError, match="请把 TINGSU_PII_KEY"):
        async with app.router.lifespan_context(app):
            pass


# Refusals


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"pii_key": "short"}, "至少要 32 个字符"),
        ({"pii_key": "0:" + "x" * 40}, "1 到 255"),
        ({"pii_key": "256:" + "x" * 40}, "1 到 255"),
        ({"pii_key": "x" * 40, "pii_keys_old": "1:" + "y" * 40}, "用了两次"),
    ],
)
def test_an_unusable_key_is_told(tmp_path: Path, settings: dict[str, str], expected: str) -> None:
    made: Any = Settings(data_dir=tmp_path, _env_file=None, **settings)
    with pytest.raises(ValueError, match=expected):
        made.key_ring()


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"x": "y"}', '{"1": "short"}', '{"1": 7}', '{"300": "%s"}' % ("x" * 40)]
)
def test_a_broken_key_file_is_told(tmp_path: Path, content: str) -> None:
    path = tmp_path / "pii-keys.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(ValueError, match="应为 JSON"):
        read_file(path)


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    write_file(tmp_path / "keys.json", KeyRing({1: ONE}, 1))
    (tmp_path / "keys.json").chmod(0o644)
    with pytest.raises(ValueError, match="权限应为 600"):
        read_file(tmp_path / "keys.json")


def test_a_blob_in_another_column_does_not_open() -> None:
    cipher = Cipher(lambda: KeyRing({1: ONE}, 1))
    blob = cipher.encrypt(b"x", b"tickets.name")
    assert cipher.decrypt(blob, b"tickets.name") == b"x"
    with pytest.raises(WrongKeyError):
        cipher.decrypt(blob, b"tickets.phone")


@pytest.mark.parametrize("place", [0, 1, 13, -1])
def test_a_changed_blob_does_not_open(place: int) -> None:
    cipher = Cipher(lambda: KeyRing({1: ONE}, 1))
    blob = bytearray(cipher.encrypt(b"x", b"a.b"))
    blob[place] ^= 2
    with pytest.raises(WrongKeyError):
        cipher.decrypt(bytes(blob), b"a.b")


@pytest.mark.parametrize("blob", [b"", b"\x01", b"\x01" + b"x" * 12, b"\x09" + b"x" * 40])
def test_what_is_no_blob_does_not_open(blob: bytes) -> None:
    with pytest.raises(WrongKeyError):
        Cipher(lambda: KeyRing({1: ONE}, 1)).decrypt(blob, b"a.b")


async def test_a_wrong_key_is_told_at_start(start: Start, database_url: str | None) -> None:
    first = await start(pii_key="a" * 40, database_url=database_url)
    await filled(first)
    await first.stop()
    await refused(first, pii_key="b" * 40, database_url=database_url)


async def test_a_wrong_key_is_told_at_start_by_the_process_too(start: Start) -> None:
    first = await start(pii_key="a" * 40)
    await first.stop()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TINGSU_")},
        "TINGSU_DATA_DIR": str(first.settings.data_dir),
        "TINGSU_PLAYBOOK": str(ROOT / "playbook"),
        "TINGSU_PORT": "0",
        "TINGSU_PII_KEY": "b" * 40,
        "DATABASE_URL": first.settings.database_url or "",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "api", cwd=ROOT, env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode
    assert "请把 TINGSU_PII_KEY" in errors.decode()


async def test_a_missing_old_key_is_told_at_start(start: Start, database_url: str | None) -> None:
    first = await start(pii_key="a" * 40, database_url=database_url)
    await filled(first)
    await first.stop()
    await refused(first, pii_key="2:" + "b" * 40, database_url=database_url)


async def test_an_older_database_without_a_table_of_keys_tells_a_wrong_key(start: Start) -> None:
    first = await start(pii_key="a" * 40)
    await filled(first)
    await first.stop()
    engine = create_engine(first.settings.sql_url)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM encryption_keys"))
    engine.dispose()
    await refused(first, pii_key="b" * 40)


async def test_a_key_from_the_environment_is_not_invented(bridge: Bridge, start: Start, capsys: Any) -> None:
    await bridge.stop()
    key = (bridge.settings.data_dir / "pii-key").read_text()
    by_hand = bridge.settings.model_copy(update={"pii_key": Settings(pii_key=key, _env_file=None).pii_key})
    assert await asyncio.to_thread(rotate_keys.main, [], by_hand) == 1
    assert "TINGSU_PII_KEYS_OLD=1:" in capsys.readouterr().err


async def test_the_old_key_stays_while_searches_need_it(bridge: Bridge, capsys: Any) -> None:
    """Killed between the last row and the search index: the next run goes on, and until then the key is not let go."""
    await filled(bridge)
    ctx = bridge.app.state.context
    write_file(bridge.settings.key_file, with_new_key(bridge.settings.key_ring()))

    async def dies(_: Database) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await rotate(ctx.db, ctx.cipher, all_metadata(), ctx.clock.now, dies)
    assert await ctx.db.read(lambda connection: left(connection, all_metadata(), 2)) == {"search_tokens": 5}
    await bridge.stop()
    assert await command(bridge, "--remove-old") == 1
    assert "search_tokens 5 行" in capsys.readouterr().err
    assert await command(bridge) == 0
    assert await command(bridge, "--remove-old") == 0


async def test_the_old_key_stays_while_data_needs_it(bridge: Bridge, capsys: Any) -> None:
    await filled(bridge)
    await bridge.stop()
    ring = bridge.settings.key_ring()
    write_file(bridge.settings.key_file, with_new_key(ring))
    assert await command(bridge, "--remove-old") == 1
    assert "还有数据用旧密钥" in capsys.readouterr().err
    assert bridge.settings.key_ring().old == (1,)


# Changing the key


async def test_a_rotation_while_nobody_serves(bridge: Bridge, start: Start, capsys: Any) -> None:
    made = await filled(bridge)
    await bridge.stop()
    assert await command(bridge) == 0
    told = capsys.readouterr().out
    assert "tickets 5 行" in told
    assert "0 行" in told
    assert await command(bridge, "--remove-old") == 0
    assert not (bridge.settings.data_dir / "pii-key").exists()
    assert bridge.settings.key_file.stat().st_mode & 0o777 == 0o600
    again = await start(database_url=bridge.settings.database_url)
    assert again.app.state.context.cipher.ring.current == 2
    await check(again, made)


async def test_running_it_again_changes_nothing_and_makes_no_key(bridge: Bridge) -> None:
    await filled(bridge)
    await bridge.stop()
    assert await command(bridge) == 0
    assert await command(bridge) == 0
    assert bridge.settings.key_ring().current == 2
    assert await command(bridge, "--new-key") == 0
    assert bridge.settings.key_ring().current == 3


async def test_a_rotation_while_the_server_works(bridge: Bridge) -> None:
    """Look-up by phone never fails meanwhile, tokens hold, and what is written meanwhile ends under the new key."""
    made = await filled(bridge)
    talk = await bridge.talk()
    serving = asyncio.create_task(served(bridge))
    rotating = asyncio.create_task(command(bridge))
    while not rotating.done():
        await check(bridge, made)
        number = len(made)
        phone = f"137000000{number:02d}"
        made.append(((await bridge.file(phone=phone)).json()["ticket_no"], phone))
        same = (await bridge.file(phone=made[0][1])).json()
        assert same["merged"] is True
        assert same["ticket_no"] == made[0][0]
    assert await rotating == 0
    serving.cancel()
    await check(bridge, made)
    await talk.answered(await talk.say("还在吗"))
    database = bridge.app.state.context.db
    assert await database.read(lambda connection: left(connection, all_metadata(), 2)) == {}


async def test_no_blob_of_the_old_key_is_left_in_any_column(bridge: Bridge) -> None:
    await filled(bridge)
    await bridge.stop()
    assert await command(bridge) == 0
    engine = create_engine(bridge.settings.sql_url)
    blobs = 0
    with engine.connect() as connection:
        for place in places(all_metadata()):
            for column in place.encrypted:
                for row in connection.execute(text(f'SELECT "{column.name}" FROM {place.table.name}')):  # noqa: S608
                    assert row[0] is None or bytes(row[0])[0] == 2
                    blobs += row[0] is not None
        indexes = [row[0] for row in connection.execute(text("SELECT phone_index FROM tickets"))]
    engine.dispose()
    assert blobs > 30
    assert all(index.startswith("02.") for index in indexes)


async def test_secrets_of_the_database_survive(bridge: Bridge, start: Start) -> None:
    before = await bridge.app.state.context.db.write(lambda connection: kept_secret(connection, "x"))
    await bridge.stop()
    assert await command(bridge) == 0
    assert await command(bridge, "--remove-old") == 0
    again = await start(database_url=bridge.settings.database_url)
    assert await again.app.state.context.db.write(lambda connection: kept_secret(connection, "x")) == before


async def test_a_row_that_changes_meanwhile_is_not_overwritten(bridge: Bridge) -> None:
    """The rotation read the row; before it writes, somebody corrects the phone."""
    (number, _), *_ = await filled(bridge)
    ctx = bridge.app.state.context
    write_file(bridge.settings.key_file, with_new_key(bridge.settings.key_ring()))
    place = next(place for place in places(all_metadata()) if place.table.name == "tickets")

    def both(connection: Any) -> None:
        class Late:
            """The cipher of a rotation that is overtaken at its first row."""

            ring, blind_index, decrypt = ctx.cipher.ring, ctx.cipher.blind_index, ctx.cipher.decrypt
            overtaken = False

            def encrypt(self, value: bytes, at: bytes) -> bytes:
                if not self.overtaken:
                    self.overtaken = True
                    change = place.table.update().where(place.table.c.ticket_no == number)
                    connection.execute(change.values(name="改过的名字"))
                return bytes(ctx.cipher.encrypt(value, at))

        rotate_batch(connection, Late(), place, None)  # type: ignore[arg-type]

    await ctx.db.write(both)
    await rotate(ctx.db, ctx.cipher, all_metadata(), ctx.clock.now, keep_up)
    ticket = (await bridge.http.get(f"/v1/tickets/{number}", headers=bridge.key())).json()
    assert ticket["name"] == "改过的名字"


async def test_two_rotations_at_once_do_no_harm(bridge: Bridge) -> None:
    made = await filled(bridge)
    ctx = bridge.app.state.context
    write_file(bridge.settings.key_file, with_new_key(bridge.settings.key_ring()))
    both = [rotate(ctx.db, ctx.cipher, all_metadata(), ctx.clock.now, keep_up) for _ in range(2)]
    await asyncio.gather(*both)
    await check(bridge, made)


async def test_keys_from_the_environment(start: Start, database_url: str | None) -> None:
    one, two = "a" * 40, "b" * 40
    first = await start(pii_key=one, database_url=database_url)
    made = await filled(first)
    talk = await first.talk()
    await first.stop()
    second = await start(pii_key=f"2:{two}", pii_keys_old=f"1:{one}", database_url=database_url)
    await check(second, made)
    talk.http = second.http
    await talk.say("旧令牌还能用")
    serving = asyncio.create_task(served(second))
    assert await command(second) == 0
    serving.cancel()
    await check(second, made)
    await second.stop()
    third = await start(pii_key=f"2:{two}", database_url=database_url)
    await check(third, made)


async def test_killed_in_the_middle_it_goes_on(start: Start) -> None:
    """kill -9 again and again while a process rotates; nothing is unreadable, and the last run ends it."""
    bridge = await start()
    await filled(bridge)
    await bridge.stop()
    _multiply_events(bridge.settings.sql_url, 3000)
    database_url = bridge.settings.database_url or ""
    environment = {**os.environ, "TINGSU_DATA_DIR": str(bridge.settings.data_dir), "DATABASE_URL": database_url}
    program = [sys.executable, "-m", "api.commands.rotate_keys"]
    killed = 0
    for wait in (0.0, 0.02):
        process = await asyncio.create_subprocess_exec(
            *program, cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        while line := await process.stdout.readline():
            if line.startswith(b"  "):
                break
        await asyncio.sleep(wait)
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        await process.wait()
    assert killed
    assert await command(bridge) == 0
    assert bridge.settings.key_ring().current == 2
    database = open_database(bridge.settings)
    assert await database.read(_unreadable) == 0
    await database.close()


def _multiply_events(url: str, times: int) -> None:
    names = "ticket_no, type, actor, audience, data, created_at"
    multiply = (
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {times}) "  # noqa: S608
        f"INSERT INTO ticket_events ({names}) SELECT {names} FROM ticket_events, n WHERE ticket_events.id = 1"
    )
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(multiply))
    engine.dispose()


def _unreadable(connection: Any) -> int:
    bad = 0
    for place in places(all_metadata()):
        try:
            connection.execute(place.table.select()).all()
        except WrongKeyError:
            bad += 1
    return bad


def test_a_database_keeps_its_own_ring(tmp_path: Path) -> None:
    """Two databases in one process do not share keys."""
    one = Database(f"sqlite:///{tmp_path / 'a'}", Cipher(lambda: KeyRing({1: ONE}, 1)))
    two = Database(f"sqlite:///{tmp_path / 'b'}", Cipher(lambda: KeyRing({1: TWO}, 1)))
    assert one.cipher.blind_index("13800138000") != two.cipher.blind_index("13800138000")
