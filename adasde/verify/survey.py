"""The ladder for every rule, noise law and model: one verdict each, stored in a file as soon as it is known."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from scipy import stats

from adasde.derive.law import NotDerivable
from adasde.errors import InvalidParameter, MissingData, NoModel
from adasde.noise import Noise, empirical, parse_noise
from adasde.verify.check import Check
from adasde.verify.ladder import verify

SCALE = 0.5
LAWS = (
    "gaussian",
    "student-t:3",
    "student-t:5",
    "laplace",
    "exponential",
    "rademacher",
    "two-point:0.2",
    "mixture:0.3,-1,0.5/0.7,0.4,1.2",
    "empirical",
)
"""Every law: under student-t:3 a variance exists and a fourth moment does not, under student-t:5 both. ``empirical``
is 200 quantiles of a Gamma law of shape 3/2, so that its data are skewed."""
MODELS = ("sde", "order2")


@dataclass(frozen=True)
class Verdict:
    """The outcome of one ladder.

    outcome    ``holds``; ``fails`` or ``undecided`` at the first such ``rung``; ``refused`` where there is no such
               model under this law; ``crashed``
    reason     of what did not hold: what was measured, or the message of the refusal or crash
    exit_code  of `adasde verify` for this ladder
    checks     all checks of the ladder, as `Check.to_dict`
    question   digest of rule, model, law, arguments and code: a stored verdict answers only the same question
    """

    optimizer: str
    model: str
    noise: str
    outcome: str
    rung: int | None
    reason: str
    exit_code: int
    seconds: float
    checks: list[dict[str, Any]]
    question: str


def noises() -> dict[str, Noise]:
    """Spelling -> noise of every law in `LAWS`, at the scale `SCALE`."""
    data = empirical(stats.gamma(1.5).ppf([(i + 0.5) / 200 for i in range(200)]), scale=SCALE)
    return {law: data if law == "empirical" else parse_noise(f"{law}:{SCALE}") for law in LAWS}


def survey(optimizers: Sequence[str], path: str | Path, **arguments: Any) -> Iterator[Verdict]:
    """The verdict of every ladder, in the order rule, law, model; each is appended to ``path`` as a line of JSON.

    A ladder whose verdict is in the file already, of the same arguments and code, is not climbed again, so that an
    interrupt costs one ladder. Arguments as in `adasde.verify.verify`, without a noise. Raises `InvalidParameter` or
    `MissingData` for a rule that there is not, and for arguments that no ladder can take.
    """
    file = Path(path)
    known = {verdict.question: verdict for verdict in stored(file)}
    laws = noises()
    for optimizer in optimizers:
        for noise in laws:
            for model in MODELS:
                question = _question(optimizer, model, noise, arguments)
                if question not in known:
                    known[question] = _climb(optimizer, model, noise, laws[noise], arguments, question)
                    _append(file, known[question])
                yield known[question]


def stored(path: Path) -> list[Verdict]:
    """The verdicts in a file; a last line that an interrupt cut short is left out. Raises `InvalidParameter`."""
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []
    try:
        return [Verdict(**json.loads(line)) for line in lines]
    except (TypeError, ValueError):
        raise InvalidParameter("file of verdicts", path, "what this command wrote", "name another file") from None


def _append(path: Path, verdict: Verdict) -> None:
    """Adds a line; one that was cut short before is taken off."""
    whole = path.read_bytes() if path.exists() else b""
    with path.open("ab") as file:
        file.truncate(whole.rfind(b"\n") + 1)
        file.write(json.dumps(asdict(verdict)).encode() + b"\n")


def _climb(optimizer: str, model: str, name: str, noise: Noise, arguments: dict[str, Any], question: str) -> Verdict:
    start = time.perf_counter()
    checks: list[Check] = []
    try:
        checks.extend(verify(optimizer, model, noise=noise, **arguments))
        outcome, rung, reason = _judged(checks)
    except (NoModel, NotDerivable) as error:
        outcome, rung, reason = "refused", None, str(error)
    except (InvalidParameter, MissingData):
        raise
    except Exception as error:  # a ladder that crashes is a verdict, and must not stop the others
        outcome, rung, reason = "crashed", None, f"{type(error).__name__}: {error}"
    seconds = round(time.perf_counter() - start, 1)
    code = {"holds": 0, "refused": 2}.get(outcome, 1)
    rows = [check.to_dict() for check in checks]
    return Verdict(optimizer, model, name, outcome, rung, reason, code, seconds, rows, question)


def _judged(checks: list[Check]) -> tuple[str, int | None, str]:
    """Outcome, rung and reason: the first failure, else the first undecided check."""
    for outcome in ("fails", "undecided"):
        for check in checks:
            if check.outcome == outcome:
                return outcome, check.rung, f"{check.statement}: {check.measured}"
    return "holds", None, ""


def _question(optimizer: str, model: str, noise: str, arguments: dict[str, Any]) -> str:
    told = {name: value for name, value in arguments.items() if name not in ("progress", "threads")}
    text = json.dumps([optimizer, model, noise, sorted(told.items()), _rule_text(optimizer), _code()], default=repr)
    return sha256(text.encode()).hexdigest()


def _rule_text(optimizer: str) -> str:
    path = Path(optimizer.rpartition(":")[0])
    return path.read_text(encoding="utf-8") if path.is_file() else ""


@cache
def _code() -> str:
    """Digest of all of the package: rules, derivation, kernels, claims and checks."""
    import adasde
    from adasde import derive, kernels, papers

    folders = sorted({Path(part) for package in (adasde, derive, kernels, papers) for part in package.__path__})
    files = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    return sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()
