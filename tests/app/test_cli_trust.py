"""Exit codes of `audit`, `policy` and `subject`, and what a legal hold blocks by command."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from app.cli.context import Context
from app.services import Services
from pipeline.gallery import Anchor, Scribe
from tests.app_runs import fake_services
from tests.commands import Cli, runner
from tests.fakes import BLUE, GREEN, RED, write_bars

NAME = "Xanthippe Zwetschkenbaum"


@pytest.fixture
def gallery(isolated_home: Path) -> Path:
    return isolated_home / "gallery"


@pytest.fixture
def services(gallery: Path, isolated_home: Path):
    """Services that know coloured bars, with a log that is signed."""

    def made(*_: object, **__: object) -> Services:
        found = fake_services(isolated_home, gallery)
        found.gallery._scribe = Scribe("grace", Anchor(isolated_home))
        return found

    return made


@pytest.fixture
def cli(capsys, tmp_path: Path, services, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Commands with two people enrolled."""
    with closing(services()) as made:
        made.enrol(NAME, [write_bars(tmp_path / "x.png", RED, note=9)])
        made.enrol("Bob", [write_bars(tmp_path / "b.png", GREEN, note=9)])
    monkeypatch.setattr(Context, "services", services)
    return runner(capsys)


def tamper(gallery: Path, statement: str) -> None:
    with closing(sqlite3.connect(gallery / "gallery.db")) as database:
        database.executescript(f"DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete; {statement}")


# --- the log ----------------------------------------------------------------------------------------------------


def test_audit_verify_says_by_its_exit_code_whether_the_log_is_whole(cli: Cli, gallery: Path) -> None:
    whole = cli("--json", "audit", "verify")
    assert (whole.code, whole.document["whole"]) == (0, True)
    assert "the log is whole" in cli("audit", "verify").out
    tamper(gallery, "UPDATE audit SET actor = 'eve' WHERE id = 2")
    found = cli("--json", "audit", "verify")
    assert (found.code, found.document["findings"][0]["entry"]) == (1, 2)
    assert "tampering: entry 2 was changed" in cli("audit", "verify").out


def test_audit_verify_that_cannot_be_done_is_neither(cli: Cli, tmp_path: Path, isolated_home: Path) -> None:
    assert cli("audit", "verify", "--public-key", tmp_path / "none.pem").code == 3
    for text in ("", "{}", "[1]", '{"chain_id": 1}'):
        (tmp_path / "head").write_text(text)
        refused = cli("audit", "verify", "--head", tmp_path / "head")
        assert (refused.code, "audit export --head" in refused.err) == (3, True)
    (isolated_home / "audit" / "key.pem").chmod(0o644)
    refused = cli("audit", "verify")
    assert (refused.code, "chmod 600" in refused.err) == (3, True)


def test_a_head_kept_elsewhere_finds_a_history_that_was_written_anew_with_the_key(
    cli: Cli, services, gallery: Path, tmp_path: Path, isolated_home: Path
) -> None:
    head, log = tmp_path / "head.json", tmp_path / "log.jsonl"
    assert cli("audit", "export", "--head", "--out", head).code == 0
    assert head.stat().st_mode & 0o077 == 0
    assert cli("audit", "export", "--out", log).code == 0
    cli("subject", "consent", "Bob", "--add", "door")
    for kept in (head, log):
        assert cli("audit", "verify", "--head", kept).code == 0, "the log has gone on"
    shutil.rmtree(gallery)
    for note in (isolated_home / "audit").glob("*.json"):
        note.unlink()
    with closing(services()) as made:
        made.enrol("Bob", [tmp_path / "b.png"])
        for _ in range(9):
            made.gallery.record("login")
    assert cli("audit", "verify").code == 0, "who has the key and both folders writes a history that looks whole"
    for kept in (head, log):
        found = cli("--json", "audit", "verify", "--head", kept)
        assert (found.code, found.document["findings"][0]["kind"]) == (1, "older_than_seen")


