"""kill -9 in the middle of a change of the model, while another process searches and a third one enrols.

As a program it is one of those two: `switch_harness.py search|enrol HOME PEOPLE OUT`. Both run until the file `stop`
stands in HOME, then write what they saw to OUT.
"""

from __future__ import annotations

import collections
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
for place in (REPOSITORY, Path(__file__).parent):
    if str(place) not in sys.path:
        sys.path.append(str(place))

import numpy as np  # noqa: E402
from switch_world import NEW, OLD, aligned, crop_of, install, open_by, samples, templates_of  # noqa: E402

import app.services  # noqa: E402
from app.services import Services  # noqa: E402
from pipeline.build import build_embedding  # noqa: E402
from pipeline.config import Settings  # noqa: E402
from pipeline.errors import ModelSwitchedError  # noqa: E402
from pipeline.recognizer import Faces, Recognizer  # noqa: E402
from pipeline.types import Detections  # noqa: E402

PROBED, TOLERANCE = 48, 1e-5
_CLI = "import sys; from app.cli.main import entry; sys.argv[0] = 'knownface'; entry()"


def settings_of(home: Path, name: str) -> Settings:
    return Settings(home=home, embedder=name, workers=1, keep_crops=True, gallery=str(home / "gallery"))


def prepare(home: Path, people: int, each: int) -> tuple[str, str]:
    """Installs both models and enrols `people` with `each` samples by the old one; returns the model_ids."""
    old = settings_of(home, OLD)
    old_id = install(old, home / "files", OLD, 1)
    new_id = install(old, home / "files", NEW, 2)
    (home / "settings.toml").write_text(f'embedder = "{OLD}"\nworkers = 1\nkeep_crops = true\n')
    with open_by(old, old_id) as gallery:
        for low in range(0, people, 250):
            keys = [(f"p{n}", s) for n in range(low, min(low + 250, people)) for s in range(each)]
            gallery.enrol_many(samples(old, keys))
        gallery.keep_model()
    return old_id, new_id


# --- the two processes beside the change ----------------------------------------------------------------------------


def long_runner(home: Path) -> Services:
    """Services without a detector: faces are made crops."""

    def without_detector(settings: Settings, **_: object) -> Recognizer:
        return Recognizer(None, None, *build_embedding(settings))  # type: ignore[arg-type]

    app.services.build_recognizer = without_detector  # type: ignore[assignment]
    services = Services(settings_of(home, OLD))
    _ = services.gallery
    return services


def faces_of(services: Services, name: str, seed: int) -> Faces:
    """What a photo of somebody would show."""
    crops = aligned(crop_of(name, seed))
    points = np.array([[[38, 52], [74, 52], [56, 72], [42, 92], [71, 92]]], np.float32)
    found = Detections(np.array([[0, 0, 112, 112]], np.float32), np.full(1, 0.9, np.float32), points, (112, 112))
    sha256 = hashlib.sha256(f"{name} {seed}".encode()).hexdigest()
    return Faces(f"{name}-{seed}.png", sha256, found, crops, services.recognizer.embed_aligned(crops))


def expected(home: Path, people: int, each: int) -> dict[str, list[float]]:
    """The score of each probe with its own person, by the embedder: the best of the person's samples."""
    scores: dict[str, list[float]] = {}
    for embedder in (OLD, NEW):
        settings = settings_of(home, embedder)
        scores[embedder] = []
        for number in probed(people):
            mine = templates_of(settings, *(crop_of(f"p{number}", s + 1) for s in range(each))).vectors.astype(float)
            probe = templates_of(settings, crop_of(f"p{number}", 77)).vectors[0].astype(float)
            scores[embedder].append(float((mine @ probe).max()))
    return scores


