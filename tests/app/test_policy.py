"""The policy: what it says, and that enrolling and searching follow it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.access import Actor, Role
from app.policy import PROFILES, Policy, load_policy, policy_file, profile_file
from app.runs.session import Plan, Session
from app.services import Services
from pipeline.config import Settings
from pipeline.errors import ConfigError, ConsentMissingError, NotAllowedError, PhotoFormatError
from pipeline.gallery import Anchor, Gallery, NewConsent, Scribe
from pipeline.images import from_array
from tests.app_runs import Told
from tests.fakes import BLUE, DIMENSION, GREEN, MODEL_ID, RED, bars, fake_recognizer, points, write_bars

SOON = datetime.now(UTC) + timedelta(days=30)


def made(home: Path, policy: str) -> Services:
    file = home / "policy.toml"
    file.write_text(policy, encoding="utf-8")
    services = Services(Settings(home=home, workers=2))
    services._recognizer = fake_recognizer()
    scribe = Scribe("ada", Anchor(home))
    services._gallery = Gallery.open(home / "gallery", MODEL_ID, DIMENSION, scribe=scribe)
    services.__dict__["points"] = points()
    return services


@pytest.fixture
def strict(tmp_path):
    services = made(tmp_path, profile_file("strict").read_text(encoding="utf-8"))
    yield services
    services.close()


def told(services, action):
    return [json.loads(entry.detail) for entry in services.gallery.audit(action=action)]


@pytest.mark.parametrize("name", PROFILES)
def test_the_profiles_that_ship_are_policies(name):
    assert Policy.read(profile_file(name)).name == name


def test_which_policy_is_in_force(tmp_path):
    assert load_policy(Settings(home=tmp_path)).name == "home"
    (tmp_path / "policy.toml").write_text('name = "ours"', encoding="utf-8")
    assert load_policy(Settings(home=tmp_path)).name == "ours"
    other = tmp_path / "other.toml"
    other.write_text('name = "another"\n[retention]\nruns_days = 3', encoding="utf-8")
    settings = Settings(home=tmp_path, policy=str(other))
    assert policy_file(settings) == other
    assert load_policy(settings).retention.runs_days == 3
    assert load_policy(Settings(home=tmp_path)).retention.max_age is None


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "name"),
        ('name = "x"\nconsents = 1', "consents"),
        ('name = "x"\n[retention]\ngrace_days = -1', "retention.grace_days"),
        ('name = "x"\n[audit]\ndecisions = "all"', "audit.decisions"),
        ("name = [", "TOML"),
        *(
            (f'name = "x"\n[{section}]\n{extra}{key} = {days}', key)
            for days in (36_526, 3_650_000, 10**30)
            for section, extra, key in (
                ("consent", "", "max_days"),
                ("consent.default", 'purpose = "x"\n', "days"),
                ("retention", "", "grace_days"),
                ("retention", "", "max_age_days"),
                ("retention", "", "runs_days"),
            )
        ),
    ],
)
def test_a_policy_that_says_something_else_is_refused(tmp_path, text, what):
    (tmp_path / "policy.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=what):
        load_policy(Settings(home=tmp_path))


def test_a_policy_that_is_no_file_is_not_taken_for_none(tmp_path):
    file = tmp_path / "policy.toml"
    for make in (lambda: file.symlink_to(tmp_path / "gone.toml"), file.mkdir):
        make()
        with pytest.raises(ConfigError, match=r"policy\.toml: cannot be read"):
            load_policy(Settings(home=tmp_path))
        file.unlink() if file.is_symlink() else file.rmdir()
    assert load_policy(Settings(home=tmp_path)).name == "home"


def test_nobody_is_enrolled_without_the_consent_that_is_demanded(strict, tmp_path):
    photo = write_bars(tmp_path / "ada.png", RED)
    [row] = strict.enrol("Ada", [photo])
    assert isinstance(row.error, ConsentMissingError)
    assert "--consent-purpose" in row.error.message
    for consent in (NewConsent("doors"), NewConsent("doors", expires=SOON + timedelta(days=800))):
        [row] = strict.enrol("Ada", [photo], consent=consent)
        assert "to end by" in row.error.message
    [row] = strict.enrol("Ada", [photo], consent=NewConsent("doors", expires=SOON - timedelta(days=60)))
    assert "ended on" in row.error.message
    assert len(strict.gallery) == 0
    [row] = strict.enrol("Ada", [photo], consent=NewConsent("doors", expires=SOON))
    assert row.error is None
    assert [one.purpose for one in strict.gallery.consents("Ada")] == ["doors"]
    [row] = strict.enrol("Ada", [write_bars(tmp_path / "more.png", BLUE)])
    assert row.error is None, "one consent holds for more photos"
    strict.withdraw("Ada")
    [row] = strict.enrol("Ada", [write_bars(tmp_path / "third.png", GREEN)])
    assert row.error.code == "consent_missing"


def test_in_a_batch_the_others_are_enrolled(strict, tmp_path):
    strict.enrol("Ada", [write_bars(tmp_path / "a.png", RED)], consent=NewConsent("doors", expires=SOON))
    more = [("Ada", write_bars(tmp_path / "b.png", BLUE)), ("Bob", write_bars(tmp_path / "c.png", GREEN))]
    rows = list(strict.enrol_many(more))
    assert [row.error and row.error.code for row in rows] == [None, "consent_missing"]


def test_the_policy_may_say_which_consent_an_enrolment_stands_for(tmp_path):
    text = (
        'name = "club"\n[consent]\nrequired = true\npurposes = ["album"]\n'
        '[consent.default]\npurpose = "album"\ndays = 10\ntext_version = "v3"'
    )
    services = made(tmp_path, text)
    services.enrol("Ada", [write_bars(tmp_path / "a.png", RED)])
    [found] = services.gallery.consents("Ada")
    assert (found.purpose, found.text_version) == ("album", "v3")
    assert timedelta(days=9) < found.expires - datetime.now(UTC) < timedelta(days=11)
    with pytest.raises(ConsentMissingError, match="choose album"):
        services.consent("Ada", NewConsent("doors"))
    services.close()


def test_strict_logs_every_decision_and_names_nobody(strict, tmp_path):
    ada = write_bars(tmp_path / "ada.png", RED)
    strict.enrol("Xanthippe", [ada], consent=NewConsent("doors", expires=SOON))
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no photo")
    rows = list(strict.identify([ada, bad, write_bars(tmp_path / "eve.png", GREEN)]))
    assert [row.error is None for row in rows] == [True, False, True]
    assert isinstance(rows[1].error, PhotoFormatError)
    [entry] = told(strict, "identify")
    uid = strict.gallery.subject_id("Xanthippe")
    assert (entry["photos"], entry["decisions"], entry["errors"]) == (
        3,
        {"match": 1, "unknown": 1},
        {"photo_format": 1},
    )
    assert [photo["decisions"] for photo in entry["each"]] == [[["match", uid]], [["unknown", None]]]
    assert len(told(strict, "search")) == 1
    strict.identify_faces(strict.recognizer.analyse(from_array(bars(RED))))
    strict.verify(ada, ada)
    assert [entry["decision"] for entry in told(strict, "verify")] == ["match"]
    assert len(told(strict, "identify")) == 2
    everything = " ".join(entry.detail + entry.target for entry in strict.gallery.audit())
    assert "Xanthippe" not in everything
    assert "ada.png" not in everything
    assert strict.gallery.verify_audit().findings == ()


def test_who_stops_early_has_what_was_answered_logged(strict, tmp_path):
    photos = [write_bars(tmp_path / f"{n}.png", RED) for n in range(3)]
    answers = strict.identify(photos)
    next(answers)
    answers.close()
    assert [entry["photos"] for entry in told(strict, "identify")] == [1]


def test_a_summary_has_counts_only_and_off_has_nothing(tmp_path):
    ada = write_bars(tmp_path / "ada.png", RED)
    for level, expected in (("summary", [{"photos": 1, "decisions": {"unknown": 1}, "errors": {}}]), ("off", [])):
        services = made(tmp_path, f'name = "x"\n[audit]\ndecisions = "{level}"')
        before = len(told(services, "identify"))
        list(services.identify([ada]))
        assert told(services, "identify")[before:] == expected
        services.close()


def test_the_decisions_of_a_run_are_logged(strict, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    ada = write_bars(folder / "ada.png", RED)
    write_bars(folder / "eve.png", GREEN)
    strict.enrol("Xanthippe", [ada], consent=NewConsent("doors", expires=SOON))
    with Session(strict, Plan("r", (str(folder),)), Told()) as session:
        session.once()
    [entry] = told(strict, "run")
    assert (entry["photos"], entry["decisions"]) == (2, {"match": 1, "unknown": 1})
    named = [photo["decisions"] for photo in entry["each"] if photo["decisions"][0][1]]
    assert named == [[["match", strict.gallery.subject_id("Xanthippe")]]]


def test_only_an_admin_changes_the_policy(strict):
    with pytest.raises(NotAllowedError):
        strict.acting_as(Actor("bob", Role.OPERATOR)).use_policy(profile_file("home"))
    strict.use_policy(profile_file("home"))
    assert load_policy(strict.settings).name == "home"
    [entry] = strict.gallery.audit(action="policy")
    assert entry.target == "policy:home"
    with pytest.raises(ConfigError, match="no policy profile"):
        profile_file("lax")
