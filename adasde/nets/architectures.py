"""The networks as torch modules: the forms of Compagnoni et al. 2025 at sizes that run in minutes on two cores.

Each function makes a module with initial parameters from its seed. None of them couples samples or is random.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from adasde.nets.torch_module import require_torch


def mlp(inputs: int, hidden: Sequence[int], classes: int) -> Any:
    """Dense layers with ReLU between them."""
    nn = require_torch().nn
    sizes, layers = [inputs, *hidden, classes], []
    for fan_in, fan_out in pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def cnn(channels: int, width: int, maps: tuple[int, int], dense: int, classes: int = 10) -> Any:
    """conv 3x3, ReLU, maxpool 2, conv 3x3, ReLU, maxpool 2, dense, ReLU, dense; images (channels, width, width)."""
    nn = require_torch().nn
    first, second = maps
    return nn.Sequential(
        nn.Conv2d(channels, first, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(first, second, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(second * (width // 4) ** 2, dense),
        nn.ReLU(),
        nn.Linear(dense, classes),
    )


def resnet(channels: int, width: int, maps: int, dense: int, classes: int = 10) -> Any:
    """conv 3x3, conv 3x3 with a residual from the first, maxpool 2, dense, ReLU, dense; GroupNorm after each conv."""
    nn = require_torch().nn
    Module: Any = nn.Module

    class Residual(Module):  # type: ignore[misc, valid-type]
        """x + ReLU(GroupNorm(conv x))."""

        def __init__(self) -> None:
            super().__init__()
            self.branch = nn.Sequential(nn.Conv2d(maps, maps, 3, padding=1), nn.GroupNorm(4, maps), nn.ReLU())

        def forward(self, x: Any) -> Any:
            return x + self.branch(x)

    return nn.Sequential(
        nn.Conv2d(channels, maps, 3, padding=1),
        nn.GroupNorm(4, maps),
        nn.ReLU(),
        Residual(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(maps * (width // 2) ** 2, dense),
        nn.ReLU(),
        nn.Linear(dense, classes),
    )


def vit(width: int, patch: int, embedding: int, depth: int, heads: int, ffn: int, classes: int = 10) -> Any:
    """A vision transformer on images (1, width, width): patches, positions, pre-norm encoder, mean over the patches."""
    torch = require_torch()
    nn, Module = torch.nn, torch.nn.Module

    class VisionTransformer(Module):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            super().__init__()
            self.patches = nn.Conv2d(1, embedding, patch, stride=patch)
            self.positions = nn.Parameter(0.02 * torch.randn((width // patch) ** 2, embedding))
            self.encoder = _encoder(embedding, depth, heads, ffn)
            self.head = nn.Linear(embedding, classes)

        def forward(self, images: Any) -> Any:
            tokens = self.patches(images).flatten(2).transpose(1, 2) + self.positions
            return self.head(self.encoder(tokens).mean(dim=1))

    return VisionTransformer()


def character_transformer(vocabulary: int, context: int, embedding: int, depth: int, heads: int, ffn: int) -> Any:
    """A causal transformer on characters (n, context): logits (n, context, vocabulary) of the next one."""
    torch = require_torch()
    nn, Module = torch.nn, torch.nn.Module

    class CharacterTransformer(Module):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            super().__init__()
            self.characters = nn.Embedding(vocabulary, embedding)
            self.positions = nn.Parameter(0.02 * torch.randn(context, embedding))
            self.encoder = _encoder(embedding, depth, heads, ffn)
            self.head = nn.Linear(embedding, vocabulary)
            self.register_buffer("later", torch.triu(torch.full((context, context), -torch.inf), diagonal=1))

        def forward(self, text: Any) -> Any:
            return self.head(self.encoder(self.characters(text) + self.positions, mask=self.later))

    return CharacterTransformer()


def _encoder(embedding: int, depth: int, heads: int, ffn: int) -> Any:
    nn = require_torch().nn
    layer = nn.TransformerEncoderLayer(embedding, heads, ffn, dropout=0.0, batch_first=True, norm_first=True)
    return nn.TransformerEncoder(layer, depth, norm=nn.LayerNorm(embedding), enable_nested_tensor=False)
