"""Threads and processes on one gallery."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from gallery_samples import DIMENSION, MODEL, probe_of, sample_of

from pipeline.gallery.gallery import Gallery

HERE = Path(__file__).parent


@pytest.fixture
def gallery(location):
    with Gallery.open(location, MODEL, DIMENSION) as opened:
        yield opened


def in_threads(count, work):
    """Runs work(number) in threads that start together; re-raises what they raise."""
    errors = []
    start = threading.Barrier(count)

    def run(number):
        start.wait()
        try:
            work(number)
        except BaseException as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_sixteen_threads_lose_nothing(gallery):
    """Mixed enrol, search, remove, rename; the outcome is that of a serial run."""
    gallery.enrol_many([(f"base {n}", sample_of(("base", n))) for n in range(50)])

    def work(number):
        rng = random.Random(number)  # noqa: S311
        for step in range(12):
            name, key = f"{number}-{step}", (number, step)
            gallery.enrol(name, [sample_of(key)])
            [found] = gallery.search(probe_of(key))
            assert found.subjects[0] == name  # one's own enrolment is found at once
            other = rng.randrange(50)
            assert gallery.search(probe_of(("base", other)))[0].subjects[0] == f"base {other}"
            if step % 3 == 0:
                gallery.remove(name)
                assert name not in gallery.search(probe_of(key), k=3)[0].subjects
            elif step % 3 == 1:
                gallery.rename(name, name + "!")
                assert gallery.search(probe_of(key))[0].subjects[0] == name + "!"

    in_threads(16, work)
    expected = {f"base {n}" for n in range(50)}
    for number in range(16):
        expected |= {f"{number}-{step}" + ("!" if step % 3 == 1 else "") for step in range(12) if step % 3}
    assert {info.name for info in gallery.subjects()} == expected
    assert gallery.check() == []
    keys = [(number, step) for number in range(16) for step in range(12)]
    for (_, step), found in zip(keys, gallery.search(probe_of(*keys)), strict=True):
        assert (found.scores[0] > 0.999) == bool(step % 3)


def test_a_search_never_sees_half_of_a_change(gallery):
    """Twins are enrolled, moved and removed together: a probe finds both under one name, or neither."""
    twin = sample_of("twin").vector
    near = twin + 0.01 * np.eye(DIMENSION, dtype=np.float32)[0]
    near /= np.linalg.norm(near)
    stop = threading.Event()

    def work(number):
        if number == 0:
            try:
                for step in range(40):
                    gallery.enrol_many(
                        [("left", sample_of(("a", step), vector=twin)), ("right", sample_of(("b", step), vector=near))]
                    )
                    gallery.remove("left")
                    gallery.remove("right")
                    pair = [sample_of(("c", step), vector=twin), sample_of(("d", step), vector=near)]
                    gallery.enrol("both", pair)
                    gallery.remove("both")
            finally:
                stop.set()
        while not stop.is_set():
            found = gallery.search(probe_of("twin"), k=4)[0].subjects
            assert found in {(), ("left", "right"), ("right",), ("both",)}, found

    in_threads(3, work)


READER = """
import sys
sys.path.insert(0, {here!r})
from gallery_samples import DIMENSION, MODEL, probe_of
from pipeline.gallery.gallery import Gallery
with Gallery.open({location!r}, MODEL, DIMENSION) as gallery:
    print("ready", flush=True)
    for line in sys.stdin:
        found = gallery.search(probe_of(line.strip()))[0]
        print(found.subjects[0] if found.subjects else "-", flush=True)
"""


def test_another_process_finds_what_was_just_enrolled(location):
    """No restart, no waiting: the next question sees it."""
    with Gallery.open(location, MODEL, DIMENSION) as gallery:
        program = READER.format(here=str(HERE), location=location)
        with subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as reader:

            def ask(key):
                reader.stdin.write(f"{key}\n")
                reader.stdin.flush()
                return reader.stdout.readline().strip()

            assert reader.stdout.readline() == "ready\n"
            assert ask("ada") == "-"
            gallery.enrol("Ada", [sample_of("ada")])
            assert ask("ada") == "Ada"
            gallery.enrol("Bob", [sample_of("bob")])
            assert ask("bob") == "Bob"
            gallery.merge("Ada", "Bob")
            assert ask("ada") == "Bob"
            gallery.rename("Bob", "Eve")
            assert ask("ada") == "Eve"
            with gallery._truth.writing():  # a writer in the middle of its work is in nobody's way
                assert ask("bob") == "Eve"
            gallery.remove("Eve")
            assert ask("ada") == "-"
            reader.stdin.close()
            assert reader.wait() == 0


WRITER = """
import sys
sys.path.insert(0, {here!r})
from gallery_samples import DIMENSION, MODEL, sample_of
from pipeline.gallery.gallery import Gallery
with Gallery.open({folder!r}, MODEL, DIMENSION) as gallery:
    for step in range({steps}):
        gallery.enrol_many([(f"{{step}}-{{n}}", sample_of((step, n))) for n in range({size})])
        print(step, flush=True)
"""


def test_a_reader_beside_a_writer_sees_whole_transactions_and_each_at_once(tmp_path):
    """Another process enrols in transactions: no search or list shows a part of one, nor misses one that is over."""
    steps, size = 8, 150
    program = WRITER.format(here=str(HERE), folder=str(tmp_path), steps=steps, size=size)
    with (
        Gallery.open(tmp_path, MODEL, DIMENSION) as gallery,
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as writer,
    ):
        acknowledged, stop = [-1], threading.Event()

        def look(number):
            if number == 0:
                for line in writer.stdout:
                    acknowledged[0] = int(line)
                stop.set()
            while not stop.is_set():
                done = acknowledged[0] + 1  # transactions that were over before this question
                [found] = gallery.search(probe_of("anybody"), k=steps * size)
                counts = np.bincount([int(name.split("-")[0]) for name in found.subjects], minlength=steps)
                assert set(counts.tolist()) <= {0, size}
                assert counts[:done].all()
                listed, samples = len(gallery.subjects()), gallery.sample_count
                assert done * size <= listed <= samples
                assert listed % size == samples % size == 0

        in_threads(3, look)
        assert writer.wait() == 0
        assert len(gallery.search(probe_of("anybody"), k=steps * size)[0].subjects) == steps * size
        assert gallery.check() == []
