"""What a person may ask for: everything held, and erasure that is proved."""

from __future__ import annotations

import base64
import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from app import traces
from app.access import Actor, Role
from app.evaluation.cache import EmbeddingCache
from app.kept import cache_file
from app.policy import Policy
from app.services import Services
from app.traces import Needle, needles_of, scan
from pipeline.config import Settings
from pipeline.errors import ConsentMissingError, LegalHoldError, NotAllowedError
from pipeline.gallery import Anchor, Gallery, NewConsent, Scribe
from tests.fakes import DIMENSION, GREEN, MODEL_ID, RED, fake_recognizer, points, write_bars

NAME = "Xanthippe Zwetschkenbaum"


@pytest.fixture
def services(tmp_path):
    home = tmp_path / "home"
    made = Services(Settings(home=home, workers=2, keep_crops=True))
    made._recognizer = fake_recognizer()
    made._gallery = Gallery.open(home / "gallery", MODEL_ID, DIMENSION, scribe=Scribe("grace", Anchor(home)))
    made.__dict__["points"] = points()
    made.enrol(NAME, [write_bars(tmp_path / "a.png", RED)])
    made.enrol("Bob", [write_bars(tmp_path / "b.png", GREEN)])
    yield made
    made.close()


def what(found):
    return sorted({trace.what for trace in found.traces})


def test_an_erasure_is_proved_and_certified(services):
    services.gallery.save_index()
    services.consent(NAME, NewConsent("doors"))
    home, uid = services.settings.home, services.gallery.subject_id(NAME)
    needles = needles_of(services.gallery.export(NAME))
    assert what(scan([home], needles)) == ["crop", "name", "vector"]
    done = services.erase(NAME)
    assert (done.complete, done.scan.traces, done.samples, done.subject_id) == (True, (), 1, uid)
    assert what(scan([home], needles)) == []
    assert done.scan.files >= 3
    assert [entry.action for entry in services.gallery.audit(subject_id=uid)] == [
        "enrol", "consent", "erase", "erase_certificate"
    ]  # fmt: skip
    *_, entry = services.gallery.audit()
    assert done.entry == (entry.id, entry.entry_hash)
    assert json.loads(entry.detail)["found"] == []
    assert NAME not in json.dumps(done.as_dict())
    assert [info.name for info in services.gallery.subjects()] == ["Bob"]
    assert services.gallery.verify_audit().findings == ()


@pytest.mark.parametrize("kind", ["f4", ">f4", "f8", "f2", "base64", "hex", "HEX"])
def test_a_vector_that_was_left_somewhere_is_found(services, kind):
    held = services.gallery.export(NAME)
    plain = base64.b64decode(held["samples"][0]["templates"][0]["vector_f32"])
    noise = np.random.default_rng(0).bytes(5000)
    coded = {"base64": base64.b64encode(plain), "hex": plain.hex().encode(), "HEX": plain.hex().upper().encode()}.get(
        kind
    )
    left = coded if coded is not None else np.frombuffer(plain, "<f4").astype(kind).tobytes()
    folder = services.settings.home / "somewhere" / "deep"
    folder.mkdir(parents=True)
    (folder / "copy.bin").write_bytes(noise + left + noise)
    done = services.erase(NAME)
    assert not done.complete
    assert [(Path(trace.file).name, trace.what) for trace in done.scan.traces] == [("copy.bin", "vector")]
    *_, entry = services.gallery.audit()
    assert json.loads(entry.detail)["found"] == ["vector"]


@pytest.mark.parametrize("coding", ["utf-8", "utf-16-le", "utf-16-be", "json", "url", "file name"])
def test_a_name_that_was_left_somewhere_is_found(services, coding):
    services.rename(NAME, "Zoë Zwetschkenbäumin")
    file = services.settings.home / "note"
    if coding == "file name":
        file.with_name("x Zoë Zwetschkenbäumin.txt").touch()
    elif coding in {"json", "url"}:
        text = {"json": '{"x":"Zo\\u00eb Zwetschkenb\\u00e4umin"}', "url": "?q=Zo%C3%AB%20Zwetschkenb%C3%A4umin"}[
            coding
        ]
        file.write_text(text, encoding="utf-8")
    else:
        file.write_bytes(b"x" + "Zoë Zwetschkenbäumin".encode(coding))
    done = services.erase("Zoë Zwetschkenbäumin")
    assert (what(done.scan), done.complete) == (["name"], False)


def test_a_needle_across_two_blocks_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(traces, "_BLOCK", 64)
    (tmp_path / "f").write_bytes(b"-" * 60 + b"Zwetschkenbaum" + b"-" * 200)
    assert what(scan([tmp_path], [Needle("name", b"Zwetschkenbaum")])) == ["name"]
    assert scan([tmp_path], [Needle("name", b"Zwetschkenbaumx")]).traces == ()


