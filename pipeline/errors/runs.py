"""Runs, what they leave behind, and jobs in the background."""

from __future__ import annotations

from pipeline.errors.base import KnownfaceError


class RunError(KnownfaceError):
    """Something about a run and its ledger."""

    code = "run_error"


class RunNameError(RunError):
    """A run cannot have this name."""

    code = "run_name"


class RunNotFoundError(RunError):
    """No run, or no face of it, has this name."""

    code = "run_not_found"


class RunBusyError(RunError):
    """Another process works on the run."""

    code = "run_busy"


class RunDamagedError(RunError):
    """The ledger of a run cannot be read or written."""

    code = "run_damaged"


class RunPathsError(RunError):
    """A run holds files outside the paths that it is to go on with, so they would be erased from it."""

    code = "run_paths"


class UnknownClusterError(RunError):
    """There is no such cluster of unknown faces, or what was asked cannot be done to it."""

    code = "unknown_cluster"


class UnknownsBusyError(RunError):
    """Another process has been clustering the unknown faces for too long."""

    code = "unknowns_busy"


class UnknownsDamagedError(RunError):
    """The file that keeps the clusters of unknown faces cannot be read or written."""

    code = "unknowns_damaged"


class ResultsError(RunError):
    """A file or folder of results cannot be written."""

    code = "results_unwritable"


class DiskFullError(RunError):
    """What was brought along for a run does not fit on the disk."""

    code = "disk_full"


class JobError(KnownfaceError):
    """A job in the background is under way, or cannot be started."""

    code = "job_error"
