"""Bad input is refused by name, through the API and on the command line.

Every message says which parameter, which value, which domain, and what to do; the command line prints the
same message to stderr and exits with 2, or with 3 where data is missing.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from click.testing import CliRunner

from adasde.cli import main
from adasde.cli.options import HYPERPARAMETERS
from adasde.derive.optimizers import registry
from adasde.errors import InvalidParameter, MissingData, NoModel, UnknownName
from adasde.losses import parse_loss
from adasde.losses.quadratic import Quadratic
from adasde.losses.rosenbrock import Rosenbrock
from adasde.losses.saddle import EmbeddedSaddle
from adasde.noise import gaussian, parse_noise, student_t
from adasde.simulation import simulate

Api = dict[str, Any]
SGD: Api = {"optimizer": "sgd", "loss": "quadratic:1,2", "noise": "gaussian:0.1", "steps": 20, "paths": 8}
COUNTS = "{1, 2, 3, ...}"
NONNEGATIVE, POSITIVE, DECAYS = "[0, inf)", "(0, inf)", "[0, 1)"
LISTS, NUMBERS = "comma lists of numbers", "the numbers"
OPTIMIZERS = f"{{{', '.join(registry())}}}"
FINITE, WHOLE = "choose a finite number inside", "whole number"
MEANT, CHOOSE = "did you mean ", "choose one of these"
BAD, UNKNOWN = InvalidParameter, UnknownName

TABLE: list[tuple[str, type[InvalidParameter], str, str, str]] = [
    ("sgd --lr 0", BAD, "sgd: lr", POSITIVE, FINITE),
    ("sgd --lr -0.1", BAD, "sgd: lr", POSITIVE, FINITE),
    ("sgd --lr nan", BAD, "sgd: lr", POSITIVE, FINITE),
    ("sgd --lr inf", BAD, "sgd: lr", POSITIVE, FINITE),
    ("adam --beta1 1", BAD, "adam: beta1", DECAYS, FINITE),
    ("adam --beta1 -0.1", BAD, "adam: beta1", DECAYS, FINITE),
    ("adamw --beta2 1.2", BAD, "adamw: beta2", DECAYS, FINITE),
    ("rmsprop --beta2 nan", BAD, "rmsprop: beta2", DECAYS, FINITE),
    ("adam --eps -1e-8", BAD, "adam: eps", NONNEGATIVE, FINITE),
    ("adamw --weight-decay -1", BAD, "adamw: weight_decay", NONNEGATIVE, FINITE),
    ("sgd --beta1 0.9", UNKNOWN, "sgd: hyperparameter", "{lr}", "it belongs to adam, adamw"),
    ("adam --weight-decay 0.1", UNKNOWN, "adam: hyperparameter", "{beta1, ", "belongs to adamw, rmspropw"),
    ("adamm", UNKNOWN, "optimizer", OPTIMIZERS, MEANT + "'adam'?"),
    ("xyz", UNKNOWN, "optimizer", OPTIMIZERS, CHOOSE),
    ("sgd --model algoritm", UNKNOWN, "sgd: model", "{algorithm, compag", MEANT + "'algorithm'?"),
    ("sgd --loss quadradic:1,2", UNKNOWN, "loss", "{game, logistic, mlp, net, quadra", MEANT + "'quadratic'?"),
    ("sgd --loss quadratic:1,nan", BAD, "quadratic: H[1]", "the finite numbers", "mend this entry"),
    ("sgd --loss quadratic:a", BAD, "quadratic: H", LISTS, "write it like 1,2.5"),
    ("sgd --loss saddle:a", BAD, "saddle: h", LISTS, "write it like 1,2.5"),
    ("sgd --loss saddle:inf", BAD, "saddle: h", "the finite vectors", "give the diagonal of H"),
    ("sgd --loss rosenbrok", UNKNOWN, "loss", "{game, logistic, mlp", MEANT + "'rosenbrock'?"),
    ("sgd --loss rosenbrock:1", BAD, "rosenbrock: d", "{2, 3, 4, ...}", "a link between two"),
    ("sgd --loss rosenbrock:2.5", BAD, "rosenbrock: d", "{2, 3, 4, ...}", "a link between two"),
    ("sgd --loss rosenbrock:a", BAD, "rosenbrock: numbers", LISTS, "write it like 1,2.5"),
    ("sgd --loss rosenbrock:2,1", BAD, "rosenbrock: number of numbers", "{0, 1, 3}", "rosenbrock:D,A,B"),
    ("sgd --loss rosenbrock:2,nan,1", BAD, "rosenbrock: a", "(-inf, inf)", FINITE),
    ("sgd --loss rosenbrock:2,1,0", BAD, "rosenbrock: b", POSITIVE, FINITE),
    ("sgd --loss logistic:iris", UNKNOWN, "logistic: data", "{breast_cancer}", CHOOSE),
    ("sgd --loss logistic:breast-cancer", UNKNOWN, "logistic: data", "{breast_cancer}", MEANT + "'breast_cancer'?"),
    ("sgd --loss logistic:breast_cancer:-1", BAD, "logistic: l2", NONNEGATIVE, FINITE),
    ("sgd --loss logistic:breast_cancer:a", BAD, "logistic: l2", NONNEGATIVE, "give a number"),
    ("sgd --loss logistic:breast_cancer:1:2", BAD, "loss", "the form logistic:", "leave out"),
    ("sgd --loss mlp:breast-cancer", UNKNOWN, "mlp: data", "{breast_cancer}", MEANT + "'breast_cancer'?"),
    ("sgd --loss mlp:breast_cancer:2.5", BAD, "mlp: hidden", "comma lists of {1, 2", "like 16,16"),
    ("sgd --loss mlp:breast_cancer:nan", BAD, "mlp: hidden", "comma lists of {1, 2", "like 16,16"),
    ("sgd --loss mlp:breast_cancer:0", BAD, "mlp: hidden", "the tuples of positive", "one width"),
    ("sgd --loss mlp:breast_cancer:3:gelu", BAD, "mlp: activation", "{tanh, relu}", CHOOSE),
    ("sgd --loss mlp:breast_cancer:3:relu:4", BAD, "loss", "the form mlp:", "leave out"),
    ("sgd --noise gausian:1", UNKNOWN, "noise law", "{empirical, exponential, gaussian", MEANT + "'gaussian'?"),
    ("sgd --noise gaussian:-1", BAD, "noise scale sigma", NONNEGATIVE, FINITE),
    ("sgd --noise gaussian:1,nan", BAD, "noise scale sigma", NONNEGATIVE, FINITE),
    ("sgd --noise gaussian:a", BAD, "noise scale sigma", NUMBERS, "write it like 0.5"),
    ("sgd --noise gaussian:1,2,3", BAD, "number of noise scales", "{1, 2}", "one per coordinate"),
    ("sgd --noise gaussian", BAD, "noise", "the form gaussian:S", "S is one scale"),
    ("sgd --noise gaussian:1:2", BAD, "noise", "the form gaussian:S", "S is one scale"),
    ("sgd --noise student-t:1", BAD, "noise", "the form student-t:NU:S", "S is one scale"),
    ("sgd --noise student-t:x:1", BAD, "student-t: nu", NUMBERS, "write it like 0.5"),
    ("sgd --noise student-t:0:1", BAD, "student-t: nu", POSITIVE, FINITE),
    ("sgd --model algorithm --noise student-t:-2:1", BAD, "student-t: nu", POSITIVE, FINITE),
    ("sgd --noise student-t:2:1", NoModel, "sgd, model sde: student-t nu", "(2, inf)", "--model algorithm"),
    ("sgd --noise student-t:1:1", NoModel, "sgd, model sde: student-t nu", "(2, inf)", "order 2, which"),
    ("adam --noise student-t:4:1", NoModel, "adam, model sde: student-t nu", "(4, inf)", "of order 4, which"),
    ("sgd --noise gaussian:data", BAD, "noise scale", "a number per coordinate", "has no data"),
    ("sgd --noise gaussian:@data", BAD, "noise covariance", "a matrix", "has no noise_covariance"),
    ("sgd --noise laplace:@data", BAD, "noise scale sigma", NUMBERS, "write it like 0.5"),
    ("sgd --x0 1,2,3", BAD, "x0: number of entries", "{2}", "quadratic:1,2 has that dimension"),
    ("sgd --x0 1,inf", BAD, "x0", "the finite vectors", "mend its entries"),
    ("adam --init w=1", UNKNOWN, "init: state", "{m, v}", CHOOSE),
    ("sgd --init v=1", UNKNOWN, "init: state", "{}", "there is none"),
    ("adam --init v=-1", BAD, "init: v", NONNEGATIVE, FINITE),
    ("sgd --paths 0", BAD, "paths", COUNTS, WHOLE),
    ("sgd --steps 0", BAD, "steps", COUNTS, WHOLE),
    ("sgd --substeps 0", BAD, "substeps", COUNTS, WHOLE),
    ("sgd --threads 0", BAD, "threads", COUNTS, WHOLE),
    ("sgd --start 20", BAD, "sgd, model sde: start", "[0, steps = 20)", "takes over after that"),
    ("sgd --start -1", BAD, "sgd, model sde: start", "[0, steps = 20)", "takes over after that"),
    ("adam --start 0", BAD, "adam, model sde: start", "[1, steps = 20)", "singular at the initial"),
    ("sgd --seed -1", BAD, "seed", "[0, 2^63)", WHOLE),
    (f"sgd --seed {2**63}", BAD, "seed", "[0, 2^63)", WHOLE),
    ("sgd --save 1", BAD, "save", "{2, 3, ...}", "the first and the last"),
]  # fmt: skip


def as_api(options: list[str]) -> Api:
    """Options of the command line as keyword arguments of `simulate`."""
    api: Api = {}
    for option, text in zip(options[::2], options[1::2], strict=True):
        name = option.removeprefix("--").replace("-", "_")
        if name in ("loss", "noise", "model"):
            api[name] = text
        elif name == "x0":
            api[name] = [float(part) for part in text.split(",")]
        elif name == "init":
            api[name] = {text[0]: float(text[2:])}
        else:
            api[name] = float(text) if name in HYPERPARAMETERS else int(text)
    return api


@pytest.mark.parametrize(("arguments", "error", "parameter", "domain", "remedy"), TABLE, ids=[row[0] for row in TABLE])
def test_bad_input(arguments: str, error: type[InvalidParameter], parameter: str, domain: str, remedy: str) -> None:
    """The API's error names parameter, value, domain and remedy; the command line exits with 2, saying so."""
    optimizer, *options = arguments.split()
    with pytest.raises(error) as caught:
        simulate(**(SGD | {"optimizer": optimizer} | as_api(options)))
    found = caught.value
    assert type(found) is error and found.parameter == parameter
    assert domain in found.domain and remedy in found.remedy
    assert str(found) == f"{parameter} = {found.value} is outside {found.domain}: {found.remedy}"
    size = ["--steps", "20", "--paths", "8"]
    result = CliRunner().invoke(main, ["simulate", optimizer, *size, *options])
    assert result.exit_code == 2 and not result.stdout
    assert " ".join(result.stderr.split()) == " ".join(f"Error: {found}".split())


