"""What decides who is let in, and what is said about people, is its owner's alone, whatever the umask."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.access import Role
from app.access.users import Users
from app.api.idempotency import Requests
from app.policy import install, load_policy, profile_file
from pipeline.config import Settings
from pipeline.errors import AccessError, ConfigError
from pipeline.gallery import Anchor, private
from pipeline.weights.choice import write_choice
from tests.commands import runner

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")


@pytest.fixture(autouse=True)
def _generous_umask() -> Iterator[None]:
    before = os.umask(0o000)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_policy_nobody_else_may_write(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "data" / "knownface")
    install(settings, profile_file("strict"))
    install(settings, profile_file("strict"))
    assert mode(settings.home / "policy.toml") == 0o600
    assert (mode(tmp_path / "data"), mode(settings.home)) == (0o700, 0o700)


def test_nobody_else_may_swap_a_run_or_who_has_access(tmp_path: Path) -> None:
    home = tmp_path / "home"
    private.make_folder(home / "runs" / "summer")
    assert [mode(folder) for folder in (home, home / "runs", home / "runs" / "summer")] == [0o700] * 3
    Users(tmp_path / "other" / "home").add("ada", Role.ADMIN, "correct horse battery")
    Requests(tmp_path / "third" / "home").begin("ada", "key", b"")
    assert [mode(tmp_path / name / "home") for name in ("other", "third")] == [0o700] * 2


def test_an_export_of_the_log_is_not_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], models_home: Path
) -> None:
    monkeypatch.setenv("KNOWNFACE_HOME", str(models_home))
    run = runner(capsys, "--gallery", tmp_path / "gallery")
    assert run("audit", "export", "--out", tmp_path / "log.jsonl").code == 0
    assert mode(tmp_path / "log.jsonl") == 0o600


def test_a_settings_file_with_a_password_stays_as_private_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    write_choice(file, {"embedder": "one.a"})
    assert mode(file) == 0o600
    file.chmod(0o640)
    write_choice(file, {"embedder": "two.b"})
    assert (mode(file), "two.b" in file.read_text()) == (0o640, True)


@pytest.mark.parametrize("bits", [0o002, 0o020, 0o022])
def test_a_policy_that_others_may_write_is_refused(tmp_path: Path, bits: int) -> None:
    settings = Settings(home=tmp_path)
    install(settings, profile_file("strict"))
    file = tmp_path / "policy.toml"
    file.chmod(0o644)
    assert load_policy(settings).name == "strict", "reading it is no harm"
    file.chmod(0o644 | bits)
    with pytest.raises(ConfigError, match="chmod go-w"):
        load_policy(settings)
    elsewhere = tmp_path / "elsewhere.toml"
    elsewhere.write_text('name = "lax"')
    with pytest.raises(ConfigError, match="others may write the policy"):
        load_policy(Settings(home=tmp_path, policy=str(elsewhere)))


def test_who_has_access_is_refused_where_others_may_change_it(tmp_path: Path) -> None:
    users = Users(tmp_path)
    users.add("ada", Role.ADMIN, "correct horse battery")
    users.file.chmod(0o640)
    with pytest.raises(AccessError, match="chmod 600"):
        users.any()


def test_keys_of_others_count_only_where_nobody_else_can_put_them(tmp_path: Path) -> None:
    anchor = Anchor(tmp_path / "one")
    pem = anchor.public_pem()
    trusted = tmp_path / "two" / "audit" / "trusted"
    private.make_folder(trusted)
    (trusted / "one.pem").write_text(pem)
    (trusted / "one.pem").chmod(0o644)
    other = Anchor(tmp_path / "two")
    assert len(other.trusted()) == 1
    for place in (trusted, trusted / "one.pem"):
        before = mode(place)
        place.chmod(before | 0o002)
        with pytest.raises(ConfigError, match="others may write it"):
            other.trusted()
        place.chmod(before)
    assert len(other.trusted()) == 1


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root gives files away")
def test_what_belongs_to_somebody_else_is_not_trusted(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch(0o600)
    assert not private.others_may(file, private.READ)
    os.chown(file, 4711, -1)
    assert private.others_may(file, private.WRITE)
    os.chown(tmp_path, 4711, -1)
    assert not private.others_may(file, private.WRITE), "whoever owns the folder could swap it anyway"
