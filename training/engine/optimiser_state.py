"""The state of an optimiser as named tensors, as a checkpoint holds them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

#: Before the names of an optimiser's tensors where they stand beside a module's.
OPTIMISER = "optimiser/"


def optimiser_tensors(optimiser: Optimizer | None, names: dict[str, nn.Parameter]) -> dict[str, Tensor]:
    """What an optimiser keeps of each parameter (its momentum, say): `parameter/key` -> tensor."""
    found: dict[str, Tensor] = {}
    if optimiser is None:
        return found
    for name, parameter in names.items():
        for key, value in optimiser.state.get(parameter, {}).items():
            if isinstance(value, Tensor):
                found[f"{name}/{key}"] = value
    return found


def with_optimiser(module: nn.Module, optimiser: Optimizer | None) -> dict[str, Tensor]:
    """The tensors of a module and, under `optimiser/`, those that an optimiser keeps of its parameters."""
    moments = optimiser_tensors(optimiser, dict(module.named_parameters()))
    return {**module.state_dict(), **{OPTIMISER + name: value for name, value in moments.items()}}


def of_optimiser(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Those under `optimiser/`, without it."""
    return {k.removeprefix(OPTIMISER): v for k, v in tensors.items() if k.startswith(OPTIMISER)}


def put_optimiser(optimiser: Optimizer | None, names: dict[str, nn.Parameter], tensors: dict[str, Tensor]) -> None:
    """Gives an optimiser back what `optimiser_tensors` took from it."""
    if optimiser is None:
        return
    for full, value in tensors.items():
        name, key = full.rsplit("/", 1)
        parameter = names[name]
        if value.shape == parameter.shape:  # in the memory format of the parameter
            value = torch.empty_like(parameter, requires_grad=False).copy_(value)  # noqa: PLW2901
        optimiser.state[parameter][key] = value
