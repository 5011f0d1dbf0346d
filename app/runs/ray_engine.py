"""`--engine ray`: the same stages as Ray Data tasks, on the workers of a cluster or of this machine.

    driver    walk, what is known already        (this process; it alone writes the ledger)
    workers   read and hash                      (tasks)
    driver    each content once
    workers   decode, detect, embed              (actors, which load the models once)
    driver    search, decide, commit

Workers are sent paths, and send back what goes into the ledger. A path has to name the same file on every node.

RAY_ADDRESS names the cluster (Ray's own variable); without it Ray is started on this machine, on the loopback alone,
without dashboard or usage statistics, and ended afterwards.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from app.runs.work import Work
from pipeline.build import build_recognizer
from pipeline.errors import KnownfaceError, RunError
from pipeline.extra import need

if TYPE_CHECKING:
    import pyarrow as pa

    from app.runs.ray_rows import FileRow, ResultRow
    from pipeline.config import Settings
    from pipeline.recognizer import Recognizer
    from pipeline.tracks import TrackSettings

#: Files of a task, and of a pass through a worker's networks.
_BLOCK, _BATCH = 32, 8
_LOCAL_CLUSTER = {
    "include_dashboard": False,
    "object_store_memory": 256 << 20,
    "_system_config": {"enable_metrics_collection": False, "agent_register_timeout_ms": 120_000},
}
_LOCAL = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # whatever the system: nodes are at 127.0.0.1
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # what it warns of otherwise
}


class RayWork(Work):
    """Does what is to be done in a ledger, by the workers of a Ray cluster.

    Attributes:
        build: Makes a worker's recognizer from the settings.
        nodes: Which nodes have analysed something.
    """

    build: Callable[[Settings], Recognizer] = staticmethod(build_recognizer)

    def run(self) -> None:
        """Does everything; when it is interrupted, what was complete by then is kept all the same.

        Raises:
            ExtraMissingError: The extra `ray` is not installed.
            RunError: The workers cannot go on; the message says why.
        """
        need("ray", "ray")
        self.nodes = set[str]()
        files = self._files()
        if not files:
            return
        try:
            with _cluster(self._services.settings.worker_count):
                new = self._new(files)
                for result in _analysed(new, self._analyser(new)):
                    self._take(result)
        finally:
            self._commit()

    def _files(self) -> list[FileRow]:
        from app.runs.ray_rows import FileRow

        kinds = ("photo", "video")
        return [FileRow(path, kind) for kind in kinds for path in self._ledger.to_do(kind)]  # type: ignore[arg-type]

    def _new(self, files: list[FileRow]) -> list[FileRow]:
        """One file of each content that is to be analysed; what is known already, or cannot be read, is done here."""
        from app.runs.ray_worker import hashed

        new, limits = [], {"max_bytes": self._services.settings.max_bytes}
        found = {result.file.path: result for result in _mapped(files, hashed, fn_kwargs=limits)}
        for file in files:  # in their order: which path stands for a content must not depend on who was faster
            result = found[file.path]
            if result.refused is not None:
                self._failed(file.path, result.refused, result.why or "")
            elif self._is_new(result.file.sha256, file.path):
                new.append(result.file)
        self._commit()
        return new

    def _take(self, result: ResultRow) -> None:
        self.nodes.add(result.node)
        path, asked = result.file.path, result.file.sha256
        if result.content is None:
            for one in (path, *self._under_way.pop(asked, ())):
                self._failed(one, result.refused or "", result.why or "")
            return
        if result.content.sha256 != asked:  # it was changed meanwhile: the others are looked at in the next run
            self._under_way.pop(asked, None)
        self._analysed(result.content, path)

    def _analyser(self, files: list[FileRow]) -> dict[str, Any]:
        """What a worker is made of."""
        from app.video.identify import tracking_of

        tracking: TrackSettings | None = None
        if any(file.kind == "video" for file in files):
            tracking = tracking_of(self._services)
        return {
            "settings": self._services.in_force.model_dump_json(),
            "model_id": self._services.recognizer.model_id,
            "tracking": tracking,
            "build": self.build,
        }


def _analysed(files: list[FileRow], worker: dict[str, Any]) -> Iterator[ResultRow]:
    """What each file shows, in the order in which workers finish."""
    if not files:
        return
    import ray
    from ray.data import ActorPoolStrategy

    from app.runs.ray_worker import Analyser

    cpus: float = ray.cluster_resources().get("CPU", 1)  # type: ignore[no-untyped-call]
    workers = max(1, min(int(cpus), -(-len(files) // _BATCH)))
    pool = ActorPoolStrategy(size=workers)
    yield from _mapped(files, Analyser, size=_BATCH, fn_constructor_kwargs=worker, compute=pool, num_cpus=1)


def _mapped(
    files: list[FileRow], what: Callable[..., pa.Table], *, size: int = _BLOCK, **how: Any
) -> Iterator[ResultRow]:
    """Ray Data's `map_batches` over the files, as rows."""
    import ray.data
    import ray.exceptions

    from app.runs.ray_rows import file_tables, results_of

    data = ray.data.from_arrow(file_tables(files, size))
    mapped = data.map_batches(what, batch_format="pyarrow", batch_size=None, **how)
    try:
        for table in mapped.iter_batches(batch_format="pyarrow", batch_size=None):
            yield from results_of(table)
    except ray.exceptions.RayError as error:
        raise _named(error) from error


def _named(error: Exception) -> KnownfaceError:
    """Ours, where a worker raised one; otherwise what Ray says, in one line."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, KnownfaceError):
            return cause
        cause = getattr(cause, "cause", None) or cause.__cause__
    lines = str(error).strip().splitlines() or [type(error).__name__]
    said = re.sub(r"^(\w+\.)*\w+Error: ", "", lines[-1].strip())[:300]
    return RunError(f"Ray's workers cannot go on: {said}; the same command goes on where it stopped")


@contextmanager
def _cluster(workers: int) -> Iterator[None]:
    """Connected to the cluster that RAY_ADDRESS names, or that this process is connected to; else to one of its own."""
    address = os.environ.get("RAY_ADDRESS")
    for name, value in _LOCAL.items():
        if not address:
            os.environ.setdefault(name, value)
    import ray
    from ray.data import DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    if ray.is_initialized():
        yield
        return
    how: dict[str, Any] = {"address": address} if address else {"num_cpus": workers, **_LOCAL_CLUSTER}
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **how)
    except Exception as error:  # Ray has no narrower one for a start that failed
        where = "the cluster that RAY_ADDRESS names cannot be reached" if address else "Ray does not start here"
        said = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise RunError(f"{where}: {said}") from error
    try:
        yield
    finally:
        ray.shutdown()
