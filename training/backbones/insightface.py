"""InsightFace's published `.pth` weights in our backbones.

arcface_torch saves `backbone.module.state_dict()`. Its IResNet and ViT have our names; its MobileFaceNet nests
everything in lists called `layers`, and is renamed here.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from pipeline.errors import CheckpointError
from training.backbones.common import Backbone
from training.backbones.mobilefacenet import MobileFaceNet

# Published element of `layers` -> our block. Elements 3, 5 and 7 are runs of residual bottlenecks.
_FIRST_BLOCK = {2: 0, 3: 1, 4: 5, 5: 6, 6: 12, 7: 13}


def load_insightface(backbone: Backbone, file: Path) -> None:
    """Loads a published file into a backbone of the same kind; nothing in the file is executed.

    Raises:
        CheckpointError: The file cannot be read, or is of another network.
    """
    try:
        found = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{file}: cannot be read as weights ({reason[:120]})") from error
    if not isinstance(found, Mapping) or not all(isinstance(value, Tensor) for value in found.values()):
        raise CheckpointError(f"{file}: holds no plain list of weights; give the backbone's own file")
    load_named(backbone, found, str(file))


def load_named(backbone: Backbone, published: Mapping[str, Tensor], label: str) -> None:
    """The same from a state dict with arcface_torch's names.

    Raises:
        CheckpointError: A name or a shape is not the backbone's.
    """
    named = {name.removeprefix("module."): value for name, value in published.items()}
    if isinstance(backbone, MobileFaceNet):
        named = {mobilefacenet_name(name): value for name, value in named.items()}
    own = backbone.state_dict()
    for name, value in named.items():
        if name not in own:
            raise CheckpointError(f"{label}: holds {name}, which {type(backbone).__name__} does not have")
        if value.shape != own[name].shape:
            ours, theirs = tuple(own[name].shape), tuple(value.shape)
            raise CheckpointError(f"{label}: {name} has the shape {theirs}, {type(backbone).__name__} wants {ours}")
    missing = [n for n in own if n not in named and not n.endswith("num_batches_tracked") and n != "mask_token"]
    if missing:
        raise CheckpointError(f"{label}: lacks {missing[0]} and {len(missing) - 1} more of {type(backbone).__name__}")
    backbone.load_state_dict(named, strict=False)


def mobilefacenet_name(published: str) -> str:
    """Our name of a parameter of arcface_torch's MobileFaceNet; names it does not use are given back as they are.

    >>> mobilefacenet_name("layers.3.layers.1.layers.0.layers.2.weight")
    'blocks.2.layers.0.2.weight'
    """
    if match := re.fullmatch(r"layers\.([01])\.layers\.(.+)", published):
        return f"stem.{match[1]}.{match[2]}"
    if match := re.fullmatch(r"layers\.([246])\.layers\.(\d)\.layers\.(.+)", published):
        return f"blocks.{_FIRST_BLOCK[int(match[1])]}.layers.{match[2]}.{match[3]}"
    if match := re.fullmatch(r"layers\.([357])\.layers\.(\d)\.layers\.(\d)\.layers\.(.+)", published):
        return f"blocks.{_FIRST_BLOCK[int(match[1])] + int(match[2])}.layers.{match[3]}.{match[4]}"
    for theirs, ours in (
        ("conv_sep.layers.", "conv_sep."),
        ("features.layers.0.layers.", "gdc."),
        ("features.layers.2.", "fc."),
        ("features.layers.3.", "features."),
    ):
        if published.startswith(theirs):
            return ours + published.removeprefix(theirs)
    return published
