"""`python -m tests.prepare`: fetches what the tests need through the product's own code; quick when it is there."""

from __future__ import annotations

import sys

from pipeline.config import Settings, home
from pipeline.errors import KnownfaceError
from pipeline.runtime import choose_runtime
from pipeline.weights import ModelStore
from pipeline.weights.samples import pull_samples
from pipeline.weights.sources import kept_archives


def main() -> int:
    """Installs the default models and dlib's network in the data folder, and puts the sample photos beside them."""
    said: set[str] = set()

    def progress(what: str, _done: int, _total: int | None) -> None:
        if what not in said:
            said.add(what)
            sys.stderr.write(f"fetching {what}\n")

    settings = Settings(home=home())
    store = ModelStore(settings.models_dir)
    try:
        with kept_archives(store.models_dir) as archives:
            for name in (settings.detector, settings.refiner, settings.embedder, "dlib_resnet.v1"):
                model = store.pull(name, progress=progress, archives=archives)
                if model.runtime is None:
                    store.record_runtime(name, choose_runtime(model))
            pull_samples(settings.home / "samples", progress, archives=archives)
    except KnownfaceError as error:
        sys.stderr.write(f"{error.message}\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
