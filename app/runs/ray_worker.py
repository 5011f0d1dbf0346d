"""What a worker of a Ray cluster does: hashes files, and turns them into contents with models it has loaded once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import ray

from app.runs.ray_rows import FileRow, ResultRow, files_of, result_table
from app.runs.reading import Read, read_one
from app.runs.row_types import Content
from app.runs.work import failed_content, new_content, opened
from pipeline.build import build_recognizer
from pipeline.config import Settings
from pipeline.errors import ModelMismatchError, PhotoError
from pipeline.images import one_line
from pipeline.images.source import hash_file
from pipeline.recognizer import Recognizer
from pipeline.tracks import TrackSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa


def hashed(table: pa.Table, max_bytes: int) -> pa.Table:
    """The files of a table with their hashes, or why they cannot be read."""
    return result_table([_hashed(file, max_bytes) for file in files_of(table)])


def _hashed(file: FileRow, max_bytes: int) -> ResultRow:
    try:
        if file.kind == "video":
            sha256 = hash_file(Path(file.path), one_line(file.path), "video")
        else:
            read = read_one(file.path, max_bytes)
            if read.error is not None:
                raise read.error
            sha256 = read.sha256
    except PhotoError as error:
        return ResultRow(file, _node(), refused=error.code, why=error.message)
    return ResultRow(FileRow(file.path, file.kind, sha256), _node())


class Analyser:
    """Analyses files; Ray makes one in each worker.

    Args:
        settings: As JSON; the models they name have to be installed on every node.
        model_id: Whose templates are wanted.
        tracking: When two faces of a video are one track; None where there is no video.
        build: Makes the recognizer.

    Raises:
        ModelError: The models are not installed on this node, or others are.
    """

    def __init__(
        self,
        settings: str,
        model_id: str,
        tracking: TrackSettings | None,
        build: Callable[[Settings], Recognizer] = build_recognizer,
    ) -> None:
        self._settings, self._tracking = Settings.model_validate_json(settings), tracking
        self._recognizer = build(self._settings)
        if self._recognizer.model_id != model_id:
            raise ModelMismatchError(
                f"node {_node()}: has {self._recognizer.model_id}, the run is made with {model_id}: "
                "install the same models on every node (knownface models pull)"
            )

    def __call__(self, table: pa.Table) -> pa.Table:
        """The files of a table with what they show."""
        files = list(files_of(table))
        results = list(self._photos([file for file in files if file.kind == "photo"]))
        results += [self._video(file) for file in files if file.kind == "video"]
        return result_table(results)

    def _photos(self, files: list[FileRow]) -> Iterator[ResultRow]:
        settings, reads, asked = self._settings, list[Read](), {file.path: file for file in files}
        for file in files:
            read = read_one(file.path, settings.max_bytes)
            if read.error is not None:
                yield ResultRow(file, _node(), refused=read.error.code, why=read.error.message)
            else:
                reads.append(read)
        recognizer = self._recognizer
        stream = recognizer.stream_as(
            reads,
            lambda read: opened(read, settings),
            lambda photo, faces: new_content(photo, faces, recognizer.assess(faces)),
            workers=1,
        )
        for read, content in stream:
            if isinstance(content, PhotoError):
                content = failed_content(read.sha256, "photo", read.path, content)  # noqa: PLW2901
            yield ResultRow(asked[read.path], _node(), content)

    def _video(self, file: FileRow) -> ResultRow:
        from app.video.content import video_content

        assert self._tracking is not None  # noqa: S101 - narrows the type
        content: Content
        try:
            content = video_content(file.path, self._recognizer, self._settings, self._tracking)
        except PhotoError as error:
            content = failed_content(file.sha256, "video", file.path, error)
        return ResultRow(file, _node(), content)


def _node() -> str:
    return str(ray.get_runtime_context().get_node_id())
