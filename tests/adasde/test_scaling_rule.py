"""`adasde scaling-rule`: numbers for another batch, refusals, cautions, lines to paste, and the simulated check."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from adasde.cli import main
from adasde.errors import InvalidParameter
from adasde.rules import rule_of
from adasde.scaling import DIALECTS, scale
from adasde.scaling_check import TOLERANCE, measure
from adasde.scaling_problem import alternatives, linear_speed, problem_for
from adasde.scaling_slope import linear_share, smoothed_slope
from adasde.snippets import OPTAX, TORCH, library_name, optax_line, torch_line

EXAMPLES = Path(__file__).parents[2] / "examples"
MOMENTUM, LION, SIGNUM = (f"{EXAMPLES / name}.py:{name}" for name in ("momentum", "lion", "signum"))
ADAMW = "adamw --batch 256:1024 --lr 3e-4 --betas 0.9 0.999 --weight-decay 0.1"


def run(line: str) -> Result:
    return CliRunner().invoke(main, ["scaling-rule", *line.split()])


def data(line: str) -> dict:
    result = run(f"{line} --json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_adamw_and_its_check():
    """lr 6e-4, 1 - beta times 4, decay 0.2, eps 5e-9; simulated at the same samples within 5 % of the old batch, where
    the learning rate alone is off by more than 30 %. Fixed seeds; 1e-4 is the chance of a false alarm."""
    found = data(f"{ADAMW} --check")
    after = found["after"]
    assert after["lr"] == pytest.approx(6e-4) and after["weight_decay"] == pytest.approx(0.2)
    assert after["betas"] == pytest.approx([0.6, 0.996], abs=1e-12) and after["eps"] == pytest.approx(5e-9)
    assert after["betas_power"] == pytest.approx([0.9**4, 0.999**4])
    check = found["check"]
    rows = {row["name"]: row for row in check["rows"]}
    assert check["verdict"] == "holds" and max(map(abs, rows["the rule"]["deviation"])) < TOLERANCE
    alone = rows["lr x 2 alone"]
    assert alone["deviation"][-1] - 4 * alone["standard_error"][-1] > 0.30
    for name in ("nothing changed", "lr x 4 alone", "the rule, weight decay kept"):
        assert abs(rows[name]["deviation"][-1]) > 0.30


def test_the_fields_of_the_contract():
    """Names that scripts rely on; one-line lists of numbers for the decays, in order."""
    found = data(f"{ADAMW} --steps 10000 --warmup 500 --ema 0.999")
    assert {"before", "after", "multipliers", "invariants", "regime", "cautions", "torch", "optax"} <= set(found)
    for side in ("before", "after"):
        assert {"lr", "betas", "betas_power", "weight_decay", "eps"} <= set(found[side])
    assert found["before"]["betas"] == found["before"]["betas_power"] == [0.9, 0.999]
    assert found["multipliers"] == {"lr": 2, "1 - beta1": 4, "1 - beta2": 4, "eps": 0.5, "weight_decay": 2}
    assert (found["after"]["steps"], found["after"]["warmup"]) == (2500, 125)
    assert found["after"]["ema"] == pytest.approx(0.999**4)
    assert found["regime"] == "noise-dominated" and found["regime_test"]["verdict"] == "not measured"


def test_down_scaling():
    """kappa = 1/4 is the inverse rule, and back again."""
    down = data("adamw --batch 1024:256 --lr 6e-4 --betas 0.6 0.996 --weight-decay 0.2 --eps 5e-9")["after"]
    assert down["lr"] == pytest.approx(3e-4) and down["weight_decay"] == pytest.approx(0.1)
    assert down["betas"] == pytest.approx([0.9, 0.999]) and down["eps"] == pytest.approx(1e-8)


def test_too_large_a_batch_is_refused():
    """kappa = 16 with beta1 = 0.9: the largest kappa, and beta^kappa instead; 10 itself is allowed."""
    result = run("adamw --batch 256:4096 --betas 0.9 0.999")
    assert result.exit_code == 2
    assert "1 - kappa (1 - beta1) = -0.6 is outside [0, 1)" in result.output
    assert "the largest kappa is 1/(1 - beta1) = 10" in result.output and "beta1^kappa = 0.185302" in result.output
    power = data("adamw --batch 256:4096 --betas 0.9 0.999 --decays power")
    assert power["after"]["betas"] == [None, pytest.approx(0.984)]
    assert power["after"]["betas_power"] == pytest.approx([0.9**16, 0.999**16])
    assert "b1=0.1853" in power["optax"]
    assert data("adamw --batch 100:1000 --betas 0.9 0.999")["after"]["betas"][0] == 0


def test_zero_decay_and_rules_without_one():
    """Zero stays zero, and where a rule has no decay there is none."""
    found = data("adamw --batch 256:1024 --weight-decay 0")
    assert found["after"]["weight_decay"] == 0 and not [c for c in found["cautions"] if "lr wd" in c]
    assert data("adam --batch 256:1024")["after"]["weight_decay"] is None
    assert [name for name, _ in alternatives(scale("adamw", (1, 4), {"weight_decay": 0.0}))][-1] == "lr x 4 alone"


@pytest.mark.parametrize(
    ("line", "after", "torch", "optax"),
    [
        ("sgd --lr 0.1", {"lr": 0.4}, "torch.optim.SGD(params, lr=0.4)", "optax.sgd(learning_rate=0.4)"),
        (
            f"{MOMENTUM} --lr 0.1 --momentum 0.9",
            {"lr": 1.6, "betas": [0.6]},
            "torch.optim.SGD(params, lr=1.6, momentum=0.6)",
            "optax.sgd(learning_rate=1.6, momentum=0.6)",
        ),
        ("signsgd --lr 1e-3", {"lr": 2e-3}, None, "optax.sign_sgd(learning_rate=0.002)"),
        (
            f"{LION} --lr 1e-4 --weight-decay 0.1",
            {"lr": 2e-4, "betas": [0.9, 0.96], "weight_decay": 0.2},
            None,
            "optax.lion(learning_rate=0.0002, b1=0.9, b2=0.96, weight_decay=0.2)",
        ),
    ],
)
def test_other_optimizers(line, after, torch, optax):
    """SGD linearly, with momentum so that lr/(1 - beta) is linear, signs by the root."""
    found = data(f"{line} --batch 256:1024")
    for name, value in after.items():
        assert found["after"][name] == pytest.approx(value)
    assert (found["torch"], found["optax"]) == (torch, optax)


def test_signal_dominated():
    """Where noise is small lr is linear, eps and decay stay."""
    after = data(f"{ADAMW} --regime signal-dominated")["after"]
    assert after["lr"] == pytest.approx(1.2e-3) and (after["weight_decay"], after["eps"]) == (0.1, 1e-8)


def test_dialects_of_weight_decay():
    """MosaicML's decay is not multiplied by lr: it grows by kappa, for the same optimizer."""
    found = data("adamw --batch 256:1024 --lr 3e-4 --weight-decay 3e-5 --dialect mosaicml")
    assert found["after"]["weight_decay"] == pytest.approx(1.2e-4) and found["multipliers"]["weight_decay"] == 4
    assert found["torch"].startswith("composer.optim.DecoupledAdamW(") and "weight_decay=0.00012" in found["torch"]
    assert found["optax"].endswith("weight_decay=0.2)")
    one, other = (
        scale("adamw", (256, 1024), {"lr": 3e-4, "weight_decay": decay}, dialect=name)
        for name, decay in (("mosaicml", 3e-5), ("torch", 0.1))
    )
    assert one.rule_values(one.after) == pytest.approx(other.rule_values(other.after))


