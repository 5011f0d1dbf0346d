"""`--engine ray` on two nodes of this machine: the same ledger and results as the local engine's."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.runs.output import FORMATS, write_results
from app.runs.ray_rows import FileRow, ResultRow, file_tables, files_of, result_table, results_of
from app.runs.records import Run
from app.runs.row_types import Content, NewFace
from app.runs.session import Engine, Plan, Session
from app.services import Services
from pipeline.config import Settings
from pipeline.errors import ExtraMissingError, ModelMismatchError, RunError
from tests import fakes
from tests.fakes import BLUE, GREEN, RED, YELLOW, bars, write_bars
from tests.videos import LOSSLESS, write_video

#: Ray's own modules warn of defaults that they set themselves.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray\\.")
FACE = NewFace((0.1, 2.0, 30.5, 40.0), ((1.0, 2.0),) * 5, 0.9, fakes.vector_of("a"), 9.5, b"\xff\xd8jpeg")


def test_rows_come_back_as_they_were_sent() -> None:
    odd = FileRow(os.fsdecode(b"/p/\xff.jpg"), "photo", "ab")
    films = FileRow("/p/b.mp4", "video")
    (one, two) = file_tables([odd, films, odd], 2)
    assert [*files_of(one), *files_of(two)] == [odd, films, odd]
    shown = NewFace(*(FACE.box, FACE.landmarks, 1 / 3, FACE.vector, 1e-7, b""), quality=0.5, start_s=0.0, end_s=1.5)
    sent = [
        ResultRow(odd, "n1", Content("cd", "photo", (3, 4), (FACE, shown))),
        ResultRow(films, "n2", Content("ef", "video", None, error="video_damaged", message="is damaged")),
        ResultRow(odd, "n1", Content("", "photo", (1, 1))),
        ResultRow(odd, "n1", refused="photo_empty", why="is empty"),
        ResultRow(odd, "n1"),
    ]
    got = list(results_of(result_table(sent)))
    assert [(row.file, row.node, row.refused, row.why) for row in got] == [
        (row.file, row.node, row.refused, row.why) for row in sent
    ]
    for mine, theirs in zip(sent, got, strict=True):
        assert (mine.content is None) == (theirs.content is None)
        if mine.content and theirs.content:
            assert plain(mine.content) == plain(theirs.content)


def plain(content: Content) -> Any:
    """A content as numbers and texts, to be compared exactly."""
    faces = [
        (f.box, f.landmarks, f.confidence, f.vector.tolist(), f.norm, f.thumbnail, f.quality, f.start_s, f.end_s)
        for f in content.faces
    ]
    return (content.sha256, content.kind, content.image_hw, content.error, content.message, faces)


def test_without_the_extra_it_says_so(services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    write_bars(tmp_path / "in" / "a.png", RED)
    with pytest.raises(ExtraMissingError, match=r"knownface\[ray\]"):
        identified(services, tmp_path / "in", "r", "ray")


class Quiet:
    """Hears nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


def identified(services: Services, folder: Path, name: str, engine: Engine) -> Run:
    with Session(services, Plan(name, (str(folder),), engine=engine), Quiet()) as session:
        session.once()
    return session.run


def started(start: Callable[[], Any]) -> Any:
    """Ray's node aborts when its helper processes are not there within 15 s: on a machine that busy, once more."""
    for _ in range(3):
        try:
            return start()
        except Exception as error:  # noqa: BLE001 - it has no narrower one
            said = str(error)
    pytest.fail(said)


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[Any]:
    """A cluster of two nodes of one worker each, on the loopback; its processes end with it."""
    patch = pytest.MonkeyPatch()
    for name, value in {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }.items():
        patch.setenv(name, value)
    with warnings.catch_warnings():
        # Ray starts processes that it does not wait for (Popen.__del__), and leaves its log files open
        warnings.simplefilter("ignore", ResourceWarning)
        import ray
        from ray.cluster_utils import Cluster

        node = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}
        node |= {"no_monitor": True, "include_log_monitor": False}
        system = {"enable_metrics_collection": False, "agent_register_timeout_ms": 120_000}
        cluster = started(lambda: Cluster(initialize_head=True, head_node_args={**node, "_system_config": system}))
        started(lambda: cluster.add_node(**node))
        ray.init(cluster.address, log_to_driver=False, logging_level="ERROR")
        yield cluster
        ray.shutdown()
        cluster.shutdown()
        patch.undo()