def probed(people: int) -> list[int]:
    return list(range(0, people, max(1, people // PROBED)))[:PROBED]


def search(home: Path, people: int, each: int, out: Path) -> None:
    """Searches without a pause; every answer must be the right person's, with the score of the model it names."""
    wanted, services = expected(home, people, each), long_runner(home)
    numbers, walls, faults = probed(people), [], []
    models: collections.Counter[str] = collections.Counter()
    retried, turn, switches, last = 0, 0, [], ""
    while not (home / "stop").exists():
        place = turn % len(numbers)
        name, start = f"p{numbers[place]}", time.perf_counter()
        while True:
            try:
                decision = services.identify_faces(faces_of(services, name, 77)).decisions[0]
                break
            except ModelSwitchedError:
                retried += 1
        walls.append((time.perf_counter() - start) * 1e3)
        embedder = decision.model_id.partition("@")[0]
        models[embedder] += 1
        if last not in ("", embedder):
            switches.append(round(walls[-1], 1))
        last = embedder
        found, score = decision.best or ("nobody", -2.0)
        if found != name or abs(score - wanted[embedder][place]) > TOLERANCE:
            faults.append(f"{name}: {found} {score:.6f} by {embedder}, not {wanted[embedder][place]:.6f}")
        turn += 1
        (home / "searching").touch()
        time.sleep(0.002)
    services.close()
    seen = {"searches": turn, "by_model": dict(models), "retried": retried, "faults": faults[:20]}
    seen |= {"fault_count": len(faults), "first_by_other_model_ms": switches}
    seen |= {"median_ms": float(np.median(walls)), "p99_ms": float(np.percentile(walls, 99)), "worst_ms": max(walls)}
    out.write_text(json.dumps(seen))


def enrol(home: Path, out: Path) -> None:
    """Enrols somebody new every now and then; each is acknowledged once durable."""
    services, acknowledged, retried = long_runner(home), [], 0
    while not (home / "stop").exists():
        name = f"late{len(acknowledged)}"
        while True:
            try:
                row = services.enrol_faces(name, faces_of(services, name, 1))
                break
            except ModelSwitchedError:
                retried += 1
        assert row.error is None, row.error
        acknowledged.append(name)
        time.sleep(0.15)
    services.close()
    out.write_text(json.dumps({"acknowledged": acknowledged, "retried": retried}))


# --- the change ---------------------------------------------------------------------------------------------------


def start(home: Path, *words: str) -> subprocess.Popen[str]:
    """`knownface models ...` in a process of its own."""
    command = [sys.executable, "-c", _CLI, "models", *words, "--gallery", str(home / "gallery"), "--json"]
    environment = os.environ | {"KNOWNFACE_HOME": str(home), "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(job: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = job.communicate(timeout=300)
    if job.returncode:
        raise AssertionError(f"exit code {job.returncode}: {err}")
    document: dict[str, Any] = json.loads(out)
    return document


def kill_some(home: Path, new_id: str, kills: int, seed: str) -> collections.Counter[str]:
    """Starts the change and kills it, again and again; returns in which state it was."""
    chance, hit = np.random.default_rng(list(seed.encode())), collections.Counter[str]()
    old = settings_of(home, OLD)
    with open_by(old, "watching", create=False) as gallery:
        work = gallery.switching()
        total = work.count(new_id)[0]
        for number in range(kills):
            late = number >= kills * 3 // 4  # these are to hit what comes after the embedding
            goal = total if late else total * (number + 1) // (kills * 3 // 4 + 1)
            job = start(home, "use", NEW)
            while job.poll() is None:
                told = work.progress() or {"state": "starting", "done": 0, "pid": 0}
                if told["pid"] == job.pid and (told["state"] == "preparing" if late else told["done"] >= goal):
                    break
                time.sleep(0.01)
            time.sleep(chance.uniform(0, 0.25 if late else 0.15))
            state = (work.progress() or {}).get("state", "starting")
            job.kill()
            job.communicate()
            if job.returncode == 0:
                hit["finished before the kill"] += 1
            else:
                hit[state] += 1
    return hit


def answers(home: Path, model_id: str, embedder: str, people: int) -> bytes:
    """The five best of many probes, names and scores to the bit."""
    settings, said = settings_of(home, embedder), []
    with open_by(settings, model_id) as gallery:
        for number in range(0, people, max(1, people // 500)):
            (row,) = gallery.search(templates_of(settings, crop_of(f"p{number}", 55)), k=5)
            said.append(repr(row.subjects).encode() + row.scores.tobytes())
    return b"".join(said)


def lost(home: Path, new_id: str, people: int, each: int, late: list[str]) -> list[str]:
    """Who is not found with the new model, or not with the very template that enrolling with it makes."""
    settings, faults = settings_of(home, NEW), []
    with open_by(settings, new_id) as gallery:
        held = {(row.subject, row.source): row.vector.tobytes() for row in gallery.templates()}
        for low in range(0, people, 250):
            keys = [(f"p{n}", s) for n in range(low, min(low + 250, people)) for s in range(each)]
            for name, sample in samples(settings, keys, crops=False):
                if held.get((name, sample.source)) != sample.vector.tobytes():
                    faults.append(f"{name}: {sample.source}")
        for name in late:
            (row,) = gallery.search(templates_of(settings, crop_of(name, 1)), k=1)
            if row.subjects != (name,) or row.scores[0] < 1 - TOLERANCE:
                faults.append(f"{name}: enrolled meanwhile, {row.subjects}")
        faults += [problem.message for problem in gallery.check()]
    return faults


def run(home: Path, *, people: int, each: int, kills: int, seed: str = "switch") -> dict[str, Any]:
    """The whole of it; `faults` must be empty."""
    begun = time.perf_counter()
    old_id, new_id = prepare(home, people, each)
    before = answers(home, old_id, OLD, people)
    filled = time.perf_counter()
    beside = [
        subprocess.Popen(
            [sys.executable, __file__, what, str(home), str(people), str(each), str(home / f"{what}.json")]
        )
        for what in ("search", "enrol")
    ]
    while not (home / "searching").exists():
        time.sleep(0.05)
    killed = kill_some(home, new_id, kills, seed)
    done = finish(start(home, "use", NEW))["switch"]
    time.sleep(1.0)  # some searches and enrolments by the new model
    (home / "stop").touch()
    for process in beside:
        process.wait(timeout=120)
    searched, enrolled = (json.loads((home / f"{what}.json").read_text()) for what in ("search", "enrol"))
    late = enrolled["acknowledged"]
    faults = searched["faults"] + lost(home, new_id, people, each, late)
    went_back = time.perf_counter()
    back = finish(start(home, "rollback"))["switch"]
    back_s = time.perf_counter() - went_back
    with open_by(settings_of(home, OLD), old_id) as gallery:
        faults += [f"{name}: not found after going back" for name in late if not _found(gallery, home, name)]
        for name in late:
            gallery.remove(name)
    identical = answers(home, old_id, OLD, people) == before
    return {
        "templates": people * each,
        "kills": kills,
        "killed_while": dict(killed.most_common()),
        "embedded_by_the_last_run": done["embedded"],
        "thresholds": done["points"],
        "enrolled_meanwhile": len(late),
        "embedded_for_going_back": back["embedded"],
        "faults": faults,
        "searches_mixed_or_wrong": searched["fault_count"],
        "searches": searched["searches"],
        "searches_by_model": searched["by_model"],
        "search_ms": {name: round(searched[f"{name}_ms"], 2) for name in ("median", "p99", "worst")},
        "first_search_by_the_new_model_ms": searched["first_by_other_model_ms"],
        "rollback_identical": identical,
        "rollback_s": round(back_s, 2),
        "filling_s": round(filled - begun, 1),
        "seconds": round(time.perf_counter() - begun, 1),
    }


def _found(gallery: Any, home: Path, name: str) -> bool:
    (row,) = gallery.search(templates_of(settings_of(home, OLD), crop_of(name, 1)), k=1)
    return bool(row.subjects == (name,))


if __name__ == "__main__":
    _, role, folder, count, number_each, result = sys.argv
    if role == "search":
        search(Path(folder), int(count), int(number_each), Path(result))
    else:
        enrol(Path(folder), Path(result))