@pytest.mark.parametrize("name", ["adam_coupled", "sgd_coupled", "momentum"])
def test_a_decay_in_the_gradient_has_no_dialect(name):
    """g + wd x is a gradient of the loss in every library: nothing multiplies or divides it by lr."""
    line = f"{name} --batch 256:1024 --lr 3e-4 --weight-decay 0.1 --json"
    torch, mosaicml = (data(f"{line} --dialect {dialect}") for dialect in ("torch", "mosaicml"))
    assert mosaicml["after"] == torch["after"] and mosaicml["multipliers"] == torch["multipliers"]
    assert mosaicml["after"]["weight_decay"] == 0.1 and mosaicml["multipliers"]["weight_decay"] == 1
    found = scale(name, (256, 1024), {"lr": 3e-4, "weight_decay": 0.1}, dialect="mosaicml")
    assert found.rule_values(found.after)["weight_decay"] == 0.1 and not found.bare_decay
    text = run(f"{name} --batch 256:1024 --lr 3e-4 --weight-decay 0.1 --dialect mosaicml").stdout
    assert [line.split()[-5:] for line in text.splitlines() if "│ weight_decay" in line] == [["x", "1", "│", "0", "│"]]


def test_regime_from_gradient_statistics(tmp_path):
    """Three ways to give tr Sigma / |grad f|^2; a verdict for both batches; a caution where it differs."""
    file, trace, signal = tmp_path / "stats.json", 3000.0, 0.5
    for stats in (
        {"noise_scale": trace / signal},
        {"noise_trace": trace, "grad_norm_squared": signal},
        {
            "batch_small": 16,
            "norm_squared_small": signal + trace / 16,
            "batch_big": 512,
            "norm_squared_big": signal + trace / 512,
        },
    ):
        file.write_text(json.dumps(stats))
        test = data(f"sgd --batch 64:256 --grad-stats {file}")["regime_test"]
        assert test["noise_scale"] == pytest.approx(6000) and test["verdict"] == "noise-dominated"
        assert test["batch_over_noise_scale"] == pytest.approx([64 / 6000, 256 / 6000])
    between = data("sgd --batch 64:256 --noise-scale 200")
    assert between["regime_test"]["verdict"] == "between the regimes"
    assert any("measured: between the regimes" in caution for caution in between["cautions"])
    assert data("sgd --batch 64:256 --noise-scale 2")["regime_test"]["verdict"] == "signal-dominated"