def test_a_head_that_was_changed_is_told(cli: Cli, tmp_path: Path) -> None:
    head = tmp_path / "head.json"
    cli("audit", "export", "--head", "--out", head)
    body = json.loads(head.read_text())
    head.write_text(json.dumps(body | {"signature": "00" * 64}))
    found = cli("--json", "audit", "verify", "--head", head)
    assert (found.code, [one["kind"] for one in found.document["findings"]]) == (1, ["head_not_signed"])
    head.write_text(json.dumps(body | {"last_hash": "0" * 64}))
    kinds = [one["kind"] for one in cli("--json", "audit", "verify", "--head", head).document["findings"]]
    assert kinds == ["head_not_signed", "older_than_seen"]
    assert cli("audit", "export", "--head", "--csv").code == 2


# --- the policy -------------------------------------------------------------------------------------------------


def test_policy_check_says_by_its_exit_code_whether_all_is_as_the_policy_wants(cli: Cli, isolated_home: Path) -> None:
    assert cli("policy", "check").code == 0
    assert cli("policy", "use", "strict").code == 0
    found = cli("--json", "policy", "check")
    assert (found.code, {one["kind"] for one in found.document["problems"]}) == (1, {"no_consent"})
    for name in (NAME, "Bob"):
        assert cli("subject", "consent", name, "--add", "door", "--until", "2027-06-30").code == 0
    assert cli("policy", "check").code == 0
    (isolated_home / "policy.toml").chmod(0o666)
    refused = cli("policy", "check")
    assert (refused.code, "chmod go-w" in refused.err) == (3, True)


# --- erasing ----------------------------------------------------------------------------------------------------


def test_subject_erase_says_by_its_exit_code_whether_anything_is_left(
    cli: Cli, tmp_path: Path, isolated_home: Path
) -> None:
    assert cli("subject", "erase", "Nobody", "--yes").code == 3
    (isolated_home / "notes.txt").write_text(f"remember {NAME}")
    left = cli("--json", "subject", "erase", NAME, "--yes", "--certificate", tmp_path / "c.json")
    assert (left.code, left.document["complete"]) == (1, False)
    assert [Path(trace["file"]).name for trace in left.document["scan"]["traces"]] == ["notes.txt"]
    certificate = (tmp_path / "c.json").read_text()
    assert (json.loads(certificate)["complete"], certificate[-2:]) == (False, "}\n")
    taken = cli("subject", "erase", "Bob", "--yes", "--certificate", tmp_path / "c.json")
    assert taken.code == 2, "a certificate is never replaced, and nobody is erased without"
    assert cli("subject", "erase", "Bob", "--yes").code == 0


def test_results_that_were_written_last_lose_the_person(cli: Cli, tmp_path: Path) -> None:
    write_bars(tmp_path / "p" / "a.png", RED)
    write_bars(tmp_path / "p" / "b.png", GREEN)
    assert cli("identify", tmp_path / "p", "--run", "r", "--out", tmp_path / "out").code == 0
    report = tmp_path / "out" / "report.html"
    assert NAME in report.read_text()
    done = cli("--json", "subject", "erase", NAME, "--yes")
    assert (done.code, len(done.document["results_written_anew"])) == (0, 4)
    assert NAME not in report.read_text()
    assert "Bob" in report.read_text(), "the others are decided and written as before"
    for file in (tmp_path / "out").iterdir():
        assert NAME.encode() not in file.read_bytes()
    assert cli("identify", tmp_path / "p", "--run", "r2", "--out", tmp_path / "out2").code == 0
    shutil.rmtree(tmp_path / "out2")
    (tmp_path / "out2").write_text("in the way")
    gone = cli("--json", "subject", "erase", "Bob", "--yes")
    assert gone.code == 0, "a folder that is gone is nobody's results any more"


