"""Kill -9 in the middle of the gallery's work: the child that works, and the parent that kills it and looks.

`one_kill` starts this file as a program, reads what it acknowledges, kills it at a random moment and holds the gallery
against what had been acknowledged. The one action under way may have happened or not; nothing else may differ.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from gallery_samples import DIMENSION, MODEL, probe_of, sample_of

from pipeline.gallery import faiss_index
from pipeline.gallery.codes import Coding
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.index_choice import KIND

ACTIONS = ["enrol"] * 8 + ["remove"] * 3 + ["merge", "save", "save", "backup", "restore"]
State = dict[str, str]  # key of a photo -> subject


@dataclass(frozen=True)
class Outcome:
    """What one kill showed.

    Attributes:
        state: Who was enrolled afterwards.
        saved: What the last complete backup holds.
        under_way: The action that was interrupted, or "".
        acknowledged: Actions acknowledged before the kill.
        reopen_s: Seconds to open the gallery and answer the first search.
        faults: What was wrong, in words; empty when all was well.
    """

    state: State
    saved: State | None
    under_way: str
    acknowledged: int
    reopen_s: float
    faults: list[str]


def read_state(gallery: Gallery) -> State:
    """Who is enrolled, by the sources of the samples."""
    state = {}
    for info in gallery.subjects():
        state.update({sample.source: info.name for sample in gallery.subject(info.name).samples})
    return state


def after(state: State, saved: State | None, action: dict) -> tuple[State, State | None]:
    """What an action makes of the state and of the backup."""
    kind = action["kind"]
    if kind == "enrol":
        return {**state, **dict.fromkeys(action["keys"], action["name"])}, saved
    if kind == "remove":
        return {key: name for key, name in state.items() if name != action["name"]}, saved
    if kind == "merge":
        return {key: action["target"] if name == action["name"] else name for key, name in state.items()}, saved
    if kind == "backup":
        return state, dict(state)
    if kind == "restore":
        return dict(saved or {}), saved
    return state, saved


def work(folder: Path, seed: str) -> None:
    """The child: acts at random until it is killed; says what it begins and what is done."""
    rng = random.Random(seed)  # noqa: S311
    backup = folder.with_name("backup.db")
    with Gallery.open(folder, MODEL, DIMENSION) as gallery:
        if rng.random() < 0.5:  # half of the children keep, and save, a compressed index
            faiss_index.SEALED = 8
            gallery.put_document(KIND, Coding(bits=64, first=4).as_document())
        state = read_state(gallery)
        for number in range(10_000):
            names = sorted(set(state.values()))
            kind = rng.choice(ACTIONS)
            action = {"kind": kind, "name": f"subject {rng.randrange(12)}"}
            if kind == "enrol":
                action["keys"] = [f"{seed}.{number}.{part}" for part in range(rng.randint(1, 3))]
            elif kind in ("remove", "merge"):
                if len(names) < 2:
                    continue
                action["name"], action["target"] = rng.sample(names, 2)
            elif kind == "restore" and not backup.exists():
                continue
            say({"begin": action})
            act(gallery, folder, backup, action)
            say({"done": action})
            state, _ = after(state, None, action)
            if kind == "restore":
                state = read_state(gallery)


def say(message: dict) -> None:
    """One line to the parent, at once."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def act(gallery: Gallery, folder: Path, backup: Path, action: dict) -> None:
    """Does one action."""
    kind = action["kind"]
    if kind == "enrol":
        gallery.enrol(action["name"], [sample_of(key, source=key) for key in action["keys"]])
    elif kind == "remove":
        gallery.remove(action["name"])
    elif kind == "merge":
        gallery.merge(action["name"], action["target"])
    elif kind == "save":
        gallery.save_index()
    elif kind == "backup":
        new = backup.with_name("new-backup.db")
        new.unlink(missing_ok=True)
        gallery.backup(new)
        new.replace(backup)
    else:
        Gallery.restore(backup, folder)


def one_kill(folder: Path, seed: str, state: State, saved: State | None) -> Outcome:
    """Lets a child work on a gallery, kills it, and holds what is there against what it had acknowledged."""
    rng = random.Random(seed + "kill")  # noqa: S311
    lines_to_read = rng.randint(1, 40)
    delay_s = rng.choice([0.0, rng.uniform(0, 0.004), rng.uniform(0, 0.03)])
    program = [sys.executable, __file__, str(folder), seed]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as child:
        lines = [child.stdout.readline() for _ in range(lines_to_read)]
        until = time.perf_counter() + delay_s
        while time.perf_counter() < until:
            pass
        child.kill()
        lines += child.stdout.readlines()
    begun, acknowledged = None, 0
    seen = dict(state)
    for line in filter(str.strip, lines):
        message = json.loads(line)
        if "begin" in message:
            begun = message["begin"]
        else:
            before = state
            state, saved = after(state, saved, message["done"])
            seen |= {**before, **state}
            begun, acknowledged = None, acknowledged + 1
    allowed = [(state, saved)] + ([after(state, saved, begun)] if begun else [])
    faults, actual, reopen_s = look(folder, [one for one, _ in allowed], seen)
    if begun and begun["kind"] == "backup":
        saved = backup_state(folder)
        if saved not in [one for _, one in allowed]:
            faults.append("the backup is neither the old nor the new one")
    return Outcome(actual, saved, begun["kind"] if begun else "", acknowledged, reopen_s, faults)


def backup_state(folder: Path) -> State | None:
    """What the backup holds, restored into a folder of its own."""
    backup = folder.with_name("backup.db")
    if not backup.exists():
        return None
    Gallery.restore(backup, folder.with_name("looked-at"))
    with Gallery.open(folder.with_name("looked-at"), MODEL, DIMENSION) as gallery:
        return read_state(gallery)


def look(folder: Path, allowed: list[State], seen: State) -> tuple[list[str], State, float]:
    """Faults of the gallery, its state, and the seconds from opening to the first answer."""
    faults = []
    start = time.perf_counter()
    with Gallery.open(folder, MODEL, DIMENSION) as gallery:
        gallery.search(probe_of("somebody"))
        reopen_s = time.perf_counter() - start
        actual = read_state(gallery)
        if actual not in allowed:
            lost = set(allowed[0].items()) - set(actual.items())
            faults.append(f"lost {sorted(lost)}, unexpected {sorted(set(actual.items()) - set(allowed[0].items()))}")
        faults += [f"check: {problem.kind}: {problem.message}" for problem in gallery.check()]
        keys = sorted(set(seen) | set(actual))
        for key, found in zip(keys, gallery.search(probe_of(*keys)) if keys else [], strict=True):
            name = found.subjects[0] if found.subjects and found.scores[0] > 0.999 else None
            if name != actual.get(key):
                faults.append(f"{key} is found as {name}, enrolled as {actual.get(key)}")
    left = [file.name for file in folder.iterdir() if file.suffix == ".tmp"]
    return faults + [f"left over: {name}" for name in left], actual, reopen_s


if __name__ == "__main__":
    work(Path(sys.argv[1]), sys.argv[2])
