"""Bad input is refused by name, through the API and on the command line.

Every message says which parameter, which value, which domain, and what to do; the command line prints the same
message to stderr and exits with 2, or with 3 where data is missing.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from adasde.cli import main
from adasde.errors import InvalidParameter, MissingData, NoModel, UnknownName
from adasde.losses import parse_loss
from adasde.losses.quadratic import Quadratic
from adasde.losses.saddle import EmbeddedSaddle
from adasde.noise import gaussian, parse_noise, student_t
from adasde.simulate import simulate

Api = dict[str, Any]
SGD: Api = {"optimizer": "sgd", "loss": "quadratic:1,2", "noise": "gaussian:0.1", "steps": 20, "paths": 8}
ADAM: Api = SGD | {"optimizer": "adam"}
ADAMW: Api = SGD | {"optimizer": "adamw"}
COUNTS = "{1, 2, 3, ...}"
WRITTEN = "comma lists of numbers"
FINITE = "choose a finite number inside"
OPTIMIZERS = "{adam, adamw, rmsprop, rmspropw, sgd, signsgd}"


def case(
    name: str, api: Api, argv: str, error: type[Exception], parameter: str, domain: str, remedy: str
) -> Any:
    """One row: keyword arguments of `simulate`, the same as options, and what the message must hold."""
    return pytest.param(api, argv.split("|"), error, parameter, domain, remedy, id=name)


# fmt: off
TABLE = [
    case("lr 0", SGD | {"lr": 0}, "sgd|--lr|0", InvalidParameter, "sgd: lr", "(0, inf)", FINITE),
    case("lr < 0", SGD | {"lr": -0.1}, "sgd|--lr|-0.1", InvalidParameter, "sgd: lr", "(0, inf)", FINITE),
    case("lr nan", SGD | {"lr": np.nan}, "sgd|--lr|nan", InvalidParameter, "sgd: lr", "(0, inf)", FINITE),
    case("lr inf", SGD | {"lr": np.inf}, "sgd|--lr|inf", InvalidParameter, "sgd: lr", "(0, inf)", FINITE),
    case("beta1 1", ADAM | {"beta1": 1}, "adam|--beta1|1", InvalidParameter, "adam: beta1", "[0, 1)", FINITE),
    case("beta1 < 0", ADAM | {"beta1": -0.1}, "adam|--beta1|-0.1", InvalidParameter, "adam: beta1", "[0, 1)", FINITE),
    case("beta2 1.2", ADAMW | {"beta2": 1.2}, "adamw|--beta2|1.2", InvalidParameter, "adamw: beta2", "[0, 1)", FINITE),
    case("beta2 nan", ADAM | {"beta2": np.nan}, "adam|--beta2|nan", InvalidParameter, "adam: beta2", "[0, 1)", FINITE),
    case("eps < 0", ADAM | {"eps": -1e-8}, "adam|--eps|-1e-8", InvalidParameter, "adam: eps", "[0, inf)", FINITE),
    case("decay < 0", ADAMW | {"weight_decay": -1}, "adamw|--weight-decay|-1",
         InvalidParameter, "adamw: weight_decay", "[0, inf)", FINITE),
    case("sigma < 0", SGD | {"noise": "gaussian:-1"}, "sgd|--noise|gaussian:-1",
         InvalidParameter, "noise scale sigma", "[0, inf)", FINITE),
    case("sigma nan", SGD | {"noise": "gaussian:1,nan"}, "sgd|--noise|gaussian:1,nan",
         InvalidParameter, "noise scale sigma", "[0, inf)", FINITE),
    case("nu 0", SGD | {"noise": "student-t:0:1"}, "sgd|--noise|student-t:0:1",
         InvalidParameter, "student-t: nu", "(0, inf)", FINITE),
    case("nu < 0", SGD | {"noise": "student-t:-2:1", "model": "algorithm"}, "sgd|--noise|student-t:-2:1|--model|algorithm",
         InvalidParameter, "student-t: nu", "(0, inf)", FINITE),
    case("no variance", SGD | {"noise": "student-t:2:1"}, "sgd|--noise|student-t:2:1",
         NoModel, "sgd, model sde: student-t nu", "(2, inf)", "use --model algorithm"),
    case("no mean", SGD | {"noise": "student-t:1:1"}, "sgd|--noise|student-t:1:1",
         NoModel, "sgd, model sde: student-t nu", "(2, inf)", "moment of order 2, which does not exist"),
    case("no fourth moment", ADAM | {"noise": "student-t:4:1"}, "adam|--noise|student-t:4:1",
         NoModel, "adam, model sde: student-t nu", "(4, inf)", "moment of order 4, which does not exist"),
    case("optimizer", SGD | {"optimizer": "adan"}, "adan", UnknownName, "optimizer", OPTIMIZERS, "did you mean 'adam'?"),
    case("nothing like it", SGD | {"optimizer": "xyz"}, "xyz", UnknownName, "optimizer", OPTIMIZERS, "choose one of these"),
    case("model", SGD | {"model": "algoritm"}, "sgd|--model|algoritm",
         UnknownName, "sgd: model", "{algorithm, compagnoni2025, sde}", "did you mean 'algorithm'?"),
    case("loss", SGD | {"loss": "quadradic:1,2"}, "sgd|--loss|quadradic:1,2",
         UnknownName, "loss", "{mlp, quadratic, saddle}", "did you mean 'quadratic'?"),
    case("noise law", SGD | {"noise": "gausian:1"}, "sgd|--noise|gausian:1",
         UnknownName, "noise law", "{gaussian, student-t}", "did you mean 'gaussian'?"),
    case("other's hyperparameter", SGD | {"beta1": 0.9}, "sgd|--beta1|0.9",
         UnknownName, "sgd: hyperparameter", "{lr}", "it belongs to adam, adamw"),
    case("decay for Adam", ADAM | {"weight_decay": 0.1}, "adam|--weight-decay|0.1",
         UnknownName, "adam: hyperparameter", "{beta1, beta2, eps, lr}", "it belongs to adamw, rmspropw"),
    case("x0 too long", SGD | {"x0": [1, 2, 3]}, "sgd|--x0|1,2,3",
         InvalidParameter, "x0: number of entries", "{2}", "quadratic:1,2 has that dimension"),
    case("x0 not finite", SGD | {"x0": [1, np.inf]}, "sgd|--x0|1,inf",
         InvalidParameter, "x0", "the finite vectors", "mend its entries"),
    case("three scales", SGD | {"noise": "gaussian:1,2,3"}, "sgd|--noise|gaussian:1,2,3",
         InvalidParameter, "number of noise scales", "{1, 2}", "one per coordinate"),
    case("paths 0", SGD | {"paths": 0}, "sgd|--paths|0", InvalidParameter, "paths", COUNTS, "whole number"),
    case("steps 0", SGD | {"steps": 0}, "sgd|--steps|0", InvalidParameter, "steps", COUNTS, "whole number"),
    case("substeps 0", SGD | {"substeps": 0}, "sgd|--substeps|0", InvalidParameter, "substeps", COUNTS, "whole number"),
    case("threads 0", SGD | {"threads": 0}, "sgd|--threads|0", InvalidParameter, "threads", COUNTS, "whole number"),
    case("start late", SGD | {"start": 20}, "sgd|--start|20",
         InvalidParameter, "sgd, model sde: start", "[0, steps = 20)", "takes over after that many"),
    case("start < 0", SGD | {"start": -1}, "sgd|--start|-1",
         InvalidParameter, "sgd, model sde: start", "[0, steps = 20)", "takes over after that many"),
    case("start singular", ADAM | {"start": 0}, "adam|--start|0",
         InvalidParameter, "adam, model sde: start", "[1, steps = 20)", "singular at the initial state"),
    case("seed < 0", SGD | {"seed": -1}, "sgd|--seed|-1", InvalidParameter, "seed", "[0, 2^63)", "whole number"),
    case("seed too large", SGD | {"seed": 2**63}, f"sgd|--seed|{2**63}", InvalidParameter, "seed", "[0, 2^63)", "whole number"),
    case("save 1", SGD | {"save": 1}, "sgd|--save|1", InvalidParameter, "save", "{2, 3, ...}", "the first and the last"),
    case("init state", ADAM | {"init": {"w": 1.0}}, "adam|--init|w=1", UnknownName, "init: state", "{m, v}", "choose one"),
    case("no state", SGD | {"init": {"v": 1.0}}, "sgd|--init|v=1", UnknownName, "init: state", "{}", "there is none"),
    case("init v < 0", ADAM | {"init": {"v": -1.0}}, "adam|--init|v=-1", InvalidParameter, "init: v", "[0, inf)", FINITE),
    case("no data", SGD | {"noise": "gaussian:data"}, "sgd|--noise|gaussian:data",
         InvalidParameter, "noise scale", "a number per coordinate", "quadratic:1,2 has no data"),
    case("H nan", SGD | {"loss": "quadratic:1,nan"}, "sgd|--loss|quadratic:1,nan",
         InvalidParameter, "quadratic: H[1]", "the finite numbers", "mend this entry"),
    case("H text", SGD | {"loss": "quadratic:a"}, "sgd|--loss|quadratic:a",
         InvalidParameter, "quadratic: H", WRITTEN, "write it like 1,2.5"),
    case("saddle text", SGD | {"loss": "saddle:a"}, "sgd|--loss|saddle:a",
         InvalidParameter, "saddle: h", WRITTEN, "write it like 1,2.5"),
    case("saddle inf", SGD | {"loss": "saddle:inf"}, "sgd|--loss|saddle:inf",
         InvalidParameter, "saddle: h", "the finite vectors", "give the diagonal of H"),
    case("mlp data", SGD | {"loss": "mlp:breast-cancer"}, "sgd|--loss|mlp:breast-cancer",
         UnknownName, "mlp: data", "{breast_cancer}", "did you mean 'breast_cancer'?"),
    case("mlp hidden", SGD | {"loss": "mlp:breast_cancer:2.5"}, "sgd|--loss|mlp:breast_cancer:2.5",
         InvalidParameter, "mlp: hidden", "comma lists of {1, 2, 3, ...}", "write whole numbers like 16,16"),
    case("mlp hidden nan", SGD | {"loss": "mlp:breast_cancer:nan"}, "sgd|--loss|mlp:breast_cancer:nan",
         InvalidParameter, "mlp: hidden", "comma lists of {1, 2, 3, ...}", "write whole numbers like 16,16"),
    case("mlp hidden 0", SGD | {"loss": "mlp:breast_cancer:0"}, "sgd|--loss|mlp:breast_cancer:0",
         InvalidParameter, "mlp: hidden", "the tuples of positive integers", "one width per hidden layer"),
    case("mlp activation", SGD | {"loss": "mlp:breast_cancer:3:gelu"}, "sgd|--loss|mlp:breast_cancer:3:gelu",
         InvalidParameter, "mlp: activation", "{tanh, relu}", "choose one of these"),
    case("mlp too much", SGD | {"loss": "mlp:breast_cancer:3:relu:4"}, "sgd|--loss|mlp:breast_cancer:3:relu:4",
         InvalidParameter, "loss", "the form mlp:breast_cancer:HIDDEN", "leave out"),
    case("noise without S", SGD | {"noise": "gaussian"}, "sgd|--noise|gaussian",
         InvalidParameter, "noise", "the form gaussian:S", "S is one scale"),
    case("noise with too much", SGD | {"noise": "gaussian:1:2"}, "sgd|--noise|gaussian:1:2",
         InvalidParameter, "noise", "the form gaussian:S", "S is one scale"),
    case("noise text", SGD | {"noise": "gaussian:a"}, "sgd|--noise|gaussian:a",
         InvalidParameter, "noise scale sigma", "the numbers", "write it like 0.5"),
    case("student-t without nu", SGD | {"noise": "student-t:1"}, "sgd|--noise|student-t:1",
         InvalidParameter, "noise", "the form student-t:NU:S", "S is one scale"),
    case("nu text", SGD | {"noise": "student-t:x:1"}, "sgd|--noise|student-t:x:1",
         InvalidParameter, "student-t: nu", "the numbers", "write it like 0.5"),
]
# fmt: on


@pytest.mark.parametrize(("api", "argv", "error", "parameter", "domain", "remedy"), TABLE)
def test_bad_input(
    api: Api, argv: list[str], error: type[InvalidParameter], parameter: str, domain: str, remedy: str
) -> None:
    """The API raises the error that names parameter, value, domain and remedy; the command line says the same."""
    with pytest.raises(error) as caught:
        simulate(**api)
    assert type(caught.value) is error
    found = caught.value
    assert found.parameter == parameter and domain in found.domain and remedy in found.remedy
    assert str(found) == f"{parameter} = {found.value} is outside {found.domain}: {found.remedy}"
    result = CliRunner().invoke(main, ["simulate", *argv, "--steps", "20", "--paths", "8", *argv[1:]])
    assert result.exit_code == 2 and not result.stdout
    said = result.stderr.strip()
    assert said.startswith(f"Error: {parameter} = ") and f" is outside {found.domain}: {found.remedy}" in said


COMMAND_LINE = [
    ("simulate sgd --batch 0", 2, f"batch = 0 is outside {COUNTS}: give the number of samples per step"),
    ("simulate sgd --x0 1,b", 2, f"x0 = '1,b' is outside {WRITTEN}: write it like 1,-1"),
    ("simulate sgd --x0=", 2, f"x0 = '' is outside {WRITTEN}: write it like 1,-1"),
    ("simulate adam --init v", 2, "init = 'v' is outside the form STATE=VALUE: write it like v=0.25"),
    ("simulate adam --init v=x", 2, "init = 'v=x' is outside the form STATE=VALUE: write it like v=0.25"),
    ("simulate sgd --loss quadratic:@missing.npy", 3, "no file missing.npy; save the matrix with numpy.save"),
    ("simulate sgd --plot bands.gif", 2, "plot: ending = '.gif' is outside {.pdf, .png, .svg}: name a file"),
    (
        "simulate sgd --plot missing/b.png",
        2,
        "plot: folder = missing is outside the existing folders: make it",
    ),
    ("simulat sgd", 2, "command = 'simulat' is outside {derive"),
    ("simulat sgd", 2, "did you mean 'simulate'?"),
    ("derive adan", 2, f"optimizer = 'adan' is outside {OPTIMIZERS}: did you mean 'adam'?"),
    ("derive sgd --noise gausian", 2, "noise law = 'gausian' is outside {gaussian, student-t}: did you mean"),
    ("derive sgd --noise student-t:2", 2, "nu = 2 has no moment of order 2: nu > 2 is needed"),
    ("derive sgd --noise student-t:-1", 2, "student-t: nu = -1 is outside (0, inf)"),
    (
        "derive sgd --model malladi2022",
        2,
        "malladi2022: optimizer = sgd is outside {rmsprop, adam}: the paper",
    ),
    ("derive sgd --model compagnoni", 2, "did you mean 'compagnoni2025'?"),
    ("kernels --show adan", 2, "optimizer = 'adan' is outside"),
    ("kernels", 2, "give exactly one of --write, --check and --show OPTIMIZER"),
    ("simulate sgd --steps 1e3", 2, "'1e3' is not a valid integer"),
    ("simulate sgd --device cuda", 2, "--device"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), COMMAND_LINE, ids=[row[0] for row in COMMAND_LINE])
def test_bad_command_lines(arguments: str, code: int, message: str) -> None:
    """What only a command line can get wrong: the exit code, and a message on stderr with nothing on stdout."""
    result = CliRunner().invoke(main, arguments.split())
    assert result.exit_code == code and not result.stdout
    assert message in " ".join(result.stderr.split())


API: list[tuple[str, Callable[[], object], str]] = [
    ("H not symmetric", lambda: Quadratic([[1, 2], [3, 1]]), r"max \|H - H'\| = 1 is outside .*H = \(H \+ H.T\)/2"),
    ("H inf", lambda: Quadratic([[1, np.inf], [np.inf, 1]]), r"H\[0, 1\] = inf is outside the finite numbers: mend"),
    ("H not square", lambda: Quadratic(np.ones((2, 3))), r"shape of H = \(2, 3\) is outside .*: give a diagonal"),
    ("H empty", lambda: Quadratic([]), r"shape of H = \(0,\) is outside .*: give a diagonal"),
    ("H a number", lambda: Quadratic(1.0), r"shape of H = \(\) is outside .*: give a diagonal"),
    ("H text", lambda: Quadratic("a"), r"quadratic: H = 'a' is outside the arrays of numbers: give a diagonal"),
    ("H ragged", lambda: Quadratic([[1.0], [1.0, 2.0]]), "quadratic: H = .* is outside the arrays of numbers"),  # type: ignore[list-item]
    ("quartic 0", lambda: EmbeddedSaddle(quartic=0), r"saddle: quartic = 0 is outside \(0, inf\): choose"),
    ("cubic nan", lambda: EmbeddedSaddle(cubic=np.nan), r"saddle: cubic = nan is outside \(-inf, inf\): choose"),
    ("saddle empty", lambda: EmbeddedSaddle([]), r"saddle: h = \[\] is outside the finite vectors: give"),
    ("saddle matrix", lambda: EmbeddedSaddle(np.eye(2)), "saddle: h = .* is outside the finite vectors: give"),
    ("scale text", lambda: gaussian("a"), "noise scale sigma = 'a' is outside the numbers and vectors: give one"),
    ("scale matrix", lambda: gaussian(np.eye(2)), "noise scale sigma = .* is outside the numbers and vectors"),
    ("scale < 0", lambda: gaussian([1, -1]), r"noise scale sigma = -1.0 is outside \[0, inf\)"),
    ("batch 0", lambda: gaussian(1, batch=0), r"batch = 0 is outside \{1, 2, 3, ...\}: give the number of samples"),
    ("batch 1.5", lambda: gaussian(1, batch=1.5), r"batch = 1.5 is outside \{1, 2, 3, ...\}"),  # type: ignore[arg-type]
    ("batch nan", lambda: gaussian(1, batch=np.nan), r"batch = nan is outside \{1, 2, 3, ...\}"),  # type: ignore[arg-type]
    ("batch text", lambda: gaussian(1, batch="a"), r"batch = a is outside \{1, 2, 3, ...\}"),  # type: ignore[arg-type]
    ("nu text", lambda: student_t("a", 1), r"student-t: nu = a is outside \(0, inf\): give a number"),  # type: ignore[arg-type]
    ("nu nan", lambda: student_t(np.nan, 1), r"student-t: nu = nan is outside \(0, inf\)"),
    ("lr text", lambda: simulate(**SGD, lr="fast"), r"sgd: lr = fast is outside \(0, inf\): give a number"),
    ("lr list", lambda: simulate(**SGD, lr=[0.1, 0.2]), r"sgd: lr = \[0.1, 0.2\] is outside \(0, inf\): give a number"),
    ("paths half", lambda: simulate(**(SGD | {"paths": 1.5})), "paths = 1.5 is outside"),
    ("seed half", lambda: simulate(**SGD, seed=0.5), "seed = 0.5 is outside"),  # type: ignore[arg-type]
    ("save beyond", lambda: simulate(**SGD, save=[0, 21]), r"save = \[0, 21\] is outside subsets of \[0, steps = 20\]"),
    ("save nothing", lambda: simulate(**SGD, save=[]), r"save = \[\] is outside subsets of \[0, steps = 20\]"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), [pytest.param(*row[1:], id=row[0]) for row in API])
def test_bad_arguments(call: Callable[[], object], message: str) -> None:
    """What only Python code can get wrong."""
    with pytest.raises(InvalidParameter, match=message):
        call()


UNCLEAR: list[tuple[str, Api]] = [
    ("paths", {"paths": "many"}),
    ("steps", {"steps": float("nan")}),
    ("substeps", {"substeps": None}),
    ("start", {"start": "late"}),
    ("seed", {"seed": "a"}),
    ("x0", {"x0": ["a", "b"]}),
    ("save", {"save": [0.5, 20]}),
]


@pytest.mark.xfail(
    strict=True, reason="run.py: int() and asarray() fail before the value is judged, or cut it"
)
@pytest.mark.parametrize(("parameter", "api"), UNCLEAR, ids=[row[0] for row in UNCLEAR])
def test_arguments_of_a_wrong_kind(parameter: str, api: Api) -> None:
    """Text, nan, None and fractions where whole numbers belong are refused like numbers outside the domain."""
    with pytest.raises(InvalidParameter, match=f"^(sgd, model sde: )?{parameter}.* is outside "):
        simulate(**(SGD | api))


def test_missing_file(tmp_path: Path) -> None:
    """A loss file that does not exist is missing data; one that is no matrix is an invalid parameter."""
    with pytest.raises(MissingData, match=r"no file .*H.npy; save the matrix with numpy.save"):
        parse_loss(f"quadratic:@{tmp_path / 'H.npy'}")
    for name, content in (("text", b"1 2\n3 4\n"), ("empty", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(
            InvalidParameter, match=r"quadratic: file = .* is outside the \.npy files: numpy says"
        ):
            parse_loss(f"quadratic:@{tmp_path / name}")
    np.savez(tmp_path / "two.npz", H=np.eye(2), K=np.eye(2))
    with pytest.raises(InvalidParameter, match="quadratic: "):
        parse_loss(f"quadratic:@{tmp_path / 'two.npz'}")
    np.save(tmp_path / "skew.npy", [[0.0, 1.0], [-1.0, 0.0]])
    result = CliRunner().invoke(main, ["simulate", "sgd", "--loss", f"quadratic:@{tmp_path / 'skew.npy'}"])
    assert result.exit_code == 2 and "max |H - H'| = 2 is outside {0}, H must be symmetric" in result.stderr


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without scikit-learn a network on its data exits with 3 and the command that installs it."""
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)
    result = CliRunner().invoke(main, ["simulate", "sgd", "--loss", "mlp:breast_cancer"])
    assert result.exit_code == 3 and "pip install scikit-learn" in result.stderr