COMMAND_LINES = [
    ("simulate sgd --batch 0", 2, f"batch = 0 is outside {COUNTS}: give the number of samples per step"),
    ("simulate sgd --x0 1,b", 2, f"x0 = '1,b' is outside {LISTS}: write it like 1,-1"),
    ("simulate sgd --x0=", 2, f"x0 = '' is outside {LISTS}: write it like 1,-1"),
    ("simulate adam --init v", 2, "init = 'v' is outside the form STATE=VALUE: write it like v=0.25"),
    ("simulate adam --init v=x", 2, "init = 'v=x' is outside the form STATE=VALUE: write it like v=0.25"),
    ("simulate sgd --loss quadratic:@missing.npy", 3, "no file missing.npy; save the matrix with numpy.save"),
    ("simulate sgd --plot bands.gif", 2, "plot: ending = '.gif' is outside {.pdf, .png, .svg}: name a file"),
    ("simulate sgd --plot missing/b.png", 2, "plot: folder = missing is outside the existing folders: make"),
    ("simulat sgd", 2, "command = 'simulat' is outside {audit, derive"),
    ("simulat sgd", 2, "did you mean 'simulate'?"),
    ("derive adamm", 2, f"optimizer = 'adamm' is outside {OPTIMIZERS}: did you mean 'adam'?"),
    ("derive sgd --noise gausian", 2, "two-point}: did you mean 'gaussian'?"),
    ("derive sgd --noise student-t:2", 2, "nu = 2 has no moment of order 2: nu > 2 is needed"),
    ("derive sgd --noise student-t:-1", 2, "student-t: nu = -1 is outside (0, inf)"),
    ("derive sgd --model malladi2022", 2, "malladi2022: optimizer = sgd is outside {rmsprop, adam}: the pa"),
    ("derive sgd --model compagnoni", 2, "did you mean 'compagnoni2025'?"),
    ("kernels", 2, "give exactly one of --write, --check, --show OPTIMIZER and --warm"),
    ("simulate sgd --steps 1e3", 2, "'1e3' is not a valid integer"),
    ("simulate sgd --device tpu", 2, "device"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "code", "message"), COMMAND_LINES)
