"""Two PostgreSQL nodes with synchronous replication: the primary is killed, the standby takes over."""

from __future__ import annotations

import signal
import threading
import time

import pytest
from gallery_samples import DIMENSION, MODEL, probe_of, sample_of

from pipeline.errors import GalleryError, GalleryUnreachableError
from pipeline.gallery.gallery import Gallery

pytestmark = pytest.mark.slow


@pytest.fixture
def nodes(postgres):
    """A primary with a synchronous standby; asking for the single server says early what is not installed."""
    from tests.servers.postgres import two_nodes

    with two_nodes() as both:
        yield both


def test_every_acknowledged_enrolment_survives_the_primary(nodes):
    from tests.servers.postgres import cluster_url

    primary, standby = nodes
    acknowledged, refused = [], []
    begun, over = threading.Event(), threading.Event()

    def enrol_on_and_on(gallery):
        number = 0
        while not over.is_set():
            key = f"person {number}"
            try:
                gallery.enrol(key, [sample_of(key)])
            except GalleryError as error:
                refused.append((key, error))
                time.sleep(0.02)
            else:
                acknowledged.append(key)
                if len(acknowledged) == 20:
                    begun.set()
            number += 1

    with Gallery.open(cluster_url(nodes, "postgres"), MODEL, DIMENSION) as gallery:
        writer = threading.Thread(target=enrol_on_and_on, args=(gallery,))
        writer.start()
        assert begun.wait(120)
        primary.stop(signal.SIGKILL)
        before = len(acknowledged)
        standby.promote()
        deadline = time.monotonic() + 120
        while len(acknowledged) < before + 20 and time.monotonic() < deadline:
            time.sleep(0.02)
        over.set()
        writer.join()
        assert len(acknowledged) >= before + 20  # the same Gallery carries on
        assert {type(error) for _, error in refused} <= {GalleryUnreachableError}
        present = {info.name for info in gallery.subjects()}
        assert set(acknowledged) <= present
        assert len(present - set(acknowledged)) <= 1  # at most what was under way
        for key, found in zip(acknowledged, gallery.search(probe_of(*acknowledged)), strict=True):
            assert found.subjects[0] == key
        assert gallery.check() == []


def test_an_index_of_the_old_primary_is_not_kept(nodes):
    """Without synchronous replication the standby may lack what a node has seen: generations come twice."""
    from tests.servers.postgres import cluster_url

    primary, standby = nodes
    with Gallery.open(cluster_url(nodes, "postgres"), MODEL, DIMENSION) as gallery:
        gallery.enrol("Ada", [sample_of("ada")])
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
        primary.execute("SELECT pg_reload_conf()")
        standby.execute("SELECT pg_wal_replay_pause()")
        standby.stop(signal.SIGKILL)
        gallery.enrol("Lost", [sample_of("lost")])
        assert gallery.search(probe_of("lost"))[0].subjects[0] == "Lost"
        primary.stop(signal.SIGKILL)
        standby.start()
        standby.promote()
        gallery.enrol("Bob", [sample_of("bob")])
        assert gallery.search(probe_of("bob"))[0].subjects[0] == "Bob"
        assert set(gallery.search(probe_of("lost"), k=5)[0].subjects) == {"Ada", "Bob"}


def test_a_standby_answers_and_refuses_to_write(nodes):
    primary, standby = nodes
    with Gallery.open(primary.url("postgres"), MODEL, DIMENSION) as gallery:
        gallery.enrol("Ada", [sample_of("ada")])
        primary.execute("SELECT pg_switch_wal()")
        standby.wait_for("SELECT to_regclass('templates') IS NOT NULL", True)
        with Gallery.open(standby.url("postgres"), MODEL, DIMENSION, create=False) as reader:
            deadline = time.monotonic() + 120
            while reader.search(probe_of("ada"))[0].subjects != ("Ada",) and time.monotonic() < deadline:
                time.sleep(0.02)
            assert reader.search(probe_of("ada"))[0].subjects == ("Ada",)
            with pytest.raises(GalleryError, match="target_session_attrs=read-write"):
                reader.enrol("Bob", [sample_of("bob")])
