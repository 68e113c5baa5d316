"""A torch module as a function of one flat parameter vector, and what such a module must not hold."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from adasde.errors import InvalidParameter, MissingData

SEPARATE = "the modules that treat every sample by itself"


def require_torch() -> Any:
    """The module torch. Raises `MissingData` where it is not installed."""
    try:
        import torch
    except ImportError as error:
        raise MissingData("networks need torch: pip install 'adasde[nets]'") from error
    return torch


def torch_device(name: str, device: str) -> Any:
    """The device of torch by name. Raises `InvalidParameter` for no such name, `MissingData` where it is not there."""
    torch = require_torch()
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise InvalidParameter(f"{name}: device", repr(device), "{'cpu', 'cuda', 'cuda:1', ...}", str(error)) from None
    if found.type not in ("cpu", "cuda"):
        raise InvalidParameter(f"{name}: device", repr(device), "{'cpu', 'cuda', 'cuda:1', ...}", "use one of these")
    if found.type == "cuda" and not torch.cuda.is_available():
        raise MissingData(f"{name}: device {device}: torch sees no GPU that CUDA can use; use device='cpu'")
    return found


def prepared(name: str, module: Any, dtype: Any) -> Any:
    """A copy of a module in ``dtype``, which the user's own stays apart from.

    Raises `InvalidParameter` for what is no module, has nothing to train, or does not give every sample a loss of its
    own that is the same at every evaluation: batch normalisation by the batch's own statistics, and dropout.
    """
    torch = require_torch()
    if not isinstance(module, torch.nn.Module):
        remedy = "give an instance of a torch.nn.Module"
        raise InvalidParameter(f"{name}: module", type(module).__name__, "the torch modules", remedy)
    for path, part in module.named_modules():
        _check_part(f"{name}: module {path or 'itself'}", part)
    if not any(parameter.requires_grad for parameter in module.parameters()):
        remedy = "set requires_grad on what is to be trained"
        raise InvalidParameter(f"{name}: parameters to train", 0, "{1, 2, 3, ...}", remedy)
    return copy.deepcopy(module).to(dtype)


def _check_part(where: str, part: Any) -> None:
    torch = require_torch()
    kind = type(part).__name__
    if isinstance(part, torch.nn.modules.batchnorm._BatchNorm) and (part.training or not part.track_running_stats):
        remedy = "a sample has no gradient of its own there; use GroupNorm or LayerNorm, or freeze it with .eval()"
        raise InvalidParameter(where, f"{kind} in training mode", SEPARATE, remedy)
    share = part.p if isinstance(part, torch.nn.modules.dropout._DropoutNd) else getattr(part, "dropout", 0.0)
    if part.training and isinstance(share, int | float) and share > 0:
        remedy = "its loss is random at every evaluation; set p = 0, or call .eval() on the module"
        raise InvalidParameter(
            where, f"{kind} with p = {share:g} in training mode", "the deterministic modules", remedy
        )


class FlatModule:
    """Outputs of a module as a function of its trainable parameters in one vector, in the order of ``parameters()``."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.names = [name for name, p in module.named_parameters() if p.requires_grad]
        trained = [p.detach() for p in module.parameters() if p.requires_grad]
        self.shapes = [p.shape for p in trained]
        self.sizes = [p.numel() for p in trained]
        self.start = require_torch().cat([p.reshape(-1) for p in trained])

    def views(self, flat: Any) -> Mapping[str, Any]:
        """The parameters as views of ``flat``: nothing is copied, and the backward pass joins their gradients once."""
        parts = flat.split(self.sizes)
        return {n: part.view(shape) for n, part, shape in zip(self.names, parts, self.shapes, strict=True)}

    def __call__(self, flat: Any, inputs: Any) -> Any:
        return require_torch().func.functional_call(self.module, self.views(flat), (inputs,))
