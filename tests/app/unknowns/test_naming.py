"""app.unknowns from a run to a name and back, on stored vectors alone: the services refuse to embed anything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.access import Actor, Role
from app.runs import Run
from app.services import Services
from app.unknowns import assign_clusters, label, members, merge_clusters, name_cluster, refresh, registry_of
from app.unknowns import split_cluster as split
from app.unknowns.naming import choose
from pipeline.errors import LegalHoldError, NoOperatingPointError, NotAllowedError, UnknownClusterError
from pipeline.types import F32
from tests.made_runs import face_vector, made_run

PHOTOS = {
    **{f"/p/ann{n}.jpg": [f"ann#{n}"] for n in range(6)},
    "/p/both.jpg": ["bob#1", "ann#7"],
    "/p/bob.jpg": ["bob#2"],
    "/p/alone.jpg": ["cy"],
}


def a_run(services: Services, name: str = "r", photos: dict[str, list[str]] = PHOTOS) -> Run:
    run = made_run(services.settings.home, name, photos)
    run.decide(services)
    return run


def clusters_by_photo(run: Run) -> dict[tuple[str, int], str | None]:
    return {(Path(row.photo).stem, row.number): row.cluster for row in run.faces()}


def test_the_unknown_faces_of_a_run_are_clustered(services: Services) -> None:
    run = a_run(services)
    given = assign_clusters(run, services)
    found = clusters_by_photo(run)
    assert {found[f"ann{n}", 1] for n in range(6)} | {found["both", 2]} == {"U-0001"}
    assert found["both", 1] == found["bob", 1] == "U-0002"
    assert found["alone", 1] == "U-0003"
    assert given == {row.face_id: row.cluster for row in run.faces()}
    assert assign_clusters(run, services) == given


def test_two_faces_of_one_photo_are_two_people_unless_the_run_allows_repeats(services: Services) -> None:
    from app.runs.ledger import Ledger

    twins = a_run(services, "twins", {"/p/twins.jpg": ["ann#1", "ann#2"]})
    assert len(set(assign_clusters(twins, services).values())) == 2
    with Ledger(services.settings.home, "twins") as ledger:
        ledger.set_meta(allow_repeats=True)
    assert len(set(assign_clusters(twins, services).values())) == 1


def test_clusters_keep_their_names_when_a_later_run_brings_more(services: Services) -> None:
    first = a_run(services)
    before = assign_clusters(first, services)
    later = a_run(services, "later", {"/q/bob.jpg": ["bob#3"], "/p/bob.jpg": ["bob#2"], "/q/dan.jpg": ["dan"]})
    after = assign_clusters(later, services)
    assert clusters_by_photo(later) == {("bob", 1): "U-0002", ("dan", 1): "U-0004"}
    assert sorted(after.values()) == ["U-0002", "U-0002", "U-0004"]
    assert {row.face_id: row.cluster for row in first.faces()} == before


def test_a_name_enrols_the_best_few_and_every_run_follows(services: Services) -> None:
    run = a_run(services)
    assign_clusters(run, services)
    other = a_run(services, "other", {"/q/ann.jpg": ["ann#9"], "/q/eve.jpg": ["eve"]})
    assign_clusters(other, services)
    registry = registry_of(services)
    named = name_cluster(services, registry, 1, "  Ann ", 3)
    assert (named.cluster, named.subject, named.faces, named.recognised) == ("U-0001", "Ann", 8, 8)
    assert len(named.sample_ids) == 3
    samples = services.gallery.subject("Ann").samples
    assert len({sample.photo_sha256 for sample in samples}) == 3
    assert {sample.source for sample in samples} <= {*PHOTOS, "/q/ann.jpg"}
    assert {row.subject for row in run.faces() if row.photo.startswith("/p/ann")} == {"Ann"}
    assert all(row.cluster is None for row in run.faces() if row.subject)
    assert [row.subject for row in other.faces()] == ["Ann", None]
    assert sorted(registry.clusters()) == [2, 3, 4]
    with pytest.raises(UnknownClusterError, match="recognised as Ann"):
        members(services, registry, 1)


def test_who_is_removed_comes_back_under_the_old_name(services: Services) -> None:
    run = a_run(services)
    before = assign_clusters(run, services)
    registry = registry_of(services)
    name_cluster(services, registry, 1, "Ann")
    services.remove("Ann")
    refresh(services, registry)
    assert {row.face_id: row.cluster for row in run.faces()} == before
    assert registry.subjects() == {}


def test_faces_that_a_name_does_not_reach_stay_in_the_cluster(services: Services) -> None:
    run = a_run(services)
    assign_clusters(run, services)
    registry = registry_of(services)
    number = merge_clusters(services, registry, 1, 3)  # somebody knows that cy is ann
    named = name_cluster(services, registry, number, "Ann", 1)
    assert (named.faces, named.recognised) == (8, 7)
    assert clusters_by_photo(run)["alone", 1] == "U-0001"
    assert registry.subjects() == {1: "Ann"}
    with pytest.raises(UnknownClusterError, match="was named Ann"):
        name_cluster(services, registry, 1, "Bob")
    assert name_cluster(services, registry, 1, "Ann").recognised == 1
    assert registry.clusters() == {2: registry.clusters()[2]}


def test_two_clusters_of_one_name_are_one(services: Services) -> None:
    run = a_run(services)
    assign_clusters(run, services)
    registry = registry_of(services)
    merge_clusters(services, registry, 2, 3)
    name_cluster(services, registry, 2, "Bob", 1)  # cy stays
    assert registry.subjects() == {2: "Bob"}
    assert name_cluster(services, registry, 1, "Bob", 1).cluster == "U-0001"
    assert registry.subjects() == {1: "Bob"}
    assert registry.resolve("U-0002") == 1
    assert clusters_by_photo(run)["alone", 1] == "U-0001"


def test_merge_and_split_hold_when_more_faces_come(services: Services) -> None:
    run = a_run(services)
    assign_clusters(run, services)
    registry = registry_of(services)
    apart = [row.face_id for row in run.faces() if row.photo in ("/p/ann0.jpg", "/p/ann1.jpg")]
    new = split(services, registry, 1, apart)
    assert merge_clusters(services, registry, 2, 3) == 2
    later = a_run(services, "later", {f"/q/{n}.jpg": [f"ann#1{n}"] for n in range(5)})
    assign_clusters(later, services)
    found = clusters_by_photo(run)
    assert found["ann0", 1] == found["ann1", 1] == label(new)
    assert found["ann2", 1] == "U-0001"
    assert found["alone", 1] == found["bob", 1] == "U-0002"
    assert set(clusters_by_photo(later).values()) <= {"U-0001", label(new)}


def test_a_run_that_is_gone_takes_its_faces_along(services: Services) -> None:
    import shutil

    run, other = a_run(services), a_run(services, "other", {"/q/bob.jpg": ["bob#5"]})
    for one in (run, other):
        assign_clusters(one, services)
    shutil.rmtree(run.folder)
    registry = refresh(services)
    assert (registry.runs(), sum(map(len, registry.clusters().values()))) == (["other"], 1)


def test_whoever_may_only_look_names_nobody(services: Services) -> None:
    run = a_run(services)
    assign_clusters(run, services)
    viewer = services.acting_as(Actor("vera", Role.VIEWER))
    registry = registry_of(viewer)
    for act in (
        lambda: name_cluster(viewer, registry, 1, "Ann"),
        lambda: merge_clusters(viewer, registry, 1, 2),
        lambda: split(viewer, registry, 2, registry.clusters()[2][:1]),
    ):
        with pytest.raises(NotAllowedError, match="vera is a viewer"):
            act()
    assert len(services.gallery) == 0
    assert registry.subjects() == {}


def test_without_an_operating_point_nothing_is_clustered(services: Services) -> None:
    run = a_run(services)
    services.settings = services.settings.model_copy(update={"cluster_fpir": 1e-5})
    with pytest.raises(NoOperatingPointError, match="cluster_fpir"):
        assign_clusters(run, services)


def test_the_faces_chosen_are_of_the_better_half_and_differ(services: Services) -> None:
    words = [f"ann#{n}" for n in range(9)]
    run = a_run(services, "r", {f"/p/{n}.jpg": [word] for n, word in enumerate(words)})
    rows = [replace(row, quality=0.9 if n < 5 else 0.1) for n, row in enumerate(run.faces())]
    vectors: F32 = np.array([face_vector(word) for word in words])

    def likeness(places: tuple[int, ...]) -> float:
        return float((vectors @ vectors[list(places)].T).max(axis=1).sum())

    chosen = choose(rows, vectors, 2)
    assert likeness((chosen[0],)) == pytest.approx(max(likeness((n,)) for n in range(5)))
    assert likeness(tuple(chosen)) == pytest.approx(max(likeness((chosen[0], n)) for n in range(5)))
    assert set(chosen) <= set(range(5))
    assert sorted(choose(rows, vectors, 100)) == list(range(9))
    assert len(choose(rows[:1] * 3, vectors[:3], 3)) == 1  # at most one of a photo


def held(services: Services) -> bytes:
    """Every byte of the runs and of what is kept of unknown faces."""
    home = services.settings.home
    return b"".join(p.read_bytes() for place in ("runs", "unknowns") for p in (home / place).rglob("*") if p.is_file())


@pytest.mark.parametrize("called", ["Annemarie", "Rosalinde"])
def test_whoever_is_erased_leaves_nothing_in_runs_under_any_name(services: Services, called: str) -> None:
    run = a_run(services)
    assign_clusters(run, services)
    name_cluster(services, registry_of(services), 1, "Annemarie", most=1)
    assert b"Annemarie" in held(services)
    if called != "Annemarie":
        services.rename("Annemarie", called)
        assert b"Annemarie" not in held(services)
    left = {row.face_id for row in run.faces() if not Path(row.photo).stem.startswith(("ann", "both"))}
    assert services.erase(called).complete
    assert left <= {row.face_id for row in run.faces()} <= left | {r.face_id for r in run.faces() if r.number == 1}
    assert called.encode() not in held(services)
    for number in range(6):
        assert face_vector(f"ann#{number}").tobytes() not in held(services)


def test_whoever_was_merged_is_found_under_the_other_name(services: Services) -> None:
    run = a_run(services)
    assign_clusters(run, services)
    name_cluster(services, registry_of(services), 1, "Annemarie", most=1)
    name_cluster(services, registry_of(services), 2, "Rosalinde", most=1)
    services.merge("Annemarie", "Rosalinde")
    assert b"Annemarie" not in held(services)
    assert {row.subject for row in run.faces()} == {"Rosalinde", None}


def test_a_face_from_before_the_enrolment_goes_too(services: Services) -> None:
    """The run was decided while nobody was enrolled: what it holds of her has no name."""
    run = a_run(services)
    assign_clusters(run, services)
    before = a_run(services, "earlier", {"/q/ann9.jpg": ["ann#9"]})
    name_cluster(services, registry_of(services), 1, "Annemarie", most=1)
    assert [row.decision for row in before.faces()] == ["unknown"]
    services.erase("Annemarie")
    assert list(before.faces()) == []


def test_a_legal_hold_keeps_runs_too(services: Services) -> None:
    run = a_run(services)
    assign_clusters(run, services)
    name_cluster(services, registry_of(services), 1, "Annemarie", most=1)
    services.hold("Annemarie", "case 12")
    count = len(list(run.faces()))
    with pytest.raises(LegalHoldError):
        services.remove("Annemarie")
    assert len(list(run.faces())) == count


def test_whoever_is_removed_has_no_name_in_runs_any_more(services: Services) -> None:
    run = a_run(services)
    assign_clusters(run, services)
    name_cluster(services, registry_of(services), 1, "Annemarie", most=1)
    services.remove("Annemarie")
    assert b"Annemarie" not in held(services)
    assert len(list(run.faces())) == 10
