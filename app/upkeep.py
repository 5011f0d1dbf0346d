"""Upkeep of the gallery as a whole: its documents, index, encryption and backups; each asks first who acts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.access import Role
from app.changes import Changes

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.vaults import KeyPlace, Progress
    from pipeline.gallery import Problem
    from pipeline.gallery.vault.master import MasterKey


class Upkeep(Changes):
    """What `Services` inherits. The methods raise NotAllowedError where the role of the actor is too weak."""

    def update_document(self, kind: str, change: Callable[[dict[str, Any] | None], dict[str, Any]]) -> None:
        """Replaces a document of the gallery, such as its calibration. Errors: `Gallery.update_document`."""
        self.require(Role.OPERATOR)
        self.gallery.update_document(kind, change)

    def drop_document(self, kind: str) -> bool:
        """Removes a document of the gallery; returns whether there was one."""
        self.require(Role.OPERATOR)
        return self.gallery.drop_document(kind)

    def tune(self, threshold: float, target_recall: float, probes: int, note: Callable[[str], None]) -> dict[str, Any]:
        """Measures indexes and uses the best from now on, saved. As `Gallery.tune`."""
        self.require(Role.OPERATOR)
        chosen = self.gallery.tune(threshold, target_recall, probes, note)
        self.gallery.save_index()
        return chosen

    def check(self, *, repair: bool = False) -> list[Problem]:
        """Looks for damage; putting it right is for admins."""
        if repair:
            self.require(Role.ADMIN)
        return self.gallery.check(repair=repair)

    def compact(self, *, forget_models: bool = False) -> int:
        """Gives free space back to the disk; returns how many templates of models no longer used were removed.

        Args:
            forget_models: Remove those first. There is no way back to their models then.
        """
        self.require(Role.ADMIN)
        gallery, forgotten = self.gallery, 0
        if forget_models:
            from pipeline.gallery import Model

            work = gallery.switching()
            before = {model_id: work.dimension_of(model_id) for model_id in work.models()}
            forgotten = work.forget()
            for model_id in before.keys() - work.models().keys():
                with gallery.of_model(Model(model_id, before[model_id] or 1)) as gone:
                    gone.compact()  # an engine elsewhere drops its copy
        gallery.compact()
        return forgotten

    def vault_init(self, place: KeyPlace | None, told: Progress | None = None) -> MasterKey:
        """Encrypts the gallery, or goes on with it. Errors: `vaults.init`; NotAllowedError: the actor is no admin."""
        self.require(Role.ADMIN)
        from app import vaults

        return vaults.init(self.gallery, self.settings, place, told)

    def vault_rotate(self, place: KeyPlace | None, told: Progress | None = None) -> MasterKey:
        """Encrypts everything under a new data key. Errors: as `vault_init`."""
        self.require(Role.ADMIN)
        from app import vaults

        return vaults.rotate(self.gallery, self.settings, place, told)

    def vault_drop(self) -> int:
        """Drops former keys of files; returns how many. Errors: `vaults.drop`, and as `vault_init`."""
        self.require(Role.ADMIN)
        from app import vaults

        return vaults.drop(self.gallery, self.settings)

    def backup(self, file: Path) -> None:
        """Writes everything to one new file. Errors: `Gallery.backup`."""
        self.require(Role.ADMIN)
        self.gallery.backup(file)

    def restore(self, file: Path, *, in_the_open: bool = False) -> None:
        """Replaces everything in the gallery by a backup. Errors: `Gallery.restore`."""
        self.require(Role.ADMIN)
        from pipeline.gallery import Anchor, Gallery, Scribe

        scribe = Scribe(self.actor.name, Anchor(self.settings.home))
        Gallery.restore(file, self.settings.gallery_location, scribe, in_the_open=in_the_open)
