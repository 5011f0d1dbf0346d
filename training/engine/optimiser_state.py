"""The state of an optimiser as named tensors, as a checkpoint holds them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

#: Before the names of an optimiser's tensors where they stand beside a module's.
OPTIMISER = "optimiser/"
#: What torch's optimisers keep of a parameter; all but the count have its shape.
_COUNT = "step"
_SGD, _ADAMW = {"momentum_buffer"}, {_COUNT, "exp_avg", "exp_avg_sq"}


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


def put_with_optimiser(module: nn.Module, optimiser: Optimizer | None, tensors: dict[str, Tensor]) -> None:
    """Gives a module and its optimiser back what `with_optimiser` took from them.

    Raises:
        ValueError: A tensor is of no parameter, or has another shape.
        RuntimeError: The module's tensors have other names or shapes.
    """
    module.load_state_dict({k: v for k, v in tensors.items() if not k.startswith(OPTIMISER)})
    moments = {k.removeprefix(OPTIMISER): v for k, v in tensors.items() if k.startswith(OPTIMISER)}
    put_optimiser(optimiser, dict(module.named_parameters()), moments)


def put_optimiser(optimiser: Optimizer | None, names: dict[str, nn.Parameter], tensors: dict[str, Tensor]) -> None:
    """Gives an optimiser back what `optimiser_tensors` took from it.

    Raises:
        ValueError: A tensor is of no parameter, is not what this optimiser keeps, or has another shape.
    """
    if optimiser is None:
        return
    kept = _ADAMW if isinstance(optimiser, torch.optim.AdamW) else _SGD
    found: dict[str, set[str]] = {}
    for full, value in tensors.items():
        name, _, key = full.rpartition("/")
        if name not in names or key not in kept:
            raise ValueError(f"{full} is nothing that this optimiser keeps")
        parameter = names[name]
        if value.shape != (() if key == _COUNT else parameter.shape):
            raise ValueError(f"{full} has the shape {tuple(value.shape)}")
        if key != _COUNT:  # in the memory format of the parameter
            value = torch.empty_like(parameter, requires_grad=False).copy_(value)  # noqa: PLW2901
        optimiser.state[parameter][key] = value
        found.setdefault(name, set()).add(key)
    if lacking := [name for name, keys in found.items() if keys != kept]:
        raise ValueError(f"{lacking[0]} lacks {', '.join(sorted(kept - found[lacking[0]]))}")
