"""Settings: one frozen object, read from TOML and the environment, passed as an argument.

The user's data folder (`home()`) holds models, settings and the default gallery; nothing is written to site-packages.
"""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from pipeline.errors import ConfigError, KnownfaceError
from pipeline.types import IndexKind, IndexMethod, SubjectScore

#: Largest settings file or model card that is read.
TOML_BYTES = 1 << 20


def home() -> Path:
    """The user's data folder: KNOWNFACE_HOME, or the platform's own place for application data.

    Raises:
        ConfigError: KNOWNFACE_HOME starts with the home of a user there is not.
    """
    named = os.environ.get("KNOWNFACE_HOME") or platformdirs.user_data_dir("knownface", appauthor=False)
    try:
        return Path(named).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"KNOWNFACE_HOME={named}: there is no such user; name the folder by its full path") from error


class Settings(BaseModel):
    """Everything that can be chosen; each default is the one that evaluation confirms.

    Attributes:
        home: The user's data folder.
        gallery: The gallery's folder, or a database URL.
        policy: The policy's file; by default policy.toml in the user's data folder, or else the profile `home`.
        detector: Card name (`arch.tag`) of the detector.
        refiner: Card name of the landmark refiner, or "none".
        embedder: Card name of the embedder.
        liveness: Card name of the model that tells live faces from pictures of faces, or "none".
        eyes: Card name of the model that tells whether eyes are open, or "none".
        runtime: `auto` takes the faster one measured by `models pull`; otherwise the one named, or an error.
        provider: What computes the networks; all but `cpu` are ONNX Runtime's, and one that is not there is an error.
        workers: Parallel streams of one thread each in batches; 0 means one per core.
        detection_min_side: Small photos are enlarged until their longer side has this many pixels.
        detection_max_side: No photo is detected at a longer side than this.
        min_confidence: Detections below are dropped.
        nms_iou: Boxes that overlap more than this are one face.
        min_face: Smallest face (side of its box, in pixels of the original photo) that is reported.
        flip_fusion: Average the templates of the crop and of its mirror image.
        crop_zooms: Average with further crops of each face, larger by these factors (0.94 is smaller).
        max_bytes: Largest file that is read.
        max_pixels: Largest photo that is decoded; checked before decoding.
        video_interval_ms: Of a video one frame is looked at every so many milliseconds.
        video_max_gap_s: Somebody out of sight for longer than this appears anew.
        video_min_seen: Faces seen in fewer frames than this are dropped, unless fewer were looked at.
        video_max_pixels: Largest frame that is decoded; checked before decoding.
        video_max_seconds: Longest video that is read.
        video_max_frames: Most frames that are decoded.
        verify_fmr: Verify (1:1) uses the operating point with the largest measured false match rate up to this one.
        identify_fpir: Identify (1:N) uses the one with the largest false positive identification rate up to this one.
        cluster_fpir: Unknown faces are clustered at the 1:N operating point with the largest such rate up to this one.
        subject_score: Identify compares a probe with each subject's best sample, or with one template fused over them.
        index: Who searches the gallery: this process (`local`), the gallery's PostgreSQL (`pgvector`), or `milvus`.
        index_url: Of Milvus: http://user:password@host:19530, or a path ending in .db for Milvus Lite.
        index_method: Of pgvector and Milvus: `exact`, or `hnsw`, a graph, which may miss somebody.
        prior: How likely one person is before a pair is compared; verify's probability starts from it.
        allow_repeats: Let identify name one person more than once in a photo.
        session_idle_min: Minutes without use after which a session of the web page ends.
        session_max_min: Minutes after which it ends in any case.
        batch_folders: Folders of this machine that whoever is logged in at the web page may run over, and what is in
            them; who sits at the machine may name any.
        vault_key_file: File with the key of an encrypted gallery; the variable KNOWNFACE_VAULT_KEY goes before it.
        vault_keyring: Ask the operating system's keyring for that key.
        keep_crops: Keep the aligned crop of each sample (needed to change the model later without the photos).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path = Field(default_factory=home)
    gallery: str = ""
    policy: str = ""
    detector: str = "yunet.2023mar"
    refiner: str = "onet.mtcnn"
    embedder: str = "sface.2021dec"
    liveness: str = "none"
    eyes: str = "none"
    runtime: Literal["auto", "onnxruntime", "openvino"] = "auto"
    provider: Literal["cpu", "cuda", "tensorrt", "coreml", "directml"] = "cpu"
    workers: int = Field(default=0, ge=0, le=256)
    detection_min_side: int = Field(default=320, ge=64, le=4096)
    detection_max_side: int = Field(default=3264, ge=64, le=8192)
    min_confidence: float = Field(default=0.6, ge=0.0, le=1.0)
    nms_iou: float = Field(default=0.4, gt=0.0, le=1.0)
    min_face: float = Field(default=16.0, ge=0.0)
    flip_fusion: bool = False
    crop_zooms: tuple[Annotated[float, Field(ge=0.5, le=2.0)], ...] = ()
    max_bytes: int = Field(default=64 * 1024 * 1024, ge=1)
    max_pixels: int = Field(default=100_000_000, ge=1)
    video_interval_ms: int = Field(default=200, ge=1, le=60_000)
    video_max_gap_s: float = Field(default=2.0, ge=0.0, le=3600.0)
    video_min_seen: int = Field(default=2, ge=1)
    video_max_pixels: int = Field(default=36_000_000, ge=1)
    video_max_seconds: float = Field(default=6 * 3600.0, gt=0.0)
    video_max_frames: int = Field(default=2_000_000, ge=1)
    verify_fmr: float = Field(default=1e-3, gt=0.0, lt=1.0)
    identify_fpir: float = Field(default=1e-2, gt=0.0, lt=1.0)
    cluster_fpir: float = Field(default=0.1, gt=0.0, lt=1.0)
    subject_score: SubjectScore = "best"
    index: IndexKind = "local"
    index_url: str = ""
    index_method: IndexMethod = "exact"
    prior: float = Field(default=0.5, gt=0.0, lt=1.0)
    allow_repeats: bool = False
    session_idle_min: int = Field(default=60, ge=1, le=10_080)
    session_max_min: int = Field(default=720, ge=1, le=43_200)
    batch_folders: tuple[Path, ...] = ()
    vault_key_file: str = ""
    vault_keyring: bool = False
    keep_crops: bool = False

    @field_validator("home", "gallery", "policy", "vault_key_file")
    @classmethod
    def _a_name(cls, value: Path | str) -> Path | str:
        if "\0" in str(value):
            raise ValueError("has a NUL character, which no file name can have")
        return value

    @field_validator("batch_folders")
    @classmethod
    def _whole_paths(cls, folders: tuple[Path, ...]) -> tuple[Path, ...]:
        if wrong := [str(folder) for folder in folders if not folder.is_absolute() or "\0" in str(folder)]:
            raise ValueError(f"{wrong[0]!r}: give the whole path, from the root on")
        return folders

    @property
    def gallery_location(self) -> str:
        """Folder or database URL of the gallery in use."""
        return self.gallery or str(self.home / "gallery")

    @property
    def models_dir(self) -> Path:
        """Where fetched models are kept."""
        return self.home / "models"

    @property
    def worker_count(self) -> int:
        """Parallel streams to use, at least one."""
        return self.workers or os.cpu_count() or 1

    @classmethod
    def load(cls, file: Path | None = None, **overrides: Any) -> Self:
        """Reads settings: defaults, then the TOML file, then the environment, then `overrides` that are not None.

        The file is `file`, or `settings.toml` in the user's data folder if there is one. KNOWNFACE_GALLERY names
        the gallery.

        Raises:
            ConfigError: The file is missing, is not TOML, or has a key or value that is not allowed.
        """
        source = file or home() / "settings.toml"
        values: dict[str, Any] = {}
        if file is not None or os.path.lexists(source):  # a link to nowhere is an error, no leave to do without
            values = _read_toml(source)
        if gallery := os.environ.get("KNOWNFACE_GALLERY"):
            values["gallery"] = gallery
        values.update({key: value for key, value in overrides.items() if value is not None})
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "settings"
            raise ConfigError(f"{source}: {where}: {first['msg']}") from error


def _read_toml(file: Path) -> dict[str, Any]:
    return parse_toml(read_text(file, ConfigError, hint="; check --config"), file, ConfigError)


def read_text(file: Path, named: type[KnownfaceError], *, hint: str = "") -> str:
    """The text of a small regular file; pipes and devices are refused without being waited for.

    Args:
        file: Settings or a card.
        named: The error to raise.
        hint: What to do, behind the reason.

    Raises:
        KnownfaceError: `named`, where it is no regular file, has more than TOML_BYTES, cannot be read, or is no UTF-8.
    """
    try:
        mode = file.stat().st_mode  # before opening: a pipe would be waited for
        if not stat.S_ISREG(mode):
            what = "is a folder" if stat.S_ISDIR(mode) else "is a pipe or device"
            raise named(f"{file}: cannot be read ({what}){hint}")
        with file.open("rb") as stream:
            data = stream.read(TOML_BYTES + 1)
        if len(data) > TOML_BYTES:
            raise named(f"{file}: cannot be read (has more than {TOML_BYTES} bytes){hint}")
        return data.decode("utf-8").replace("\r\n", "\n")
    except OSError as error:
        raise named(f"{file}: cannot be read ({error.strerror or error}){hint}") from error
    except ValueError as error:
        raise named(f"{file}: is not valid TOML: {error}") from error


def parse_toml(text: str, file: Path, named: type[KnownfaceError]) -> dict[str, Any]:
    """The document of a TOML text read from `file`.

    Raises:
        KnownfaceError: `named`, where it is not TOML, or is nested too deeply.
    """
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise named(f"{file}: is not valid TOML: nested too deeply") from error
    except ValueError as error:  # also the numbers that Python finds too long
        raise named(f"{file}: is not valid TOML: {error}") from error
