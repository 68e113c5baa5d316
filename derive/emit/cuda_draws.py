"""How a CUDA kernel draws noise: the optimizer's Z under each law, and the motions of its models."""

from __future__ import annotations

from dataclasses import dataclass

from adasde.derive.law import Law

NORMAL = "normal(block{c}, k*d + i, first*d, path, {stream}, seed)"
WORD = "word(words1, k*d + i, first*d, path, seed)"


@dataclass(frozen=True)
class Draw:
    """One draw of coordinate i in step k, as `adasde.kernels.draws.fill_noise` lays them out.

    text      the number, as text
    arrays    lines that make what the thread keeps from draw to draw
    constant  a line of the builder: the function in the precision T; or nothing
    numbers   the host's function that lays out the law's own numbers for the kernel, see
              `adasde.kernels.cuda.device.numbers`; or nothing
    columns   names of the law's parameters that the text has in it
    """

    text: str
    arrays: tuple[str, ...] = ()
    constant: str = ""
    numbers: str = ""
    columns: tuple[str, ...] = ()


def motion(law: Law, c: int) -> Draw:
    """Normal number c of a model, from 1: the first one is what Z is made from."""
    if law.name == "student-t" and c <= 2:
        text = "pair_cosine(block1, k*d + i, first*d, path, seed)" if c == 1 else "pair_sine(block1, k*d + i)"
        return Draw(text, (_block(1),) if c == 1 else ())
    return Draw(NORMAL.format(c=c, stream=c - 1), (_block(c),))


def own(law: Law) -> Draw:
    """Z of the optimizer itself."""
    z, block = NORMAL.format(c=1, stream=0), (_block(1),)
    if law.name == "gaussian":
        return Draw(z, block)
    if law.name == "student-t":
        return Draw("student_t(k*d + i, path, seed, nu)", constant="student_t = student_t_in(T)", columns=("nu",))
    if law.name == "two-point":
        return Draw(f"two_point({z}, numbers)", block, numbers="two_point_numbers")
    if law.name == "empirical":
        return Draw(f"empirical({z}, numbers)", block, numbers="empirical_numbers")
    if law.name == "mixture":
        words = "words1 = cuda.local.array(4, np.uint32)"
        return Draw(f"mixture(T({z}), {WORD}, numbers)", (*block, words), numbers="mixture_numbers")
    return Draw(f"{law.name}({z})", block, f"{law.name} = {law.name}_in(T)")


def _block(c: int) -> str:
    return f"block{c} = cuda.local.array(4, np.float32)"