@pytest.fixture
def ray_services(services: Services, two_nodes: Any, monkeypatch: pytest.MonkeyPatch) -> Services:
    from app.runs.ray_engine import RayWork

    monkeypatch.setattr(RayWork, "build", staticmethod(fakes.build_fake))
    return services


def folder_of(where: Path) -> Path:
    """Photos, duplicates, a video twice, and what cannot be used."""
    colours = (RED, GREEN, BLUE, YELLOW)
    for number in range(40):
        write_bars(where / str(number % 3) / f"{number:02}.png", *colours[: 1 + number % 4], note=number % 20)
    (where / "twice.png").write_bytes((where / "0" / "00.png").read_bytes())
    (where / "text.jpg").write_bytes(b"no photo")
    (where / "empty.jpg").write_bytes(b"")
    (where / "film.mp4").write_bytes(b"no video")
    (where / os.fsdecode(b"\xff.png")).write_bytes((where / "1" / "01.png").read_bytes())
    clip = write_video(where / "a.mkv", [bars(RED, GREEN)] * 10, rate=10, codec=LOSSLESS)
    (where / "b.mkv").write_bytes(clip.read_bytes())
    return where


def results(run: Run, out: Path) -> dict[str, bytes]:
    """What is written about a run, without its name."""
    write_results(run, out, FORMATS)
    return {
        file.name: file.read_bytes() for file in sorted(out.iterdir()) if file.suffix in (".csv", ".jsonl", ".parquet")
    }


@pytest.mark.slow
def test_two_nodes_give_what_one_process_gives(ray_services: Services, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in")
    local = identified(ray_services, folder, "local", "local")
    spread = identified(ray_services, folder, "spread", "ray")
    assert list(spread.files()) == list(local.files())
    faces = list(local.faces())
    assert list(spread.faces()) == faces
    assert len(faces) > 40
    for face in faces:
        assert spread.thumbnail(face.face_id) == local.thumbnail(face.face_id)
    assert np.array_equal(spread.vectors()[1], local.vectors()[1])
    assert results(spread, tmp_path / "spread") == results(local, tmp_path / "local")
    assert len(results(local, tmp_path / "again")) == 3

    (folder / "new.png").write_bytes(write_bars(tmp_path / "x.png", BLUE, note=99).read_bytes())
    local = identified(ray_services, folder, "local", "local")
    assert list(identified(ray_services, folder, "spread", "ray").faces()) == list(local.faces()), "it goes on"


@pytest.mark.slow
def test_both_nodes_work_and_a_wrong_model_is_refused(ray_services: Services, tmp_path: Path) -> None:
    from app.runs.ray_engine import _analysed
    from app.runs.ray_rows import FileRow

    files = [
        FileRow(str(write_bars(tmp_path / f"{number}.png", RED, note=number % 50)), "photo", "?")
        for number in range(200)
    ]
    worker = {
        "settings": Settings().model_dump_json(),
        "model_id": fakes.MODEL_ID,
        "tracking": None,
        "build": fakes.build_fake,
    }
    rows = list(_analysed(files, worker))
    assert sorted(row.file.path for row in rows) == sorted(file.path for file in files)
    assert len({row.node for row in rows}) == 2
    with pytest.raises((ModelMismatchError, RunError), match=r"other.model@1234") as caught:
        list(_analysed(files[:1], worker | {"model_id": "other.model@1234"}))
    assert "\n" not in caught.value.message
    assert "the run is made with" in caught.value.message


@pytest.mark.slow
def test_the_real_models_give_the_same(
    two_nodes: Any, models_home: Path, isolated_home: Path, sample_photos: Path, tmp_path: Path
) -> None:
    with contextlib.closing(Services(Settings(home=isolated_home, workers=1))) as made:
        local = identified(made, sample_photos, "local", "local")
        spread = identified(made, sample_photos, "spread", "ray")
        assert list(spread.faces()) == list(local.faces())
        assert np.array_equal(spread.vectors()[1], local.vectors()[1])
        assert results(spread, tmp_path / "spread") == results(local, tmp_path / "local")
