"""Rules of one's own and laws without checked-in kernels: derived, generated and simulated on demand."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from adasde import InvalidParameter, MissingData, NoModel, UnknownName, cache, optimizers, simulate
from adasde.cli import main
from adasde.derive.laws import CHECKED_IN
from adasde.verify import verify

EXAMPLES = Path(__file__).parents[2] / "examples"
LION, SIGNUM, BALL = (f"{EXAMPLES / name}.py:{name}" for name in ("lion", "signum", "heavy_ball"))
SETTING = {"loss": "quadratic:1,2", "noise": "gaussian:0.5", "lr": 0.02, "steps": 60, "paths": 2048, "save": 2}


pytestmark = pytest.mark.usefixtures("own_cache")


def stdout(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("rule", [LION, SIGNUM, BALL])
def test_a_users_rule_is_derived_and_simulated(rule):
    """Derivation on a page, kernels in the cache, and an SDE that agrees with the optimizer's mean within noise."""
    assert "weak order 1" in stdout("derive", rule)
    optimizer = simulate(rule, "algorithm", **SETTING)
    for model in optimizers.models(rule)[1:]:
        sde = simulate(rule, model, substeps=4, **SETTING)
        error = np.hypot(optimizer.loss_se[-1], sde.loss_se[-1])
        allowed = 0.05 if model == "order2" else 0.12  # heavy ball: eta rho1 = 0.1 at this step
        assert abs(sde.loss_mean[-1] - optimizer.loss_mean[-1]) < 4 * error + allowed * optimizer.loss_mean[-1]
    assert optimizers.models(rule) == ["algorithm", "sde"] + ["order2"] * (rule != SIGNUM)


def test_signum_is_refused_at_order_two():
    """With the reason, from the derivation and from the runner alike."""
    with pytest.raises(NoModel, match=r"sign\(m\), and no noise of order one smooths it"):
        simulate(SIGNUM, "order2", **SETTING)
    result = CliRunner().invoke(main, ["derive", SIGNUM, "--model", "order2"])
    assert result.exit_code == 2 and "no noise of order one smooths it" in result.output


@pytest.mark.parametrize(("rule", "model"), [(LION, "order2"), (BALL, "order2")])
def test_a_users_rule_is_verified(rule, model):
    """One-step moments, local weak error, kernels and final loss hold for a rule that this project does not know."""
    run = {"loss": "quadratic:1,2", "noise": "gaussian:0.5", "lr": 0.02, "steps": 60, "paths": 2048}
    checks = list(verify(rule, model, margin=0.2, **run))
    assert {check.rung for check in checks} >= {2, 3, 6}
    assert [c.statement for c in checks if not c.passed] == []


def test_kernels_are_made_once():
    """The second call finds the file, a change of the rule makes another, and the next process needs no sympy."""
    module = optimizers.kernels(LION)
    assert Path(str(module.__file__)).parent == cache.folder() and optimizers.kernels(LION) is module
    program = (
        f"from adasde import simulate; import sys; simulate({LION!r}, **{SETTING!r}); print('sympy' in sys.modules)"
    )
    simulate(LION, **SETTING)
    again = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert again.stdout.strip() == "False"


def test_a_changed_rule_is_another_rule(tmp_path):
    """The cache goes by what stands in the file."""
    path = tmp_path / "mine.py"
    text = (EXAMPLES / "lion.py").read_text()
    path.write_text(text)
    first = optimizers.kernels(f"{path}:lion")
    path.write_text(text.replace("direction + theta * x", "2 * direction + theta * x"))
    second = optimizers.kernels(f"{path}:lion")
    assert first.__file__ != second.__file__


def test_what_is_wrong_with_a_rule_is_said(tmp_path):
    """No file, no such rule, a file that does not run, a rule that cannot be derived."""
    with pytest.raises(MissingData, match=r"no file .*nowhere\.py"):
        simulate("./nowhere.py:rule", **SETTING)
    with pytest.raises(UnknownName, match="did you mean 'lion'"):
        simulate(LION.replace(":lion", ":lions"), **SETTING)
    broken = tmp_path / "broken.py"
    broken.write_text("1 / 0\n")
    with pytest.raises(InvalidParameter, match="line 1: ZeroDivisionError"):
        simulate(f"{broken}:rule", **SETTING)


@pytest.mark.parametrize("noise", ["laplace:0.5", "exponential:0.5", "two-point:0.2:0.5", "mixture:1,0,1/2,1,0.5:0.5"])
@pytest.mark.parametrize("optimizer", ["signsgd", "rmsprop"])
def test_laws_without_checked_in_kernels(optimizer, noise):
    """Generated on demand, the SDE under each law follows the optimizer."""
    run = SETTING | {"noise": noise, "steps": 100}
    exact, sde = simulate(optimizer, "algorithm", **run), simulate(optimizer, "sde", **run)
    error = np.hypot(exact.loss_se[-1], sde.loss_se[-1])
    assert abs(sde.loss_mean[-1] - exact.loss_mean[-1]) < 4 * error + 0.08 * exact.loss_mean[-1]


def test_soft_sign_by_quadrature(tmp_path):
    """tanh(g) has no exact mean: the kernel sums over Gauss nodes, and the SDE follows the optimizer."""
    path = tmp_path / "soft.py"
    path.write_text(
        "from adasde.derive.language import eta, g, tanh, update_rule, x\n"
        "@update_rule(states=(x,), dialect='paper', cite='-')\n"
        "def soft():\n    return {x: x - eta * tanh(g)}\n"
    )
    rule = f"{path}:soft"
    assert optimizers.kernels(rule).QUADRATURE > 0
    exact = simulate(rule, "algorithm", **SETTING)
    for model in ("sde", "order2"):
        sde = simulate(rule, model, **SETTING)
        assert sde.loss_mean[-1] == pytest.approx(exact.loss_mean[-1], rel=0.05)


def test_checked_in_laws_are_said_once():
    """The runner's list, which loads no sympy, is the derivation's."""
    assert optimizers.CHECKED_IN == CHECKED_IN


def test_obstructions_on_the_command_line():
    """What obstructs order two, as text, LaTeX and JSON."""
    text = stdout("derive", "rmsprop", "--regime", "batch-equivalent")
    assert "impossible" in text and "d_x^2 d_v" in text and "vanishes if M4 = 1" in text
    data = json.loads(stdout("derive", "sgd", "--regime", "batch-equivalent", "--state-dependent", "--format", "json"))
    assert data["order_two_possible"] and data["laws"] == ["gaussian"] and "d_x^4" in data["obstruction"]
    assert r"\end{document}" in stdout("derive", "adam", "--regime", "batch-equivalent", "--format", "latex")
