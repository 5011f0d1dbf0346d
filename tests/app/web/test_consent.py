"""Consent on the page Enrol: asked for, demanded where the policy says so, and recorded with the photos."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.services import Services
from tests.app.web.conftest import File, Page, photo, seen
from tests.fakes import GREEN, RED

POLICY = """
name = "works council"
[consent]
required = true
purposes = ["door", "canteen"]
max_days = 30
"""


@pytest.fixture
def strict(services: Services) -> Services:
    Path(services.settings.home, "policy.toml").write_text(POLICY)
    services.__dict__.pop("policy", None)
    return services


def begin(page: Page, name: str = "Ada", file: File | None = None) -> AppTest:
    at = page("enrol")
    at.file_uploader[0].set_value([file or photo(RED)])
    at.run()
    return at.text_input(key="enrol_name").set_value(name).run()


def test_without_a_policy_it_may_be_recorded_and_need_not_be(page: Page, services: Services) -> None:
    in_a_year = {datetime.now(UTC).date() + timedelta(days=366)}
    at = begin(page)
    assert not at.button(key="enrol_go").disabled
    at.checkbox[0].check().run()
    assert at.button(key="enrol_go").disabled
    assert "Say what the consent is for" in seen(at)
    assert [part.proto.expanded for part in at.expander] == [True], "what is being filled in stays open"
    at.text_input(key="enrol_consent_0_purpose").set_value("<b>door</b>").run()
    at.button(key="enrol_go").click().run()
    assert not at.exception
    assert "Consent recorded: <b>door</b>." in seen(at)
    (kept,) = services.gallery.consents("Ada")
    assert kept.purpose == "<b>door</b>"
    assert kept.expires is not None
    assert kept.expires.date() in in_a_year | {datetime.now(UTC).date() + timedelta(days=366)}  # midnight may pass
    at = begin(page, "Grace", photo(GREEN))
    at.button(key="enrol_go").click().run()
    assert services.gallery.consents("Grace") == []


def test_a_policy_that_wants_it_enrols_nobody_without(page: Page, strict: Services) -> None:
    at = begin(page)
    assert at.button(key="enrol_go").disabled
    assert "This gallery asks for consent" in seen(at)
    at.checkbox[0].check().run()
    assert at.selectbox(key="enrol_consent_0_purpose").options == ["door", "canteen"]
    at.selectbox(key="enrol_consent_0_purpose").set_value("canteen").run()
    at.button(key="enrol_go").click().run()
    assert not at.exception
    assert "Enrolled: Ada" in seen(at)
    (kept,) = strict.gallery.consents("Ada")
    assert kept.purpose == "canteen"
    assert kept.expires is not None
    assert kept.expires <= datetime.now(UTC) + timedelta(days=30)
    at = begin(page, "Ada", photo(RED, note=1))
    assert "A consent of this person is in force." in seen(at)
    at.button(key="enrol_go").click().run()
    assert strict.gallery.subject("Ada").info.samples == 2
    assert len(strict.gallery.consents("Ada")) == 1
