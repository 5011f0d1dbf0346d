"""`knownface models use | rollback | status` on a gallery with people in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from switch_world import NEW, OLD, crop_of, found_in, install, model_of, open_by, png, samples, templates_of

from app.cli.main import main
from app.services import Services
from pipeline.config import Settings
from pipeline.gallery import Gallery, InUse

Run = Callable[..., tuple[int, Any, str]]
PEOPLE = [(f"p{number}", sample) for number in range(8) for sample in range(2)]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: object) -> tuple[int, Any, str]:
        code = main(["models", *(str(word) for word in words), "--json"])
        out, err = capsys.readouterr()
        return code, json.loads(out), err

    return call


class World:
    """A gallery enrolled with the old model, in which the new one is installed too."""

    def __init__(self, folder: Path, isolated_home: Path, *, crops: bool, points: bool = True) -> None:
        self.old = Settings(embedder=OLD, workers=1)
        self.new = Settings(embedder=NEW, workers=1)
        self.old_id = install(self.old, folder, OLD, 1)
        self.new_id = install(self.old, folder, NEW, 2, points=points)
        (isolated_home / "settings.toml").write_text(f'embedder = "{OLD}"\nworkers = 1\n')
        with open_by(self.old, self.old_id) as gallery:
            gallery.enrol_many(samples(self.old, PEOPLE, crops=crops))
            gallery.put_document("stages", {"detector": "yunet.2023mar", "refiner": "onet.mtcnn"})

    def search(self, name: str) -> list[tuple[str, float]]:
        """As somebody would who runs for long: by the model in use."""
        with open_by(self.old, self.old_id) as gallery:
            state = gallery.in_use()
            if state is None or state.model.model_id == self.old_id:
                return found_in(gallery, self.old, name)
            with gallery.of_model(state.model) as other:
                return found_in(other, self.new, name)


@pytest.fixture
def world(tmp_path: Path, isolated_home: Path) -> World:
    return World(tmp_path, isolated_home, crops=True)


def test_use_embeds_everybody_and_switches(run: Run, world: World) -> None:
    code, told, err = run("use", NEW)
    assert code == 0, err
    assert told["stack"]["embedder"] == NEW
    done = told["switch"]
    assert (done["from"], done["to"]) == (world.old_id, world.new_id)
    assert (done["samples"], done["embedded"], done["left_behind"]) == (16, 16, [])
    assert "the model card's, since they cannot be measured on this gallery" in done["points"]
    with open_by(world.new, world.new_id) as gallery:
        assert gallery.in_use() == InUse(model_of(world.new_id), model_of(world.old_id))
        assert gallery.document("stages") == {"detector": "yunet.2023mar", "refiner": "onet.mtcnn"}
        assert gallery.check() == []
        for row in gallery.templates("p3"):  # to the bit what enrolling anew would make of the same crop
            number = int(row.source[-5])
            again = templates_of(world.new, crop_of("p3", number + 1))
            assert row.vector.tobytes() == again.vectors[0].tobytes()
            assert row.norm == float(again.norms[0])
    assert world.search("p5")[0][0] == "p5"
    assert run("use", NEW)[1]["switch"]["embedded"] == 0, "there is nothing left to do"


def test_back_gives_the_very_same_answers(run: Run, world: World) -> None:
    before = [world.search(f"p{number}") for number in range(8)]
    assert run("rollback")[1]["message"].startswith("there is no model to go back to")
    run("use", NEW)
    assert [world.search(f"p{number}") for number in range(8)] != before
    with open_by(world.new, world.new_id) as gallery:
        gallery.enrol_many(samples(world.new, [("late", 0)]))
    code, told, _ = run("rollback")
    assert (code, told["switch"]["embedded"], told["stack"]["embedder"]) == (0, 1, OLD)
    assert [row for row in world.search("late") if row[0] == "late"]
    with open_by(world.old, world.old_id) as gallery:
        gallery.remove("late")
    assert [world.search(f"p{number}") for number in range(8)] == before
    assert run("rollback")[1]["stack"]["embedder"] == NEW, "and forth again"


def test_status(run: Run, world: World) -> None:
    first = run("status")[1]
    assert (first["model"], first["change"], first["templates"]) == (None, None, {world.old_id: 16})
    run("use", NEW)
    told = run("status")[1]
    assert told["model"] == {"model_id": world.new_id, "dimension": 64}
    assert told["previous"]["model_id"] == world.old_id
    assert told["templates"] == {world.old_id: 16, world.new_id: 16}
    change = told["change"]
    assert (change["state"], change["done"], change["total"], change["running"]) == ("done", 16, 16, False)
    assert main(["models", "status"]) == 0


def test_without_a_gallery_nothing_is_made(run: Run, world: World, tmp_path: Path) -> None:
    code, told, _ = run("use", NEW, "--gallery", tmp_path / "none")
    assert (code, told["switch"], told["stack"]["embedder"]) == (0, None, NEW)
    assert run("status", "--gallery", tmp_path / "none")[1]["model"] is None
    assert not (tmp_path / "none").exists()
    assert world.search("p1")[0][0] == "p1", "other galleries are not touched"


def test_who_cannot_be_embedded_is_listed_first(run: Run, tmp_path: Path, isolated_home: Path) -> None:
    world = World(tmp_path, isolated_home, crops=False)
    before = world.search("p1")
    code, told, err = run("use", NEW)
    assert (code, told["error"], len(told["problems"])) == (3, "switch_refused", 16)
    assert told["problems"][0]["reason"] == "no crop of it is kept, and its photo is not given"
    assert "--photos DIR" in err
    assert "--leave-behind" in err
    said = told["message"]
    assert said.startswith(
        "16 samples of 8 people (p0, p1, p2 and 5 more: no crop of it is kept, and its photo is not "
    )
    assert (".png" in said, said.count("no crop of it is kept")) == (False, 1), "each sample is listed apart, once"
    assert Settings.load().embedder == OLD
    assert world.search("p1") == before
    noted = run("status")[1]["change"]
    assert (noted["state"], "16 samples of 8 people" in noted["message"]) == ("refused", True)
    assert not any(name in noted["message"] for name, _ in PEOPLE), "no erasure reaches it, so it names nobody"
    photos = tmp_path / "originals"
    photos.mkdir()
    (photos / "damaged.png").write_bytes(b"x")
    code, told, _ = run("use", NEW, "--photos", photos)
    assert {row["reason"] for row in told["problems"]} == {"no crop of it is kept, and its photo is not in the folder"}
    told = run("use", NEW, "--photos", photos, "--photos", photos)[1]
    assert {row["reason"] for row in told["problems"]} == {"no crop of it is kept, and its photo is not in the folders"}


def test_from_the_original_photos(run: Run, tmp_path: Path, isolated_home: Path) -> None:
    world = World(tmp_path, isolated_home, crops=False)
    places = [tmp_path / "originals" / "below", tmp_path / "elsewhere"]
    for place in places:
        place.mkdir(parents=True)
    with open_by(world.old, world.old_id) as gallery:
        for number, (name, sample) in enumerate(samples(world.old, PEOPLE, crops=False)):
            data = png(crop_of(name, int(sample.source[-5]) + 1))
            (places[number % 2] / f"{number}.png").write_bytes(data)
            with gallery._truth.writing() as connection:
                digest = hashlib.sha256(data).hexdigest()
                text = "update samples set photo_sha256 = ? where photo_sha256 = ?"
                connection.exec_driver_sql(text, (digest, sample.photo_sha256))
    assert len(run("use", NEW, "--photos", tmp_path / "originals")[1]["problems"]) == 8, "half of them are elsewhere"
    code, told, err = run("use", NEW, "--photos", tmp_path / "originals", "--photos", places[1])
    assert (code, told["switch"]["embedded"]) == (0, 16), err
    assert world.search("p6")[0][0] == "p6"


def test_thresholds_are_measured_on_the_gallery_where_it_can_show_them(run: Run, world: World) -> None:
    with open_by(world.old, world.old_id) as gallery:
        gallery.enrol_many(samples(world.old, [(f"q{n}", s) for n in range(40) for s in range(3)]))
        services = Services(world.old)
        services._gallery = gallery
        from app.calibration import from_gallery, keep
        from app.calibration import run as measure

        points = measure(from_gallery(services), fmrs=[0.1], fpirs=[], sizes=[], enrolled=2).points
        keep(services, points)
    told = run("use", NEW)[1]["switch"]
    assert told["points"].startswith("measured with the new model: verify")
    with open_by(world.new, world.new_id) as gallery:
        document = gallery.document("operating_points")
        assert document is not None
        assert {(p["task"], p["target"], p["model_id"]) for p in document["points"]} >= {("verify", 0.1, world.new_id)}
    run("rollback")
    assert run("use", NEW)[1]["switch"]["points"].startswith("as before for this model")


def test_without_a_threshold_it_asks(run: Run, tmp_path: Path, isolated_home: Path) -> None:
    world = World(tmp_path, isolated_home, crops=True, points=False)
    code, told, _ = run("use", NEW)
    assert (code, told["error"]) == (3, "switch_refused")
    assert "--calibrate-on DIR" in told["message"]
    assert world.search("p2")[0][0] == "p2"
    with open_by(world.old, world.old_id) as gallery:
        assert gallery.in_use() == InUse(model_of(world.old_id))
    code, told, _ = run("use", NEW, "--no-point")
    assert (code, told["switch"]["embedded"]) == (0, 0), "what was embedded before is kept"


def test_prepared_beside_the_present_one(run: Run, world: World) -> None:
    before = world.search("p4")
    code, told, _ = run("use", NEW, "--prepare")
    assert (code, told["switch"]["embedded"], told["switch"]["switched"]) == (0, 16, False)
    assert (told["stack"]["embedder"], world.search("p4")) == (OLD, before)
    assert run("status")[1]["change"]["state"] == "prepared"
    told = run("use", NEW)[1]["switch"]
    assert (told["embedded"], told["switched"]) == (0, True)


def test_another_gallery_of_the_home_keeps_its_model(run: Run, world: World, tmp_path: Path) -> None:
    other = str(tmp_path / "second")
    with Gallery.open(other, world.old_id, 64) as gallery:
        gallery.enrol_many(samples(world.old, PEOPLE))
        gallery.keep_model()
    run("use", NEW)
    services = Services(Settings.load(gallery=other))
    assert (services.settings.embedder, services.gallery.model_id) == (NEW, world.old_id)
    services.close()


def test_other_models_are_forgotten_when_told_to(
    run: Run, world: World, capsys: pytest.CaptureFixture[str], isolated_home: Path
) -> None:
    run("use", NEW)
    assert main(["gallery", "compact", "--json"]) == 0
    assert "templates_forgotten" not in json.loads(capsys.readouterr().out)
    assert main(["gallery", "compact", "--forget-models", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["templates_forgotten"] == 16
    assert run("status")[1]["templates"] == {world.new_id: 16}
    assert run("rollback")[1]["error"] == "gallery_error"
    assert world.search("p5")[0][0] == "p5"


def test_settings_that_name_another_embedder_are_said_to_be_for_new_galleries(world: World) -> None:
    with open_by(world.old, world.old_id) as gallery:
        gallery.keep_model()
    services = Services(world.new)
    assert services.stages_note().startswith(f"this gallery is searched with {world.old_id}; the settings")
    services.close()