def test_subject_expire_removes_runs_that_are_too_old_and_keeps_those_of_the_held(
    cli: Cli, tmp_path: Path, isolated_home: Path
) -> None:
    for name, colour in (("hers", RED), ("his", GREEN), ("new", BLUE)):
        write_bars(tmp_path / name / "a.png", colour)
        assert cli("identify", tmp_path / name, "--run", name).code == 0
    (isolated_home / "policy.toml").write_text('name = "p"\n[retention]\nruns_days = 30\n')
    (isolated_home / "policy.toml").chmod(0o600)
    runs = isolated_home / "runs"
    assert cli("--json", "subject", "expire", "--dry-run").document["runs"] == []
    old = time.time() - 31 * 86400
    for name in ("hers", "his"):
        os.utime(runs / name / "ledger.sqlite3", (old, old))
    cli("subject", "hold", NAME, "--reason", "case 12")
    assert cli("--json", "subject", "expire", "--dry-run").document["runs"] == ["his"]
    assert (runs / "his").exists()
    assert cli("--json", "subject", "expire", "--yes").document["runs"] == ["his"]
    assert not (runs / "his").exists()
    cli("subject", "hold", NAME, "--release")
    os.utime(runs / "hers" / "ledger.sqlite3", (old, old))
    assert cli("--json", "subject", "expire", "--yes").document["runs"] == ["hers"]
    assert (runs / "new").exists()


def test_a_legal_hold_blocks_every_command_that_erases(cli: Cli, tmp_path: Path) -> None:
    assert cli("gallery", "backup", tmp_path / "backup.db").code == 0
    write_bars(tmp_path / "p" / "a.png", RED)
    assert cli("identify", tmp_path / "p", "--run", "r").code == 0
    before = cli("--json", "gallery", "show", NAME).document
    cli("subject", "hold", NAME, "--reason", "case 12")
    for command in (
        ("subject", "erase", NAME, "--yes"),
        ("gallery", "remove", NAME, "--yes"),
        ("gallery", "merge", NAME, "Bob"),
        ("gallery", "restore", tmp_path / "backup.db", "--yes"),
        ("runs", "remove", "r", "--yes"),
    ):
        done = cli("--json", *command)
        assert done.code == 3, (command, done)
        assert (done.code, done.document["error"]) == (3, "legal_hold"), command
    assert cli("--json", "gallery", "show", NAME).document == before
    assert cli("runs", "show", "r").code == 0
    assert cli("gallery", "merge", "Bob", NAME).code == 0, "who is held may get more"


def test_the_log_has_every_kind_of_event(cli: Cli, tmp_path: Path, isolated_home: Path) -> None:
    """Of the list that the log is for; log-ins and refusals: test_gate.py, the vault's key: test_vault.py."""
    (isolated_home / "policy.toml").write_text('name = "p"\n[audit]\ndecisions = "each"\n')
    (isolated_home / "policy.toml").chmod(0o600)
    write_bars(tmp_path / "p" / "a.png", RED)
    assert cli("identify", tmp_path / "p", "--run", "r").code == 0
    assert cli("identify", tmp_path / "p" / "a.png").code == 0
    assert cli("verify", tmp_path / "p" / "a.png", tmp_path / "x.png").code == 0
    assert cli("gallery", "rename", "Bob", "Robert").code == 0
    assert cli("gallery", "export", "Robert").code == 0
    assert cli("subject", "export", "Robert").code == 0
    assert cli("runs", "report", "r", "--out", tmp_path / "out").code == 0
    assert cli("gallery", "backup", tmp_path / "backup.db").code == 0
    assert cli("subject", "erase", NAME, "--yes").code == 0
    assert cli("audit", "export", "--out", tmp_path / "log.jsonl").code == 0
    found = [entry["action"] for entry in cli("--json", "audit", "show").document["entries"]]
    assert {"enrol", "search", "identify", "run", "verify", "rename", "backup", "erase", "audit_export"} <= set(found)
    assert found.count("export") == 3
    text = (tmp_path / "log.jsonl").read_text()
    for secret in (NAME, "Robert", "x.png", "a.png"):
        assert secret not in text