def test_regime_with_an_interval(tmp_path):
    """As `adasde noise` writes it: null is infinite, and an interval over two regimes leaves the verdict open."""
    file = tmp_path / "stats.json"
    file.write_text(json.dumps({"noise_scale": {"value": None, "low": 9000.0, "high": None}}))
    found = data(f"sgd --batch 64:256 --grad-stats {file}")
    assert found["regime_test"] == {
        "noise_scale": None,
        "interval": [9000.0, None],
        "batch_over_noise_scale": [0.0, 0.0],
        "verdict": "noise-dominated",
    }
    assert not any("noise scale" in caution for caution in found["cautions"])
    text = " ".join(run(f"sgd --batch 64:256 --grad-stats {file}").stdout.split())
    assert "noise-dominated; noise scale infinitely many [9000, infinitely many] samples" in text
    file.write_text(json.dumps({"noise_scale": {"value": 6000.0, "low": 300.0, "high": None}}))
    cautions = data(f"sgd --batch 64:256 --grad-stats {file}")["cautions"]
    assert any("reaches from between the regimes to noise-dominated" in caution for caution in cautions)


@pytest.mark.parametrize(
    ("stats", "code", "message"),
    [
        (None, 3, "no file"),
        ("nonsense", 2, "outside the JSON files"),
        ("[1]", 2, "outside the JSON objects"),
        ('{"noise_trace": 1}', 2, "give one of these three sets"),
        ('{"noise_scale": 0}', 2, "noise_scale = 0 is outside (0, inf)"),
        ('{"noise_scale": {"value": 9, "low": 3}}', 2, "high is missing"),
        ('{"noise_scale": {"value": 9, "low": 8, "high": 7}}', 2, "high = 7"),
        ('{"noise_scale": {"value": -1, "low": 8, "high": 9}}', 2, "value = -1 is outside (0, inf)"),
        ('{"format": "adasde grad-stats 9", "noise_scale": 5}', 2, "of this version"),
        (
            '{"batch_small": 8, "norm_squared_small": 1, "batch_big": 64, "norm_squared_big": 2}',
            2,
            "average the norms over more batches",
        ),
        ('{"batch_small": 8, "norm_squared_small": 2, "batch_big": 8, "norm_squared_big": 1}', 2, "the larger of the"),
    ],
)
def test_bad_gradient_statistics(tmp_path, stats, code, message):
    file = tmp_path / "stats.json"
    if stats is not None:
        file.write_text(stats)
    result = run(f"sgd --batch 64:256 --grad-stats {file}")
    assert result.exit_code == code and message in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("sgd --batch 256", "outside the form OLD:NEW"),
        ("sgd --batch 0:4", "outside the form OLD:NEW"),
        ("sgd --batch 1:4 --beta1 0.9", "sgd: hyperparameter"),
        ("adamw --batch 1:4 --betas 0.9 1.0", "beta2 = 1.0 is outside [0, 1)"),
        ("adamw --batch 1:4 --betas 0.9 0.99 --beta1 0.9", "give each decay once"),
        ("adamw --batch 1:4 --lr 0", "lr = 0.0 is outside (0, inf)"),
        ("adamw --batch 1:4 --ema 1", "model EMA: decay = 1.0 is outside [0, 1)"),
        ("adamw --batch 1:4 --set c", "the form NAME=VALUE"),
        ("adamw --batch 1:4 --noise-scale 3 --grad-stats x", "give one of the two"),
        ("FILE:scaled --batch 1:4 --check", "not proportional to a weak gradient"),
    ],
)
def test_refusals(tmp_path, line, message):
    (tmp_path / "scaled.py").write_text(
        "from adasde.derive.language import decay, eta, g, m, sign, sqrt, update_rule, v, x\n\n\n"
        '@update_rule(states=(x, m, v), nonnegative=(v,), dialect="paper", cite="nobody")\n'
        "def scaled(beta1=decay(1, 0.9), beta2=decay(2, 0.99)):\n"
        '    """A sign times the size of the gradients: two averages, of which one is the step."""\n'
        "    m1, v1 = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2\n"
        "    return {x: x - eta * sqrt(v1) * sign(m1), m: m1, v: v1}\n"
    )
    result = run(line.replace("FILE", str(tmp_path / "scaled.py")))
    assert result.exit_code == 2 and message in " ".join(result.output.split())


