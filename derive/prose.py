"""Sentences with formulas in plain text, for LaTeX: special characters escaped, formulas found and set as such.

A formula in a sentence is a run of words made of symbols, numbers and operators, as in ``v falls like e^(-rho2 t)``.
"""

from __future__ import annotations

import re

GREEK = (
    *("alpha", "beta", "gamma", "delta", "zeta", "eta", "theta", "kappa", "mu", "nu", "pi"),
    *("rho", "sigma", "tau", "phi", "psi", "omega", "Delta", "Sigma"),
)
FUNCTIONS = ("Cov", "Corr", "Var", "sign", "erf", "exp", "log", "tr", "min", "max", "arcsin", "tanh")
WORDS = {
    "lambda": r"\lambda",
    "lamda": r"\lambda",
    "eps": r"\epsilon",
    "oo": r"\infty",
    "grad": r"\nabla",
    "Hess": r"\nabla^{2}",
    "Hb": r"\dot{G}",
    "sb": r"\dot{s}",
    "E": r"\,\mathrm{E}\,",
    "P": "P",
} | {name: rf"\operatorname{{{name}}}" for name in FUNCTIONS}
OPERATORS = {
    "->": r" \to ",
    "<=": r" \leq ",
    ">=": r" \geq ",
    ">>": r" \gg ",
    "<<": r" \ll ",
    "+-": r" \pm ",
    "-+": r" \mp ",
    "...": r" \dots ",
    "*": " ",
    "!=": r" \neq ",
    ".": r" \cdot ",
    "%": r"\%",
}
_NAME = rf"(?:{'|'.join([*GREEK, *WORDS, 'sqrt'])}|d[xXyYmMvVtWGrsS]|[a-zA-Z])(?![a-zA-Z])(?:_\w+|\d*)'*(?:_\{{\w\}})?"
_ATOM = re.compile(rf"{_NAME}|\d+(?:\.\d+)?|->|<=|>=|>>|<<|\+-|-\+|!=|\.\.\.|\*\*|[-+*/^=<>()|\[\],';:]")
_OPERATOR = re.compile(r"->|<=|>=|>>|<<|\+-|-\+|!=|\.\.\.|[-+*/=<>.]")
_WEAK = re.compile(r"\(*(a|A|I|\d+(\.\d+)?)\)*")
"""An article, or a bare number: part of a formula only next to an operator."""


def prose(sentence: str) -> str:
    """The sentence in LaTeX."""
    words = sentence.split(" ")
    kinds = [_kind(word) for word in words]
    in_formula = [
        kind == "formula" or (kind in ("weak", "operator") and _beside(kinds, i, words[i].isdigit()))
        for i, kind in enumerate(kinds)
    ]
    found, run = [], []
    for i, word in enumerate(words):
        if in_formula[i]:
            run.append(word)
        if run and (not in_formula[i] or _ends(run) or i == len(words) - 1):
            found.append(_set(" ".join(run)))
            run = []
        if not in_formula[i]:
            found.append(escaped(word))
    return " ".join(found)


def escaped(words: str) -> str:
    """Words without formulas, LaTeX's special characters escaped."""
    special = {"\\": r"\textbackslash{}", "_": r"\_", "^": r"\^{}", "&": r"\&", "%": r"\%", "#": r"\#", "$": r"\$"}
    special |= {"~": r"\~{}", "{": r"\{", "}": r"\}", ">": r"$>$", "<": r"$<$", "|": r"$|$"}
    return "".join(special.get(character, character) for character in words).replace("...", r"\dots{}")


def formula(plain: str) -> str:
    """A formula in plain text, ``E u = u + tau^(3/2) D1 u``, as LaTeX."""
    plain = plain.replace("**", "^")
    out, at = "", 0
    while at < len(plain):
        if plain.startswith("sqrt(", at):
            inner, at = _bracket(plain, at + 4)
            out += rf"\sqrt{{{formula(inner)}}}"
        elif plain[at] == "^":
            inner, at = _bracket(plain, at + 1) if plain[at + 1 : at + 2] == "(" else _word(plain, at + 1)
            out += f"^{{{formula(inner)}}}"
        else:
            piece = _ATOM.match(plain, at)
            token = piece[0] if piece else plain[at]
            out += _token(token)
            at += len(token)
    return re.sub(r"(^|[(\[{=]) *\\,", r"\1", re.sub(r" +", " ", out)).strip()


