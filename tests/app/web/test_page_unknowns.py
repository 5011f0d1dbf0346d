"""Unknowns: what is shown of clusters; naming, merging, splitting; consent and roles."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.access import Actor, Role
from app.policy import ConsentPolicy, Policy
from app.runs import Run
from app.services import Services
from app.unknowns import assign_clusters, registry_of
from app.web import state
from pipeline.types import Templates
from tests.app.web.conftest import Page, said, seen
from tests.fakes import MODEL_ID, THRESHOLD
from tests.made_runs import face_vector, made_run

NASTY = "<b>x</b> [y](javascript:1)"
PHOTOS = {f"/photos/{n}.jpg": ["ada" if n == 1 else f"ada#{n}"] for n in range(1, 5)}
PHOTOS |= {
    "/photos/g1.jpg": ["grace"],
    f"/photos/{NASTY.replace('/', '-')}.jpg": ["grace#2"],
    "/photos/s.jpg": ["once"],
}


@pytest.fixture
def run(services: Services) -> Run:
    made = made_run(services.settings.home, "holiday", PHOTOS)
    made.decide(services)
    assign_clusters(made, services)
    return made


def opened(page: Page) -> AppTest:
    return page("unknowns").button(key="open_1").click().run()


def names(services: Services) -> list[str]:
    return [person.name for person in services.gallery.subjects()]


def test_without_a_run_the_page_says_what_to_do_first(page: Page) -> None:
    shown = seen(page("unknowns"))
    assert "No run has been finished yet." in shown
    assert "Start one on the page “Batch”" in shown


def test_clusters_with_most_faces_come_first_and_single_ones_on_demand(page: Page, run: Run) -> None:
    at = page("unknowns")
    assert [one.key for one in at.button if str(one.key).startswith("open_")] == ["open_1", "open_2"]
    assert "U-0001" in seen(at)
    assert "4 faces in 4 photos" in seen(at)
    assert said(at).count("<img") == 6
    assert 'alt="Face of U-0001"' in said(at)
    at.checkbox(key="unknowns_single").check().run()
    assert [one.key for one in at.button if str(one.key).startswith("open_")] == ["open_1", "open_2", "open_3"]


def test_an_unknown_person_is_named_and_then_found(page: Page, services: Services, run: Run) -> None:
    at = opened(page)
    assert 'alt="Face 1 of U-0001, from photo' not in said(at)
    assert "/photos/1.jpg" in said(at)
    assert at.button(key="unknown_go").disabled
    at.text_input(key="unknown_name").set_value("Ada").run()
    at.button(key="unknown_go").click().run()
    assert not at.exception
    assert "U-0001 is Ada. Faces: 4, enrolled: 4, recognised now: 4." in seen(at)
    assert names(services) == ["Ada"]
    probe = Templates(face_vector("ada#9")[None], np.float32([9]), MODEL_ID)
    (found,) = services.gallery.search(probe, 1)
    assert found.subjects == ("Ada",)
    assert found.scores[0] > THRESHOLD
    assert "open_1" not in {one.key for one in at.button}


def test_where_the_policy_asks_for_consent_nobody_is_named_without(page: Page, services: Services, run: Run) -> None:
    services.__dict__["policy"] = Policy(name="asks", consent=ConsentPolicy(required=True, purposes=("door",)))
    at = opened(page)
    at.text_input(key="unknown_name").set_value("Ada").run()
    assert at.button(key="unknown_go").disabled
    assert "This gallery asks for consent" in seen(at)
    at.checkbox(key="unknown_consent_given").check().run()
    at.button(key="unknown_go").click().run()
    assert names(services) == ["Ada"]
    assert [one.purpose for one in services.gallery.consents("Ada")] == ["door"]


def test_two_are_one_person(page: Page, services: Services, run: Run) -> None:
    at = opened(page)
    at.selectbox(key="unknown_other").set_value(2).run()
    at.button(key="unknown_merge").click().run()
    assert "U-0001 and U-0002 are one person now: U-0001." in seen(at)
    assert len(registry_of(services).clusters()[1]) == 6


def test_faces_are_taken_out(page: Page, services: Services, run: Run) -> None:
    at = opened(page)
    at.button(key="FormSubmitter:unknown_split-Take them out").click().run()
    assert "Choose the numbers" in seen(at)
    at.multiselect(key="unknown_which").set_value([2])
    at.button(key="FormSubmitter:unknown_split-Take them out").click().run()
    assert "Taken out of U-0001: these faces are U-0004 now." in seen(at)
    clusters = registry_of(services).clusters()
    assert (len(clusters[1]), len(clusters[4])) == (3, 1)


def test_a_viewer_only_looks(page: Page, services: Services, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer = services.acting_as(Actor("eve", Role.VIEWER))
    monkeypatch.setattr(state, "services", lambda: viewer)
    at = opened(page)
    assert {one.label for one in at.button} == {"Back to all"}
    assert said(at).count("<img") == 4


def test_file_names_and_names_stay_text(page: Page, services: Services, run: Run, enrolled: Callable) -> None:
    at = page("unknowns").button(key="open_2").click().run()
    assert "<b>x<" not in said(at)
    assert "&lt;b&gt;x" in said(at)
    at.text_input(key="unknown_name").set_value(NASTY).run()
    at.button(key="unknown_go").click().run()
    assert NASTY in seen(at)
    assert "<b>x</b>" not in said(at)


def test_one_that_was_named_elsewhere_meanwhile_leads_back(page: Page, services: Services, run: Run) -> None:
    from app.unknowns import name_cluster

    at = opened(page)
    name_cluster(services, registry_of(services), 1, "Ada")
    at.run()
    assert not at.exception
    assert "open_2" in {one.key for one in at.button}
