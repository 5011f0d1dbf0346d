"""A note in the user's data folder that a gallery is encrypted.

The database says so itself, in a row that whoever may write it can take out: the gallery would open as one in the open,
and what is enrolled from then on would stand there for everybody to read.
"""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import GalleryDamagedError
from pipeline.gallery import private

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seen:
    """The notes of one data folder.

    Attributes:
        folder: Where they lie, beside those of the audit.
    """

    folder: Path

    def file(self, label: str) -> Path:
        """The note about a gallery."""
        place = label if "://" in label else os.path.realpath(label)
        return self.folder / f"{hashlib.sha256(place.encode()).hexdigest()[:32]}.vault"

    def note(self, label: str, vault_id: str) -> None:
        """Notes that a gallery is encrypted. What cannot be noted is only logged."""
        file = self.file(label)
        try:
            if file.exists():
                return
            private.make_folder(self.folder)
            with private.create(file) as out:
                out.write(f"{vault_id}\n{label}\n")
        except FileExistsError:  # another process was first
            return
        except OSError as error:
            _log.warning("%s: that the gallery is encrypted was not noted: %s", file, error)

    def require_plain(self, label: str) -> None:
        """Refuses a gallery that says it is not encrypted, and was.

        Raises:
            GalleryDamagedError: It was.
        """
        if (file := self.file(label)).exists():
            raise GalleryDamagedError(
                f"{label}: was encrypted and is not any more: somebody has changed it. Restore a backup with "
                f"`knownface gallery restore FILE`; if you have put another gallery there yourself, remove {file}"
            )

    def forget(self, label: str) -> None:
        """A backup in the open was restored: it is not encrypted any more."""
        self.file(label).unlink(missing_ok=True)
