"""People for the tests of an encrypted gallery, and what to look for of them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import numpy as np
from gallery_samples import DIMENSION, MODEL, probe_of, sample_of

from app.traces import needles_of
from pipeline.gallery.consents import NewConsent
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.vault.master import KeyPlaces, MasterKey

KEY = MasterKey(hashlib.sha256(b"a key for tests").digest())
OTHER = MasterKey(hashlib.sha256(b"another key").digest())
KEYS = KeyPlaces(KEY.text)
NAMES = ["Ada Lovelace", "Zoë Kaczmarek", "bob the builder", "Örjan Åkesson"]


def crop_of(key):
    return b"\x89PNG\r\n\x1a\n" + np.random.default_rng(len(str(key))).bytes(3000)


def opened(location, keys=KEYS, **options):
    return Gallery.open(location, MODEL, DIMENSION, keys=keys, **options)


def fill(gallery):
    consent = NewConsent("door", evidence="folder of Countess Byron", given_by="Augusta Leigh")
    for name in NAMES:
        new = [sample_of(f"{name} {number}", crop=crop_of(name)) for number in range(3)]
        gallery.enrol(name, new, consent)
    gallery.hold(NAMES[0], "the case Babbage", datetime.now(UTC) + timedelta(days=9))


def all_of(gallery):
    held = {info.name: gallery.export(info.name) for info in gallery.subjects()}
    consents = {name: [consent.as_dict() for consent in gallery.consents(name)] for name in held}
    found = gallery.search(probe_of(*(f"{name} 1" for name in NAMES), "nobody"), k=3)
    return held, consents, gallery.holds(), [(one.subjects, one.scores.tolist()) for one in found]


def needles(held):
    return [needle for one in held.values() for needle in needles_of(one)]


def texts():
    return [
        text.encode()
        for text in ("Countess Byron", "Augusta Leigh", "case Babbage", "photos/", "Kaczmarek", "Lovelace")
    ]


def in_files(folder, data):
    return [file.name for file in folder.iterdir() if data in file.read_bytes()]
