"""app.unknowns.registry: what people say holds in every clustering that follows."""

from __future__ import annotations

import stat
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from app.unknowns import forget
from app.unknowns.registry import Registry
from pipeline.cluster import cluster
from pipeline.errors import UnknownClusterError, UnknownsDamagedError
from tests.made_runs import face_vector

WORDS = [f"{who}#{n}" for who in ("ann", "bob", "cy") for n in range(4)]
IDS = {word: f"{n:016x}-1" for n, word in enumerate(WORDS)}


class Story(RuleBasedStateMachine):
    """Faces come and go, clusterings differ, people merge and split; what they said last holds."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.registry = Registry(Path(self.folder.name), "gallery", "model")
        self.here: set[str] = set(WORDS)
        self.same: list[tuple[str, str]] = []
        self.differ: list[tuple[str, str]] = []
        self.labels: set[int] = set()
        self.cluster(0.8)

    @rule(threshold=st.sampled_from([-1.0, 0.3, 0.8, 0.93, 1.1]))
    def cluster(self, threshold: float) -> None:
        words = sorted(self.here)
        ids, vectors = [IDS[word] for word in words], np.array([face_vector(word) for word in words])
        wishes = self.registry.constraints(ids)
        blocks = cluster(ids, vectors.reshape(len(ids), -1), threshold, together=wishes.together, apart=wishes.apart)
        numbers = self.registry.update(blocks)
        assert set(numbers) == set(ids)
        self.labels |= set(numbers.values())

    @rule(word=st.sampled_from(WORDS))
    def comes_or_goes(self, word: str) -> None:
        self.here ^= {word}

    @rule(data=st.data())
    def merge(self, data: st.DataObject) -> None:
        clusters = self.registry.clusters()
        if len(clusters) < 2:
            return
        one, other = data.draw(st.lists(st.sampled_from(sorted(clusters)), min_size=2, max_size=2, unique=True))
        faces = clusters[one] + clusters[other]
        self.differ = [pair for pair in self.differ if not set(pair) <= self.person(faces)]
        assert self.registry.merge(one, other) == min(one, other)
        self.same += list(pairwise(faces))
        assert self.registry.resolve(f"U-{max(one, other)}") == min(one, other)

    @rule(data=st.data())
    def split(self, data: st.DataObject) -> None:
        large = {number: faces for number, faces in self.registry.clusters().items() if len(faces) > 1}
        if not large:
            return
        number = data.draw(st.sampled_from(sorted(large)))
        faces = large[number]
        chosen = data.draw(st.lists(st.sampled_from(faces), min_size=1, max_size=len(faces) - 1, unique=True))
        new = self.registry.split(number, chosen)
        assert new not in self.labels
        self.labels.add(new)
        self.same = [pair for pair in self.same if not set(pair) & set(chosen)]
        self.same += list(pairwise(chosen))
        rest = [face for face in faces if face not in chosen]
        self.differ = [pair for pair in self.differ if not set(pair) <= set(chosen)]
        self.differ += [(chosen[0], face) for face in rest if face not in self.person(chosen)]

    def person(self, faces: list[str]) -> set[str]:
        """These faces and all that were said to be the same person as one of them."""
        found = set(faces)
        while more := {face for pair in self.same if set(pair) & found for face in pair} - found:
            found |= more
        return found

    @invariant()
    def what_was_said_holds(self) -> None:
        clusters = self.registry.clusters()
        place = {face: number for number, faces in clusters.items() for face in faces}
        for a, b in self.differ:
            if a in place and b in place:
                assert place[a] != place[b]

    @rule()
    def those_said_to_be_one_are_one(self) -> None:
        self.cluster(1.1)  # nobody is like anybody: only what was said holds faces together
        place = {face: number for number, faces in self.registry.clusters().items() for face in faces}
        for a, b in self.same:
            if a in place and b in place and b in self.person([a]):
                assert place[a] == place[b]

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()


Story.TestCase.settings = settings(max_examples=20, stateful_step_count=15, deadline=None)
TestStory = Story.TestCase


def two_clusters(tmp_path: Path) -> Registry:
    registry = Registry(tmp_path, "gallery", "model")
    registry.update([("a" * 16 + "-1", "b" * 16 + "-1", "c" * 16 + "-1"), ("d" * 16 + "-1", "e" * 16 + "-2")])
    return registry


def test_what_cannot_be_done_is_said_in_one_line(tmp_path: Path) -> None:
    registry = two_clusters(tmp_path)
    with pytest.raises(UnknownClusterError, match="already"):
        registry.merge(1, 1)
    with pytest.raises(UnknownClusterError, match="no face of U-0002"):
        registry.split(2, ["a" * 16 + "-1"])
    with pytest.raises(UnknownClusterError, match="would be left"):
        registry.split(2, ["d" * 16 + "-1", "e" * 16 + "-2"])
    with pytest.raises(UnknownClusterError, match="no unknown person U-0099"):
        registry.resolve("U-99")
    assert (registry.holds(1), registry.holds(99)) == (True, False)
    registry.name(1, "Ann")
    registry.name(2, "Bob")
    with pytest.raises(UnknownClusterError, match="different names"):
        registry.merge(1, 2)
    assert registry.clusters()[2] == ["d" * 16 + "-1", "e" * 16 + "-2"]


def test_clusters_with_two_names_do_not_grow_together(tmp_path: Path) -> None:
    registry = two_clusters(tmp_path)
    registry.name(1, "Ann")
    registry.name(2, "Bob")
    ids = [face for faces in registry.clusters().values() for face in faces]
    wishes = registry.constraints(ids)
    same = np.tile(np.array([1, 0], np.float32), (len(ids), 1))
    blocks = cluster(ids, same, 0.5, together=wishes.together, apart=wishes.apart)
    assert sorted(map(len, blocks)) == [2, 3]
    registry.keep_only(["r"], ids, ["Ann"])  # Bob was removed from the gallery
    assert registry.subjects() == {1: "Ann"}
    wishes = registry.constraints(ids)
    assert len(cluster(ids, same, 0.5, together=wishes.together, apart=wishes.apart)) == 1


def test_erasing_leaves_nothing_of_a_photo_or_a_subject(tmp_path: Path) -> None:
    registry = two_clusters(tmp_path)
    registry.merge(1, 2)
    registry.split(1, ["c" * 16 + "-1"])
    registry.name(3, "Ann")
    other = Registry(tmp_path, "another gallery", "model")
    other.update([("a" * 16 + "-3",)])
    assert forget(tmp_path, photo_sha256s=["a" * 64]) == {"a" * 16 + "-1", "a" * 16 + "-3"}
    assert forget(tmp_path, subject="Ann") == {"c" * 16 + "-1"}
    assert forget(tmp_path, photo_sha256s=["a" * 64], subject="Ann") == set()
    assert registry.clusters() == {1: ["b" * 16 + "-1", "d" * 16 + "-1", "e" * 16 + "-2"]}
    assert registry.subjects() == {}
    for file in (registry.file, other.file):
        data = file.read_bytes()
        assert not any(word in data for word in (b"a" * 16, b"c" * 16, b"Ann"))


def test_faces_and_runs_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    registry = two_clusters(tmp_path)
    registry.merge(1, 2)
    registry.add_run("r")
    registry.add_run("s")
    registry.keep_only(["s"], ["d" * 16 + "-1"], [])
    assert registry.runs() == ["s"]
    assert registry.clusters() == {1: ["d" * 16 + "-1"]}
    assert registry.constraints(["d" * 16 + "-1"]).together == [["d" * 16 + "-1"]]


def test_only_the_owner_may_read_it_and_damage_is_named(tmp_path: Path) -> None:
    registry = two_clusters(tmp_path)
    assert stat.S_IMODE(registry.file.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(registry.file.stat().st_mode) == 0o600
    with registry.held():
        assert stat.S_IMODE(registry.file.with_suffix(".lock").stat().st_mode) == 0o600
    registry.file.write_bytes(b"no database" * 500)
    with pytest.raises(UnknownsDamagedError, match="clustered anew"):
        registry.clusters()
