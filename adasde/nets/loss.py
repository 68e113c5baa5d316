"""The loss of a torch module on a fixed population of samples: gradients, curvature, and the noise of minibatches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adasde.domain import counted
from adasde.errors import InvalidParameter, UnknownName
from adasde.nets.torch_module import FlatModule, prepared, require_torch, torch_device

Array = NDArray[np.float64]
CHUNK_BYTES = 2**26
"""Memory for the per-sample gradients of one chunk."""
COUPLED = {"float64": 1e-9, "float32": 1e-4}
"""Relative change of a sample's loss, alone or among others, from which a module is said to couple samples."""
DTYPES = ("float64", "float32")


class TorchLoss:
    """f(x) = (1/N) sum_i l_i(x), l_i the loss of sample i, x the trainable parameters of a module in one vector.

    module      any `torch.nn.Module`; a copy is used
    inputs      (N, ...), the population of samples, fixed: every expectation over the noise is over these
    targets     (N, ...)
    per_sample  (outputs (n, ...), targets (n, ...)) -> losses (n,); None: cross-entropy of the logits (n, C), or
                (n, T, C) with the mean over T
    dtype       ``float64`` or ``float32``, of what torch calculates; x and all results are float64 arrays
    chunk       samples whose own gradients are held at a time; None: as many as fit into `CHUNK_BYTES`
    device      of torch, on which it calculates

    With dtype float64 torch works on the memory of x itself. Where x is a tensor on the device, value, gradients and
    noise come back as tensors there. Raises `InvalidParameter` for shapes that do not fit,
    losses that are not finite, dropout, and batch normalisation in training mode; `MissingData` without torch.
    """

    def __init__(
        self,
        module: Any,
        inputs: Any,
        targets: Any,
        per_sample: Callable[[Any, Any], Any] | None = None,
        *,
        name: str = "net",
        title: str = "",
        dtype: str = "float64",
        chunk: int | None = None,
        device: str = "cpu",
    ) -> None:
        torch = require_torch()
        if dtype not in DTYPES:
            raise UnknownName(f"{name}: dtype", dtype, DTYPES)
        self.name, self.title, self.dtype = name, title or name, dtype
        self._dtype = getattr(torch, dtype)
        self.device = torch_device(name, device)
        self._module = FlatModule(prepared(name, module, self._dtype).to(self.device))
        self._inputs, self._targets = (_samples(name, s, self._dtype).to(self.device) for s in (inputs, targets))
        if len(self._inputs) != len(self._targets):
            domain, remedy = f"{{{len(self._inputs)}}}", "give one target per row of the inputs"
            raise InvalidParameter(f"{name}: number of targets", len(self._targets), domain, remedy)
        self._per_sample = per_sample or cross_entropy
        self.samples = len(self._inputs)
        self.start: Array = self._numpy(self._module.start).copy()
        self.dimension = self.start.size
        fitting = max(1, CHUNK_BYTES // (self.dimension * self._dtype.itemsize))
        self.chunk = min(self.samples, fitting if chunk is None else counted(f"{name}: chunk", chunk))
        self._check_losses()

    def losses(self, x: Array, samples: NDArray[np.int64] | None = None) -> Array:
        """l_i(x) of the given samples, or of all."""
        with require_torch().no_grad():
            return self._numpy(self._losses(self._flat(x), samples))

    def value(self, x: Array) -> float:
        """f(x)."""
        return float(self.losses(x).mean())

    def gradient(self, x: Array, samples: NDArray[np.int64] | None = None) -> Array:
        """grad f(x) (d,), or the mean gradient of a minibatch, whose samples may repeat."""
        flat = self._flat(x).requires_grad_()
        return self._like(x, require_torch().autograd.grad(self._losses(flat, samples).mean(), flat)[0])

    def noisy_gradient(self, x: Array, weights: Array) -> Array:
        """grad f(x) + sum_i weights_i grad l_i(x) / N (d,), with one backward pass."""
        torch = require_torch()
        flat, given = self._flat(x).requires_grad_(), self._tensor(1 + weights)
        return self._like(x, torch.autograd.grad((given * self._losses(flat)).mean(), flat)[0])

    def gradient_and_noise(self, x: Array, weights: Array) -> tuple[Array, Array]:
        """grad f(x) and sum_i weights_i grad l_i(x) / N, (d,) each, with one forward pass and two backward passes."""
        torch = require_torch()
        flat = self._flat(x).requires_grad_()
        losses, given = self._losses(flat), self._tensor(weights)
        gradient = torch.autograd.grad(losses.mean(), flat, retain_graph=True)[0]
        return self._like(x, gradient), self._like(x, torch.autograd.grad((given * losses).mean(), flat)[0])

    def hessian_vector(self, x: Array, u: Array) -> Array:
        """Hess f(x) u (d,), by differentiating grad f . u."""
        torch = require_torch()
        flat = self._flat(x).requires_grad_()
        with _plain_attention():
            gradient = torch.autograd.grad(self._losses(flat).mean(), flat, create_graph=True)[0]
            along = gradient @ self._tensor(u)
            if not along.requires_grad:  # a loss that is linear in x
                return np.zeros(self.dimension)
            found = torch.autograd.grad(along, flat, allow_unused=True)[0]
        return np.zeros(self.dimension) if found is None else self._numpy(found)

    def per_sample_gradients(self, x: Array) -> Iterator[tuple[slice, Any]]:
        """(samples, grad l_i(x) as a tensor (n, d) of them), chunk by chunk, by vmap of the gradient."""
        torch = require_torch()

        def one(flat: Any, inputs: Any, target: Any) -> Any:
            return self._per_sample(self._module(flat, inputs[None]), target[None])[0]

        flat, each = self._flat(x), torch.func.vmap(torch.func.grad(one), in_dims=(None, 0, 0))
        for first in range(0, self.samples, self.chunk):
            part = slice(first, min(first + self.chunk, self.samples))
            with _plain_attention():
                yield part, each(flat, self._inputs[part], self._targets[part])

    def variance(self, x: Array) -> Array:
        """Per-sample variance Sigma_jj = (1/N) sum_i (g_ij - mean g_j)^2, (d,), g_i = grad l_i(x)."""
        return self.variance_and_weighted(x, np.empty((0, self.samples)))[0]

    def variance_and_weighted(self, x: Array, weights: Array) -> tuple[Array, Array]:
        """Per-sample variance (d,), and sum_i weights_ki grad l_i(x) for each row k of weights (K, N), which is (K, d);
        in one pass over the per-sample gradients."""
        mean, given = self._numpy(self.gradient(self._flat(x))), self._tensor(weights)
        square, total = np.zeros(self.dimension), self._tensor(np.zeros((len(weights), self.dimension)))
        for part, gradients in self.per_sample_gradients(x):
            square += ((self._numpy(gradients) - mean) ** 2).sum(axis=0)
            total += given[:, part] @ gradients
        return square / self.samples, self._numpy(total)

    def covariance(self, x: Array) -> Array:
        """Per-sample covariance Sigma (d, d), for networks so small that it fits into memory."""
        mean, product = self._numpy(self.gradient(self._flat(x))), np.zeros((self.dimension, self.dimension))
        for _, gradients in self.per_sample_gradients(x):
            centred = self._numpy(gradients) - mean
            product += centred.T @ centred
        return product / self.samples

    def noise_weights(self, z: Array, batch: int) -> Array:
        """w_i = sqrt(N/B) (z_i - mean z) over the last axis of z (..., N).

        With standard normal z the weighted gradient sum_i w_i grad l_i / N is Gaussian with mean 0 and covariance
        Sigma/B, that of a minibatch of B samples drawn with replacement.
        """
        weights: Array = math.sqrt(self.samples / batch) * (z - z.mean(axis=-1, keepdims=True))
        return weights

    def noise(self, x: Array, z: Array, batch: int) -> Array:
        """Gaussian gradient noise of covariance Sigma(x)/B (d,), by one weighted backward pass; z (N,) normal."""
        return self.gradient_and_noise(x, self.noise_weights(z, batch))[1]

    def minibatch_gradients(self, x: Array, batches: NDArray[np.int64]) -> Array:
        """Mean gradients (K, d) of K minibatches, given as the numbers (K, B) of their samples."""
        return self.variance_and_weighted(x, self.minibatch_weights(batches))[1]

    def minibatch_weights(self, batches: NDArray[np.int64]) -> Array:
        """How often each sample is in each of K minibatches (K, B), divided by B: (K, N)."""
        counts = np.zeros((len(batches), self.samples))
        np.add.at(counts, (np.arange(len(batches))[:, None], batches), 1 / batches.shape[1])
        return counts

    def negative(self, x: Array, batches: NDArray[np.int64]) -> Array:
        """Empirical P(g < 0) per coordinate (d,), g the gradient of a minibatch, over the given minibatches (K, B)."""
        shares: Array = (self.minibatch_gradients(x, batches) < 0).mean(axis=0)
        return shares

    def _flat(self, x: ArrayLike) -> Any:
        """x as a tensor on its own memory, in float32 or on another device as a copy."""
        torch = require_torch()
        given = x.detach() if isinstance(x, torch.Tensor) else np.ascontiguousarray(x, dtype=np.float64)
        if given.shape != (self.dimension,):
            remedy = "give one number per trainable parameter"
            raise InvalidParameter(f"{self.name}: shape of x", tuple(given.shape), f"{{({self.dimension},)}}", remedy)
        if isinstance(given, np.ndarray):
            # torch warns of memory that it must not write to
            given = torch.from_numpy(given if given.flags.writeable else given.copy())
        return given.to(self.device, self._dtype)

    def _tensor(self, values: Array) -> Any:
        return require_torch().as_tensor(values, dtype=self._dtype, device=self.device)

    def _numpy(self, tensor: Any) -> Array:
        found: Array = tensor.detach().to("cpu", require_torch().float64).numpy()
        return found

    def _like(self, x: Any, tensor: Any) -> Array:
        """In numpy's memory where x is, else a tensor in float64."""
        torch = require_torch()
        found: Array = tensor.detach().to(torch.float64) if isinstance(x, torch.Tensor) else self._numpy(tensor)
        return found

    def _losses(self, flat: Any, samples: NDArray[np.int64] | None = None) -> Any:
        inputs, targets = self._inputs, self._targets
        if samples is not None:
            chosen = require_torch().as_tensor(samples, device=self.device)
            inputs, targets = inputs[chosen], targets[chosen]
        return self._per_sample(self._module(flat, inputs), targets)

    def _check_losses(self) -> None:
        torch, kind = require_torch(), type(self._module.module).__name__
        before = torch.random.get_rng_state()
        with torch.no_grad():
            try:
                found = self._losses(self._flat(self.start))
            except Exception as error:  # the user's own code, and torch where shapes and types do not fit
                reason = f"{type(error).__name__}: {error}"
                domain = "the modules that run on their samples"
                raise InvalidParameter(f"{self.name}: module", kind, domain, reason) from error
        if not torch.equal(before, torch.random.get_rng_state()):
            where, remedy = f"{self.name}: module that draws random numbers", "switch dropout off with self.training"
            raise InvalidParameter(where, kind, "the deterministic modules", remedy)
        if not isinstance(found, torch.Tensor) or found.shape != (self.samples,):
            shape = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
            remedy = "one number per sample: reduction='none', and a mean over all axes but the first"
            raise InvalidParameter(f"{self.name}: shape of the losses", shape, f"{{({self.samples},)}}", remedy)
        losses = self._numpy(found)
        for i in np.flatnonzero(~np.isfinite(losses))[:1]:
            remedy = "look at its input and target, and scale the inputs to about one"
            raise InvalidParameter(f"{self.name}: loss of sample {i}", losses[i], "(-inf, inf)", remedy)
        few = min(self.samples, 3)
        alone = np.array([self.losses(self.start, np.array([i]))[0] for i in range(few)])
        change = np.abs(alone - losses[:few]).max()
        bound = COUPLED[self.dtype] * (1 + np.abs(losses[:few]).max())
        if not change <= bound:
            where = f"{self.name}: change of a sample's loss when it is evaluated alone"
            remedy = "the module couples the samples of a batch, or is random: such a loss has no gradient per sample"
            raise InvalidParameter(where, f"{change:.2g}", f"[0, {bound:.1g}]", remedy)


def cross_entropy(logits: Any, targets: Any) -> Any:
    """-log softmax of the target's class, per sample; the mean over positions where logits are (n, T, C)."""
    functional = require_torch().nn.functional
    if logits.dim() == 3:
        return functional.cross_entropy(logits.transpose(1, 2), targets, reduction="none").mean(dim=1)
    return functional.cross_entropy(logits, targets, reduction="none")


def _samples(name: str, values: Any, dtype: Any) -> Any:
    """An array or tensor of samples, floating-point numbers in ``dtype``, all of them finite."""
    torch = require_torch()
    try:
        tensor = values.detach() if isinstance(values, torch.Tensor) else torch.from_numpy(np.array(values))
    except (TypeError, ValueError):
        remedy = "give an array or a tensor of numbers"
        raise InvalidParameter(f"{name}: samples", type(values).__name__, "the arrays of numbers", remedy) from None
    if tensor.dim() == 0 or len(tensor) == 0:
        remedy = "give one row per sample"
        raise InvalidParameter(f"{name}: shape of the samples", tuple(tensor.shape), "{(N, ...), N > 0}", remedy)
    if tensor.is_floating_point():
        for i in torch.nonzero(~torch.isfinite(tensor.reshape(len(tensor), -1)).all(dim=1))[:1].flatten().tolist():
            raise InvalidParameter(f"{name}: sample {i}", "not finite", "the finite numbers", "drop it, or impute it")
        tensor = tensor.to(dtype)
    return tensor


def _plain_attention() -> Any:
    """Attention as matrix products: the fused kernels have neither second derivatives nor a rule for vmap."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    return sdpa_kernel(SDPBackend.MATH)