def _kind(word: str) -> str:
    """formula, operator, weak, or word."""
    core = word.strip("(),;:.") if word not in ("...", ".") else word
    if not core:
        return "word"
    if _OPERATOR.fullmatch(core):
        return "operator" if core != "-" or word == "-" else "word"
    if _WEAK.fullmatch(core):
        return "weak"
    at = 0
    while at < len(core):
        piece = _ATOM.match(core, at)
        if not piece:
            return "word"
        at = piece.end()
    # What stands right after a name must be no letter: "sat" is not s a t.
    return "formula" if not re.search(r"[a-zA-Z]{2,}", _without_names(core)) else "word"


def _without_names(core: str) -> str:
    return re.sub(_NAME, "", core)


def _beside(kinds: list[str], i: int, number: bool) -> bool:
    """Whether a number, an article or an operator stands next to an operator or a symbol as part of a formula."""
    around = {kinds[j] for j in (i - 1, i + 1) if 0 <= j < len(kinds)}
    if number and kinds[i + 1 : i + 2] == ["formula"]:
        return True
    return bool(around & {"formula", "weak"}) if kinds[i] == "operator" else "operator" in around


def _ends(run: list[str]) -> bool:
    """Whether punctuation closes the formula: a comma or semicolon outside of brackets, a colon or full stop."""
    if run[-1] in (".", "..."):
        return False
    joined = " ".join(run)
    closed = joined.count("(") <= joined.count(")") and joined.count("[") <= joined.count("]")
    return (joined[-1] in ";:." and not joined.endswith("...")) or (joined[-1] == "," and closed)


def _set(run: str) -> str:
    """A run as inline mathematics, brackets and punctuation that are not its own outside."""
    before = after = ""
    while run and (
        (run[-1] in ",;:." and not run.endswith("...")) or (run[-1] == ")" and run.count(")") > run.count("("))
    ):
        run, after = run[:-1], run[-1] + after
    while run and run[0] == "(" and (run.count("(") > run.count(")") or _wrapped(run)):
        run, before = run[1:], before + run[0]
        if before and run.endswith(")") and run.count(")") > run.count("("):
            run, after = run[:-1], ")" + after
    return f"{before}${formula(run)}${after}" if run else before + after


def _wrapped(run: str) -> bool:
    """Whether one pair of brackets holds all of it."""
    return _bracket(run, 0)[1] == len(run) and run.endswith(")")


def _bracket(plain: str, at: int) -> tuple[str, int]:
    """What stands between the bracket at ``at`` and its partner, and where that ends."""
    depth, end = 0, at
    while end < len(plain):
        depth += {"(": 1, ")": -1}.get(plain[end], 0)
        end += 1
        if depth == 0:
            return plain[at + 1 : end - 1], end
    return plain[at + 1 :], end


def _word(plain: str, at: int) -> tuple[str, int]:
    """One exponent: a sign, and a name or a number."""
    piece = re.compile(rf"[-+]?(?:{_NAME}|\d+)").match(plain, at)
    return (piece[0], piece.end()) if piece else (plain[at : at + 1], at + 1)


def _token(token: str) -> str:
    if token in OPERATORS:
        return OPERATORS[token]
    name = re.fullmatch(r"([a-zA-Z]+?)(\d*)((?:_\w+)?)('*)((?:_\{\w\})?)", token)
    if not name:
        return token
    base, digits, subscript, primes, braced = name.groups()
    if base == "d" and subscript:
        return rf"\partial{subscript[:1]}{{{subscript[1:]}}} "
    if re.fullmatch("d[xXyYmMvVtWGrsS]", base):
        return rf"\,\mathrm{{d}}{base[1:]}" + (f"_{{{digits}}}" if digits else "")
    letter = WORDS.get(base) or (f"\\{base}" if base in GREEK else base)
    if subscript == "_next":
        subscript, primes = "", "'"
    below = digits or subscript[1:] or braced[2:-1]
    # A space so that a command does not swallow the letter that follows it.
    return letter + primes + (f"_{{{below}}}" if below else " " if letter.startswith("\\") else "")
