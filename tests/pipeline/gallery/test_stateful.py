"""Any history of a gallery, through two handles, against a plain dict."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from gallery_samples import MODEL, sample_of, vector_of
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pipeline.errors import DuplicatePhotoError, SubjectExistsError, SubjectNotFoundError
from pipeline.gallery.fusion import fuse
from pipeline.gallery.gallery import Gallery
from pipeline.types import Templates

D = 6
NAMES = st.sampled_from(["Ada", "Bob", "Cy", "Zoë", "../x"])
KEYS = st.integers(0, 25)
HANDLE = st.integers(0, 1)


class GalleryMachine(RuleBasedStateMachine):
    @initialize()
    def open(self):
        self.folder = Path(tempfile.mkdtemp())
        self.handles = [Gallery.open(self.folder, MODEL, D) for _ in range(2)]
        self.fused = Gallery.open(self.folder, MODEL, D, subject_score="fused")
        self.model: dict[int, str] = {}  # key of the photo -> subject
        self.uids: dict[int, str] = {}
        self.backup: dict[int, str] | None = None

    def teardown(self):
        for handle in (*self.handles, self.fused):
            handle.close()
        shutil.rmtree(self.folder)

    def of(self, name):
        return [key for key, owner in self.model.items() if owner == name]

    @rule(which=HANDLE, name=NAMES, keys=st.lists(KEYS, min_size=1, max_size=4, unique=True))
    def enrol(self, which, name, keys):
        new = [sample_of(key, D) for key in keys]
        if any(key in self.model for key in keys):
            with pytest.raises(DuplicatePhotoError) as caught:
                self.handles[which].enrol(name, new)
            assert caught.value.subject in {self.model.get(key) for key in keys}
            return
        for key, uid in zip(keys, self.handles[which].enrol(name, new), strict=True):
            self.model[key], self.uids[key] = name, uid

    @rule(which=HANDLE, name=NAMES)
    def remove(self, which, name):
        if not self.of(name):
            with pytest.raises(SubjectNotFoundError):
                self.handles[which].remove(name)
            return
        assert self.handles[which].remove(name) == len(self.of(name))
        for key in self.of(name):
            del self.model[key]

    @rule(which=HANDLE, old=NAMES, new=NAMES)
    def rename(self, which, old, new):
        if not self.of(old):
            with pytest.raises(SubjectNotFoundError):
                self.handles[which].rename(old, new)
        elif self.of(new) and new != old:
            with pytest.raises(SubjectExistsError):
                self.handles[which].rename(old, new)
        else:
            self.handles[which].rename(old, new)
            self.model.update(dict.fromkeys(self.of(old), new))

    @rule(which=HANDLE, source=NAMES, into=NAMES)
    def merge(self, which, source, into):
        if not self.of(source) or not self.of(into):
            with pytest.raises(SubjectNotFoundError):
                self.handles[which].merge(source, into)
        elif source == into:
            with pytest.raises(SubjectExistsError):
                self.handles[which].merge(source, into)
        else:
            assert self.handles[which].merge(source, into) == len(self.of(source))
            self.model.update(dict.fromkeys(self.of(source), into))

    @precondition(lambda self: self.model)
    @rule(which=HANDLE, data=st.data(), new=NAMES)
    def split(self, which, data, new):
        keys = data.draw(st.lists(st.sampled_from(sorted(self.model)), min_size=1, max_size=3, unique=True))
        if self.of(new):
            with pytest.raises(SubjectExistsError):
                self.handles[which].split([self.uids[key] for key in keys], new)
            return
        self.handles[which].split([self.uids[key] for key in keys], new)
        self.model.update(dict.fromkeys(keys, new))

    @precondition(lambda self: self.model)
    @rule(which=HANDLE, data=st.data())
    def remove_sample(self, which, data):
        key = data.draw(st.sampled_from(sorted(self.model)))
        self.handles[which].remove_sample(self.uids[key])
        del self.model[key]

    @rule(which=HANDLE)
    def save(self, which):
        assert self.handles[which].save_index()

    @rule(which=HANDLE)
    def compact(self, which):
        self.handles[which].compact()

    @rule(which=HANDLE)
    def reopen(self, which):
        self.handles[which].close()
        self.handles[which] = Gallery.open(self.folder, MODEL, D)

    @rule(which=HANDLE)
    def take_backup(self, which):
        (self.folder / "backup").unlink(missing_ok=True)
        self.handles[which].backup(self.folder / "backup")
        self.backup = dict(self.model)

    @precondition(lambda self: self.backup is not None)
    @rule()
    def restore(self):
        Gallery.restore(self.folder / "backup", self.folder)
        self.model = dict(self.backup)

    @rule(which=HANDLE, keys=st.lists(KEYS, min_size=1, max_size=3), k=st.integers(1, 6))
    def search(self, which, keys, k):
        vectors = np.stack([vector_of(key, D) for key in keys])
        found = self.handles[which].search(Templates(vectors, np.ones(len(keys), np.float32), MODEL), k)
        for vector, candidates in zip(vectors, found, strict=True):
            best: dict[str, float] = {}
            for key, name in self.model.items():
                best[name] = max(best.get(name, -2.0), float(vector_of(key, D).astype(float) @ vector.astype(float)))
            assert list(candidates.subjects) == sorted(best, key=lambda name: -best[name])[:k]
            np.testing.assert_allclose(candidates.scores, sorted(best.values(), reverse=True)[:k], atol=1e-6)

    @rule(key=KEYS)
    def search_fused(self, key):
        probe = Templates(vector_of(key, D)[None], np.ones(1, np.float32), MODEL)
        mine = {name: np.stack([vector_of(k, D) for k in self.of(name)]) for name in set(self.model.values())}
        expected = {name: float(fuse(rows).astype(float) @ vector_of(key, D)) for name, rows in mine.items()}
        [found] = self.fused.search(probe, 9)
        assert dict(zip(found.subjects, found.scores.tolist(), strict=True)) == pytest.approx(expected, abs=2e-6)
        assert self.fused.check() == []

    @rule(which=HANDLE)
    def check(self, which):
        assert self.handles[which].check() == []

    @invariant()
    def agrees(self):
        for handle in self.handles:
            listed = {info.name: info.samples for info in handle.subjects()}
            assert listed == {name: len(self.of(name)) for name in set(self.model.values())}
            assert (len(handle), handle.sample_count) == (len(listed), len(self.model))


TestGallery = GalleryMachine.TestCase
TestGallery.settings = settings(
    max_examples=8, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
