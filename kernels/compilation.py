"""How kernels are compiled: cached on disk, without the lock of Python, with numpy's division, on full vectors.

Two attributes of LLVM go with every function; results do not depend on them, for every lane is worked out alone.

prefer-vector-width  LLVM lets loops use half of a 512-bit vector on most CPUs of Intel, a tuning for code with few such
                     loops. Kernels are such loops from end to end: with full vectors they take two thirds of the time
stackrealign         vectors that find no register are kept on a stack that is aligned with them, and do not cross a
                     cache line
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.lowering import Lower
from numba.core.registry import cpu_target
from numba.core.typed_passes import NativeLowering

Function = TypeVar("Function", bound=Callable[..., Any])

ATTRIBUTES = ('"prefer-vector-width"="512"', '"stackrealign"')


def has_32_registers() -> bool:
    """Whether this process compiles for a CPU with 32 vector registers (AVX-512); others have 16 or the like."""
    features = cpu_target.target_context.codegen().magic_tuple()[2]
    return "+avx512vl" in features.split(",")


class _Lower(Lower):  # type: ignore[misc]
    def post_lower(self) -> None:
        super().post_lower()
        # llvmlite's own `add` knows attributes without a value only; a set prints whatever is in it.
        set.update(self.function.attributes, ATTRIBUTES)


@register_pass(mutates_CFG=True, analysis_only=False)
class _Lowering(NativeLowering):  # type: ignore[misc]
    _name = "native_lowering_of_full_vectors"

    @property
    def lowering_class(self) -> type[Lower]:
        return _Lower


class FullVectors(CompilerBase):  # type: ignore[misc]
    """numba's own stages of compilation, with `ATTRIBUTES` on every function."""

    def define_pipelines(self) -> list[Any]:
        stages = DefaultPassBuilder.define_nopython_pipeline(self.state)
        stages.passes = [(_Lowering if each is NativeLowering else each, text) for each, text in stages.passes]
        stages.finalize()
        return [stages]


def compiled(*signature: Any, cache: bool = True, **options: Any) -> Callable[[Function], Any]:
    """Compiles a function that runs loops over lanes, or one too long to go into them; ``options`` are numba's."""
    chosen = {"nogil": True, "error_model": "numpy", **options}
    decorator: Callable[[Function], Any] = njit(*signature, cache=cache, pipeline_class=FullVectors, **chosen)
    return decorator


def compiled_number(*signature: Any) -> Callable[[Function], Function]:
    """`compiled` for a function of numbers, with its type."""
    return compiled(*signature)


def inlined(*signature: Any) -> Callable[[Function], Function]:
    """Compiles a function that is to vanish into its caller: a scalar one into a loop over lanes, to vectorise with
    it; one that runs such a loop where the caller repeats it, so that what it needs is made ready once."""
    return compiled(*signature, nogil=False, forceinline=True)