def test_a_rule_without_an_answer_says_so(tmp_path):
    """Exit code 2 with the two terms that no power of kappa reconciles."""
    file = tmp_path / "mixed.py"
    file.write_text(
        "from adasde.derive.language import eta, g, sign, update_rule, x\n\n\n"
        '@update_rule(states=(x,), dialect="paper", cite="nobody")\ndef mixed():\n'
        '    """Gradient and sign."""\n    return {x: x - eta * (g + sign(g))}\n'
    )
    result = run(f"{file}:mixed --batch 1:4")
    assert result.exit_code == 2 and "no scaling rule exists" in result.output


def test_as_text():
    """Table, invariants, regime, cautions and lines to paste."""
    result = run(f"{ADAMW} --steps 10000")
    assert result.exit_code == 0
    for words in (
        "kappa = 4, noise-dominated",
        "0.6 (or 0.6561)",
        "drift of m: G*d1, -d1*m",
        "variance of v: 2*d2**2*s**4 (grows like kappa^1)",
        "Regime test: not measured",
        "the momentum window 1/(1 - beta1) is 2.5 steps, under three",
        "lr wd = 0.00012 vanishes in bfloat16",
        "torch: torch.optim.AdamW(params, lr=0.0006, betas=(0.6, 0.996), eps=5e-09, weight_decay=0.2)",
    ):
        assert words in result.stdout
    assert "float32" not in result.stdout


def test_the_check_can_fail():
    """SGD whose learning rate is left alone is off; the linear rule is not. Seconds, fixed seeds."""
    found = scale("sgd", (256, 1024), {"lr": 0.1})
    assert measure(found, "sgd").verdict == "holds"
    idle = dataclasses.replace(found, after=found.before)
    measured = measure(idle, "sgd")
    assert measured.verdict == "fails" and measured.rows[0].deviation[-1] > 0.5
    few = measure(found, "sgd", paths=20)
    assert few.verdict == "undecided"


def test_the_check_in_the_text(tmp_path):
    """Table and verdict, exit code 1 where too few paths decide nothing."""
    result = run("signsgd --batch 16:64 --lr 1e-3 --check --paths 20")
    assert result.exit_code == 1 and "Undecided: an interval straddles 5%" in result.stdout
    assert "lr x 4 alone" in result.stdout and "100% of samples" in result.stdout