def test_losses_by_name() -> None:
    """Names on the command line, and the empty hidden field as no hidden layer; a loss is named as it is spelled."""
    for text, name, dimension in (
        ("quadratic:1,3", "quadratic:1,3", 2),
        ("quadratic:0.1234567,1e-08", "quadratic:0.1234567,1e-08", 2),
        ("saddle", "saddle", 2),
        ("saddle:-1,2", "saddle", 2),
        ("saddle:-1,2,3", "saddle:-1,2,3", 3),
    ):
        loss = parse_loss(text)
        assert (loss.name, loss.dimension) == (name, dimension)
        again = parse_loss(loss.name)
        np.testing.assert_array_equal(again.data, loss.data)
    pytest.importorskip("sklearn")
    for text, dimension in (
        ("mlp:breast_cancer::tanh", 62),
        ("mlp:breast_cancer:", 62),
        ("mlp:breast_cancer:3,4:relu", 119),
        ("mlp:breast_cancer", 662),
    ):
        loss = parse_loss(text)
        assert loss.dimension == dimension
        assert parse_loss(loss.name).data.tobytes() == loss.data.tobytes()


@pytest.mark.parametrize(
    "text", ["gaussian:0.5", "gaussian:1,2.25", "student-t:2.5:0.1", "gaussian:data", "gaussian:1e-09"]
)
def test_noise_is_named_as_it_is_spelled(text: str) -> None:
    """`parse_noise` and `Noise.name` are inverse, to the last digit."""
    assert parse_noise(text).name == text
    assert parse_noise(f"gaussian:{1 / 3!r}").name == f"gaussian:{1 / 3!r}"


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