def test_bad_command_lines(arguments: str, code: int, message: str) -> None:
    """What only a command line can get wrong: the exit code, a message on stderr, nothing on stdout."""
    result = CliRunner().invoke(main, arguments.split())
    assert result.exit_code == code and not result.stdout
    assert message in " ".join(result.stderr.split())


API: list[tuple[str, Callable[[], object]]] = [
    ("quadratic: max |H - H'| = 1 is outside [0, 3e-12], H must be symmetric up to rounding: symmetrise it: H =",
     lambda: Quadratic([[1, 2], [3, 1]])),
    ("quadratic: H[0, 1] = inf is outside the finite numbers: mend this entry",
     lambda: Quadratic([[1, np.inf], [np.inf, 1]])),
    ("quadratic: shape of H = (2, 3) is outside {(d,), (d, d)}: give a", lambda: Quadratic(np.ones((2, 3)))),
    ("quadratic: shape of H = (0,) is outside {(d,), (d, d)}: give a", lambda: Quadratic([])),
    ("quadratic: shape of H = () is outside {(d,), (d, d)}: give a", lambda: Quadratic(1.0)),
    ("quadratic: H = 'a' is outside the arrays of numbers: give a", lambda: Quadratic("a")),
    ("quadratic: H = [[1.0], [1.0, 2.0]] is outside the arrays of numbers: give a",
     lambda: Quadratic([[1.0], [1.0, 2.0]])),
    ("saddle: quartic = 0 is outside (0, inf): choose", lambda: EmbeddedSaddle(quartic=0)),
    ("saddle: cubic = nan is outside (-inf, inf): choose", lambda: EmbeddedSaddle(cubic=np.nan)),
    ("saddle: h = [] is outside the finite vectors: give", lambda: EmbeddedSaddle([])),
    ("saddle: h = [[1, 2]] is outside the finite vectors: give", lambda: EmbeddedSaddle([[1, 2]])),
    ("rosenbrock: d = 1 is outside {2, 3, 4, ...}: the chain", lambda: Rosenbrock(1)),
    ("rosenbrock: d = a is outside {2, 3, 4, ...}: the chain", lambda: Rosenbrock(cast(int, "a"))),
    ("rosenbrock: b = -1 is outside (0, inf): choose", lambda: Rosenbrock(2, b=-1)),
    ("rosenbrock: a = inf is outside (-inf, inf): choose", lambda: Rosenbrock(2, a=np.inf)),
    ("noise scale sigma = 'a' is outside the numbers and vectors: give one", lambda: gaussian("a")),
    ("noise scale sigma: shape = (1, 2) is outside {(n,)}: give", lambda: gaussian([[1, 2]])),
    ("noise scale sigma = -1.0 is outside [0, inf): choose", lambda: gaussian([1, -1])),
    ("batch = 0 is outside {1, 2, 3, ...}: give the number of samples", lambda: gaussian(1, batch=0)),
    ("batch = 1.5 is outside {1, 2, 3, ...}: give", lambda: gaussian(1, batch=cast(int, 1.5))),
    ("batch = nan is outside {1, 2, 3, ...}: give", lambda: gaussian(1, batch=cast(int, np.nan))),
    ("batch = a is outside {1, 2, 3, ...}: give", lambda: gaussian(1, batch=cast(int, "a"))),
    ("student-t: nu = a is outside (0, inf): give a number", lambda: student_t(cast(float, "a"), 1)),
    ("student-t: nu = nan is outside (0, inf): choose", lambda: student_t(np.nan, 1)),
    ("sgd: lr = fast is outside (0, inf): give a number", lambda: simulate(**SGD, lr="fast")),
    ("sgd: lr = [0.1, 0.2] is outside (0, inf): give a number", lambda: simulate(**SGD, lr=[0.1, 0.2])),
    ("paths = 1.5 is outside {1, 2, 3, ...}: give", lambda: simulate(**(SGD | {"paths": 1.5}))),
    ("seed = 0.5 is outside [0, 2^63): give", lambda: simulate(**(SGD | {"seed": 0.5}))),
    ("save = 21 is outside the steps 0 ... 20 of the run: name", lambda: simulate(**SGD, save=[0, 21])),
    ("save = [] is outside the steps 0 ... 20 of the run: name", lambda: simulate(**SGD, save=[])),
]  # fmt: skip