def test_averages_that_fluctuate():
    """Signum's slope is that of erf(mean/(sqrt 2 std)) for an average of std s sqrt(d1/2); Lion's linear slope loses
    1 - 1/sqrt(1 + w^2), w = beta1 sqrt(d2/2)/(1 - beta1), and a caution says so; AdamW is linear in its average."""
    signum = scale(SIGNUM, (1, 4), {"lr": 1e-3, "beta1": 0.99})
    found = smoothed_slope(signum, signum.before, 2.0)
    assert found == pytest.approx(1e-3 * np.sqrt(2 / np.pi) / (2.0 * np.sqrt(0.01 / 2)), rel=1e-4)
    assert linear_share(signum, signum.before, 2.0) is None
    lion = scale(LION, (1, 4), {"lr": 1e-3, "beta1": 0.9, "beta2": 0.99})
    for values, d2 in ((lion.before, 0.01), (lion.after, 0.04)):
        w = 0.9 * np.sqrt(d2 / 2) / 0.1
        assert linear_share(lion, values, 1.0) == pytest.approx(1 / np.sqrt(1 + w**2), rel=1e-4)
    assert any("off by 16% at the old batch and 38% at the new one" in caution for caution in lion.cautions)
    assert not any("first order" in caution for caution in scale("adamw", (1, 4), {}, decays="power").cautions)


@pytest.mark.parametrize("regime", ["noise-dominated", "signal-dominated"])
@pytest.mark.parametrize("optimizer", ["sgd", "signsgd", "rmsprop", "adamw", MOMENTUM, LION])
def test_problems_are_in_their_regime(optimizer, regime):
    """|grad f| over the noise at the start, at both batches: below 0.1, or above 10."""
    found = scale(optimizer, (256, 1024), {"lr": 1e-3}, regime=regime)
    problem = problem_for(found)
    ratios = [problem.curvature * problem.start / problem.scale * np.sqrt(batch) for batch in found.batch]
    assert max(ratios) < 0.1 if regime == "noise-dominated" else min(ratios) > 10


@pytest.mark.parametrize(("optimizer", "share"), [("adam_coupled", 2 / 3), ("sgd_coupled", 0.24), ("momentum", 2 / 3)])
def test_a_decay_in_the_gradient_is_curvature(optimizer, share):
    """lambda x in the gradient pulls like curvature lambda, two thirds of the whole where the run is long enough: the
    mean position falls by 1/e of itself in it, neither by far less nor in a few steps."""
    found = scale(optimizer, (256, 1024), {"weight_decay": 0.01})
    problem = problem_for(found)
    speed = linear_speed(found, found.before, problem.scale / 16)
    whole = problem.curvature + 0.01
    assert 0.01 / whole == pytest.approx(share, rel=0.02)
    assert speed * whole * problem.steps[0] == pytest.approx(1, rel=0.02)
    assert "weight_decay is added to the gradient, a part of the loss: it is left as it is" in found.cautions
    assert not any("does nothing" in caution for caution in found.cautions)
    assert "the rule, weight decay kept" not in dict(alternatives(found))


def test_lines_run_in_torch():
    """Every torch line builds the optimizer that it names."""
    torch = pytest.importorskip("torch")
    values = {"lr": 0.1, "beta1": 0.8, "beta2": 0.97, "eps": 1e-7, "weight_decay": 0.02}
    for name in TORCH:
        rule = rule_of(MOMENTUM if name == "momentum" else name)
        assert library_name(rule) == name
        line = torch_line(rule, values, DIALECTS[0])
        built = eval(line, {"torch": torch, "params": [torch.nn.Parameter(torch.zeros(2))]})
        assert built.defaults["lr"] == 0.1


def test_lines_run_in_optax():
    """Every optax line makes a transformation."""
    optax = pytest.importorskip("optax")
    values = {"lr": 0.1, "beta1": 0.8, "beta2": 0.97, "eps": 1e-7, "weight_decay": 0.02}
    files = {"momentum": MOMENTUM, "lion": LION, "signum": SIGNUM}
    for name in OPTAX:
        line = optax_line(rule_of(files.get(name, name)), values)
        update = eval(line, {"optax": optax})
        assert np.isfinite(update.update(np.ones(2), update.init(np.ones(2)), np.ones(2))[0]).all()


def test_a_name_does_not_make_the_optimizer(tmp_path):
    """A rule called adamw that is not AdamW gets no line of a library."""
    file = tmp_path / "adamw.py"
    file.write_text(
        "from adasde.derive.language import eta, g, update_rule, x\n\n\n"
        '@update_rule(states=(x,), dialect="paper", cite="nobody")\ndef adamw():\n'
        '    """SGD at twice the rate."""\n    return {x: x - 2 * eta * g}\n'
    )
    found = data(f"{file}:adamw --batch 1:4")
    assert found["torch"] is None and found["optax"] is None
    with pytest.raises(InvalidParameter, match="dialect"):
        scale("adamw", (1, 4), {}, dialect="jax")