def test_a_link_is_named_and_not_followed(services, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "copy.txt").write_text(NAME, encoding="utf-8")
    links = [services.settings.home / "folder", services.settings.home / "file", services.settings.home / "nowhere"]
    for link, target in zip(links, (elsewhere, elsewhere / "copy.txt", elsewhere / "nothing"), strict=True):
        link.symlink_to(target)
    done = services.erase(NAME)
    assert (done.scan.traces, done.complete) == ((), True)
    assert sorted(done.scan.links) == sorted(map(str, links))
    assert sorted(done.as_dict()["scan"]["links"]) == sorted(map(str, links))


def test_a_name_that_another_bears_is_no_trace(services):
    services.rename(NAME, "Bobb")
    services.rename("Bob", "Bobberry")
    done = services.erase("Bobb")
    assert done.complete
    assert done.others == ("the name of a subject",)
    assert what(done.scan) == ["name"], "it is told all the same"


def test_an_erasure_empties_the_cache_of_evaluations(services, tmp_path):
    photo = services.gallery.subject(NAME).samples[0].photo_sha256
    vector = services.gallery.templates(NAME)[0].vector
    cache = EmbeddingCache(cache_file(services.settings.home), "recipe", DIMENSION)
    cache.put([(photo, vector)])
    assert list(cache.get([photo])) == [photo]
    assert services.erase(NAME).complete
    assert list(cache.get([photo])) == []


def test_who_is_held_is_not_erased_and_nothing_is(services):
    services.hold(NAME, "case 12")
    with pytest.raises(LegalHoldError):
        services.erase(NAME)
    assert len(services.gallery) == 2
    services.withdraw(NAME)
    services.release(NAME)
    services.erase(NAME)


def test_retention_erases_whose_time_is_over(services):
    past = datetime.now(UTC) - timedelta(days=40)
    services.gallery.consent(NAME, NewConsent("doors", expires=past))
    services.gallery.consent("Bob", NewConsent("doors", expires=past))
    services.hold("Bob", "case 12")
    planned = services.retain(dry_run=True)
    assert [(one.subject, one.held) for one in planned.due] == [("Bob", True), (NAME, False)]
    assert (planned.erased, len(services.gallery)) == ((), 2)
    done = services.retain(dry_run=False)
    assert [one.complete for one in done.erased] == [True]
    assert [info.name for info in services.gallery.subjects()] == ["Bob"]
    [entry] = services.gallery.audit(action="erase")
    assert json.loads(entry.detail)["reason"] == "consent_expired"


def test_everything_is_given_out(services, tmp_path):
    services.consent(NAME, NewConsent("doors", evidence="folder 7"))
    services.hold(NAME, "case 12")
    out = tmp_path / "all.zip"
    assert services.export_subject(NAME, out) == 5
    assert out.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(out) as archive:
        held = json.loads(archive.read("subject.json"))
        log = [json.loads(line) for line in archive.read("audit.jsonl").splitlines()]
        [sample] = held["samples"]
        assert archive.read(f"crops/{sample['id']}.png").startswith(b"\x89PNG")
    assert (held["subject"], held["consents"][0]["evidence"]) == (NAME, "folder 7")
    assert [one["reason"] for one in held["legal_hold"]] == ["case 12"]
    vector = np.frombuffer(base64.b64decode(sample["templates"][0]["vector_f32"]), "<f4")
    assert np.array_equal(vector, services.gallery.templates(NAME)[0].vector)
    assert [entry["action"] for entry in log] == ["enrol", "consent", "hold", "export"]


def test_roles(services):
    viewer = services.acting_as(Actor("eve", Role.VIEWER))
    operator = services.acting_as(Actor("bob", Role.OPERATOR))
    for act in (
        lambda: viewer.consent(NAME, NewConsent("doors")),
        lambda: viewer.everything(NAME),
        lambda: operator.erase(NAME),
        lambda: operator.hold(NAME, "x"),
        lambda: operator.retain(dry_run=True),
        operator.verify_audit,
        operator.audit,
    ):
        with pytest.raises(NotAllowedError):
            act()
    operator.consent(NAME, NewConsent("doors"))
    *_, entry = services.gallery.audit()
    assert (entry.actor, entry.action) == ("bob", "consent")
    assert services.gallery.consents(NAME)[0].recorded_by == "bob"


def test_nobody_is_split_off_without_a_consent_where_the_policy_wants_one(services, tmp_path):
    services.enrol("Bob", [write_bars(tmp_path / "c.png", RED, GREEN)], face=1)
    services.__dict__["policy"] = Policy(name="p", consent={"required": True})
    sample = services.gallery.subject("Bob").samples[0].id
    with pytest.raises(ConsentMissingError):
        services.split([sample], "Eve")
    assert {info.name for info in services.gallery.subjects()} == {"Bob", NAME}
    services.split([sample], "Eve", NewConsent("doors"))
    assert [one.purpose for one in services.gallery.consents("Eve")] == ["doors"]