@pytest.mark.parametrize(("message", "call"), API, ids=[row[0].split(" is ")[0] for row in API])
def test_bad_arguments(message: str, call: Callable[[], object]) -> None:
    """What only Python code can get wrong."""
    with pytest.raises(InvalidParameter) as caught:
        call()
    assert str(caught.value).startswith(message)


WRONG_KINDS: dict[str, object] = {
    "paths": "many",
    "steps": float("nan"),
    "substeps": None,
    "start": "late",
    "seed": "a",
    "x0": ["a", "b"],
    "save": [0.5, 20],
}


@pytest.mark.parametrize("parameter", WRONG_KINDS)
def test_arguments_of_a_wrong_kind(parameter: str) -> None:
    """Text, nan, None and fractions where whole numbers belong are refused like numbers out of the domain."""
    with pytest.raises(InvalidParameter, match=f"^(sgd, model sde: )?{parameter}.* is outside "):
        simulate(**(SGD | {parameter: WRONG_KINDS[parameter]}))


def test_missing_file(tmp_path: Path) -> None:
    """A loss file that does not exist is missing data; one that is no matrix is an invalid parameter."""
    with pytest.raises(MissingData, match=r"no file .*H.npy; save the matrix with numpy.save"):
        parse_loss(f"quadratic:@{tmp_path / 'H.npy'}")
    for name, content in (("text", b"1 2\n3 4\n"), ("empty", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InvalidParameter, match=r"file = .* is outside the \.npy files: numpy says"):
            parse_loss(f"quadratic:@{tmp_path / name}")
    np.savez(tmp_path / "two.npz", H=np.eye(2), K=np.eye(2))
    with pytest.raises(InvalidParameter, match="quadratic: "):
        parse_loss(f"quadratic:@{tmp_path / 'two.npz'}")
    np.save(tmp_path / "skew.npy", [[0.0, 1.0], [-1.0, 0.0]])
    result = CliRunner().invoke(main, ["simulate", "sgd", "--loss", f"quadratic:@{tmp_path / 'skew.npy'}"])
    assert result.exit_code == 2 and "max |H - H'| = 2 is outside [0, 1e-12], H must be symmetric" in result.stderr


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without scikit-learn a loss on its data exits with 3 and the command that installs it."""
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    for loss in ("mlp:breast_cancer", "logistic:breast_cancer"):
        result = CliRunner().invoke(main, ["simulate", "sgd", "--loss", loss])
        assert result.exit_code == 3 and "pip install scikit-learn" in result.stderr and loss in result.stderr


@pytest.mark.parametrize(
    ("text", "name", "dimension"),
    [
        ("quadratic:1,3", "quadratic:1,3", 2),
        ("quadratic:0.1234567,1e-08", "quadratic:0.1234567,1e-08", 2),
        ("saddle", "saddle", 2),
        ("saddle:-1,2", "saddle", 2),
        ("saddle:-1,2,3", "saddle:-1,2,3", 3),
        ("rosenbrock", "rosenbrock", 2),
        ("rosenbrock:2", "rosenbrock", 2),
        ("rosenbrock:5", "rosenbrock:5", 5),
        ("rosenbrock:2,1,100", "rosenbrock", 2),
        ("rosenbrock:3,-1.5,0.25", "rosenbrock:3,-1.5,0.25", 3),
        ("logistic:breast_cancer", "logistic:breast_cancer", 31),
        ("logistic:breast_cancer:0", "logistic:breast_cancer", 31),
        ("logistic:breast_cancer:1e-3", "logistic:breast_cancer:0.001", 31),
        ("mlp:breast_cancer", "mlp:breast_cancer", 662),
        ("mlp:breast_cancer:", "mlp:breast_cancer::tanh", 62),
        ("mlp:breast_cancer::tanh", "mlp:breast_cancer::tanh", 62),
        ("mlp:breast_cancer:3,4:relu", "mlp:breast_cancer:3,4:relu", 119),
    ],
)
def test_losses_are_named_as_they_are_spelled(text: str, name: str, dimension: int) -> None:
    """A loss as the command line spells it, an empty hidden field being no hidden layer; names read back."""
    if "breast_cancer" in text:
        pytest.importorskip("sklearn")
    loss = parse_loss(text)
    assert (loss.name, loss.dimension) == (name, dimension)
    assert parse_loss(name).data.tobytes() == loss.data.tobytes()


@pytest.mark.parametrize(
    "text",
    ["gaussian:0.5", "gaussian:1,2.25", "student-t:2.5:0.1", "gaussian:data", f"gaussian:1e-09,{1 / 3!r}"],
)
def test_noise_is_named_as_it_is_spelled(text: str) -> None:
    """`parse_noise` and `Noise.name` are inverse, to the last digit."""
    assert parse_noise(text).name == text


@pytest.mark.parametrize(
    "error",
    [
        InvalidParameter("lr", 0, "(0, inf)", "choose"),
        UnknownName("loss", "quadradic", ["quadratic", "mlp"]),
        UnknownName("sgd: hyperparameter", "beta1", ["lr"], "it belongs to adam"),
        NoModel("sgd: nu", 2, "(2, inf)", "use the algorithm"),
    ],
)
def test_errors_survive_a_process_boundary(error: InvalidParameter) -> None:
    """Errors come back from worker processes as they were raised."""
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and str(again) == str(error) and vars(again) == vars(error)
