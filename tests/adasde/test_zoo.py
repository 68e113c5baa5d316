"""The shipped rules: what each has, what is refused and why, and that a rule in one file gets everything."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import adasde.derive.optimizers as shipped
from adasde import NoModel, UnknownName, optimizers, rule_table, scaling_table, simulate
from adasde.cli import main
from adasde.cli.catalog_tables import by_reason
from adasde.derive.averaging import averaged
from adasde.derive.expansion import MODELS, derive
from adasde.derive.language import eta, g, hyperparameter, k, state, update_rule, x
from adasde.derive.law import NotDerivable
from adasde.derive.notation import G, s, t
from adasde.derive.optimizers import CHECKED_IN, registry
from adasde.derive.scaling import scaling_rule
from adasde.noise import parse_noise
from adasde.scaling_table import scaling_row
from adasde.verify import moments, rule_orders
from adasde.verify.orders import verdict
from adasde.verify.setting import setting

SETTING = {"loss": "quadratic:1,2", "noise": "gaussian:0.5", "steps": 60, "paths": 2048, "save": 2}
ROWS = rule_table.table()
REFUSED = {
    "adagrad": "the state v is a sum, to which a step adds",
    "adagrad_optax": "the state v is a sum, to which a step adds",
    "adamax": r"the state peak is a running maximum, Max\(beta2\*peak, eps \+ Abs\(g\)\)",
    "admeta_r": "every 6 steps are treated apart",
    "admeta_s": "every 6 steps are treated apart",
    "adopt": r"it contains k\*\*\(1/4\), which at a fixed time",
    "adopt_optax": r"it contains \(k - 1\)\*\*\(1/4\), which at a fixed time",
    "amsgrad": "the state top is a running maximum",
    "amsgrad_optax": "the state top is a running maximum",
    "diffgrad": "the state previous is new in every step, g",
    "momentum": "the state m is a sum, to which a step adds",
    "nadam": r"it contains \(24/25\)\*\*\(k\*momentum_decay\), which at a fixed time",
    "nesterov": "the state m is a sum, to which a step adds",
    "sgdw": "the state m is a sum, to which a step adds g",
}
"""Rules of one gradient in one coordinate without any SDE, with the reason."""
COUPLED = {
    "the largest entries of a vector": ("ef_top_k", "rand_k"),
    "the orthogonal factor of a matrix": ("muon", "muon_optax"),
    "a sum over coordinates (a norm) of what is random": (
        *("dp_sgd", "dp_signsgd", "ef_signsgd", "ef_sto_sign", "lamb", "lars", "normalized_sgd", "qsgd", "sam"),
        *("sgd_clip_norm", "lamb_clamped", "lars_summed"),
    ),
}
"""Rules without any SDE because of what couples their coordinates."""
ORDER_ONE = {
    "as eta -> 0 the increment of x contains sign(m), and no noise of order one smooths it": ("signum", "tiger"),
    "contains Max(-clip, Min(clip, m/P)), and no noise of order one smooths it": ("adam_clipped",),
    "a gradient elsewhere is expanded to first order": ("extragradient", "sam_elementwise", "shgd", "usam"),
    "noise of size sqrt(eta) makes the covariance of order one": ("sgld", "sgld_anisotropic"),
    "averaged out, it leaves a model of order one": ("adan", "adan_optax", "sigsigngrad", "tanhsigngrad"),
}
"""Rules with an SDE of order one only, by the reason why there is no other."""


pytestmark = pytest.mark.usefixtures("own_cache")


def stdout(*arguments):
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("name", REFUSED)
def test_rules_without_an_sde_say_why(name):
    """Running maxima, sums, memories of one step, powers of k and lookahead are refused by name at both orders; the
    command line says the same, and the optimizer itself runs nevertheless."""
    for order in (1, 2):
        with pytest.raises(NotDerivable, match=REFUSED[name]):
            derive(registry()[name], order=order)
    assert ROWS[name].models == {"algorithm": None} and set(ROWS[name].refused) == {"sde", "order2"}


def test_a_refusal_reaches_the_user():
    """`derive` exits with code 2 and the reason; `simulate` has the same for the SDE."""
    result = CliRunner().invoke(main, ["derive", "adamax"])
    assert result.exit_code == 2 and "running maximum" in result.output
    with pytest.raises(NoModel, match="the state v is a sum"):
        simulate("adagrad_optax", "sde", lr=0.01, **SETTING)
    with pytest.raises(UnknownName, match="did you mean 'adabelief'"):
        simulate("adabelif", lr=0.01, **SETTING)


def test_the_table_says_what_each_rule_has():
    """Every rule is in the table under its own digest; it has both models, or is in one of the lists above."""
    assert set(ROWS) == set(registry()) and len(ROWS) >= 78
    coupled, once = ({name for names in reasons.values() for name in names} for reasons in (COUPLED, ORDER_ONE))
    for name, rule in registry().items():
        assert ROWS[name].digest == rule_table.digest(rule), f"{name} changed: run {rule_orders.COMMAND} {name}"
        expected = () if name in {*REFUSED, *coupled} else ("sde",) if name in once else ("sde", "order2")
        assert tuple(model for model in ("sde", "order2") if model in ROWS[name].models) == expected
    for reasons, model in ((COUPLED, "sde"), (ORDER_ONE, "order2")):
        for reason, names in reasons.items():
            assert all(reason in ROWS[name].refused[model] for name in names)


def test_every_derived_model_has_its_weak_order():
    """Measured within 0.15 of 1 and 2 for every model on record, by one step and over a fixed time, where the interval
    counts; a model that missed would fail this."""
    for row in ROWS.values():
        assert set(row.measured) == set(row.models) - {"algorithm", "compagnoni2025", "malladi2022"} and row.holds
        assert set(row.over_time) == set(row.measured)
        for model, found in row.over_time.items():
            slope = math.log2(found.errors[0] / found.errors[1])
            assert found.etas[0] == 2 * found.etas[1] and found.order == pytest.approx(slope, abs=2e-3)
            assert found.verdict == verdict(found.order, found.uncertainty, row.models[model])
            assert abs(found.order - row.models[model]) + found.uncertainty <= 0.15
    wrong = rule_table.RuleOrders("toy", {"algorithm": None, "order2": 2}, {}, {"order2": 1.02}, "")
    assert not wrong.holds
    missed = dataclasses.replace(ROWS["sgd"].over_time["order2"], order=1.0, verdict="fails")
    row = dataclasses.replace(ROWS["sgd"], over_time={"order2": missed})
    page = rule_orders.page(ROWS | {"sgd": row})
    assert not row.holds and "**fails**" in page and "; `sgd` order2 fails." in page


@pytest.mark.parametrize("name", ["sgd_averaged", "usam", "signum", "heavy_ball"])
def test_orders_over_time_are_those_of_todays_models(name):
    """The digests of the equations."""
    orders = {model: order for order, model in MODELS.items()}
    for model, found in ROWS[name].over_time.items():
        assert found.digest == derive(registry()[name], order=orders[model]).sde.digest, (
            f"run {rule_orders.COMMAND} {name}"
        )


def test_what_the_table_lacks_is_measured_again():
    """A rule that changed, one without its order over a fixed time, and one that is not there."""
    assert rule_orders.missing(ROWS) == []
    changed = dataclasses.replace(ROWS["usam"], digest="another")
    lacking = dataclasses.replace(ROWS["svag"], over_time={})
    rows = {name: row for name, row in ROWS.items() if name != "tiger"} | {"usam": changed, "svag": lacking}
    assert set(rule_orders.missing(rows)) == {"usam", "svag", "tiger"}


def test_orders_over_time_are_reproduced():
    """Measured afresh: deterministic."""
    (found,) = rule_orders.measured_over_time(registry()["usam"]).values()
    committed = ROWS["usam"].over_time["sde"]
    assert found.errors == pytest.approx(committed.errors, rel=1e-3) and found.etas == committed.etas
    assert (found.verdict, found.method, found.digest) == (committed.verdict, committed.method, committed.digest)


@pytest.mark.parametrize(("name", "model", "order"), [("ema_momentum", "order2", 2), ("schedule_free_sgd", "sde", 1)])
def test_the_table_is_reproduced(name, model, order):
    """Measured afresh: deterministic."""
    assert rule_orders.measured_order(name, model, order) == pytest.approx(ROWS[name].measured[model], abs=2e-3)


@pytest.mark.parametrize("name", ["adagrad", "adamax", "signum", "schedule_free_sgd", "sgd_averaged"])
def test_the_table_has_the_reasons_of_today(name):
    """Models and reasons as the derivation gives them now."""
    assert rule_orders.models(registry()[name]) == (ROWS[name].models, ROWS[name].refused)


def test_the_page_is_the_table():
    """docs/rules.md is what the table gives."""
    assert rule_orders.PAGE.read_text(encoding="utf-8") == rule_orders.page(ROWS)


def test_the_list_groups_optimizers_by_reason(monkeypatch):
    """Every optimizer once, those without a model under the first clause of its reason; nothing is derived for it."""

    def never(rule):
        raise AssertionError(f"{rule.name} is derived for a list")

    monkeypatch.setattr(rule_orders, "models", never)
    text, data = stdout("list"), json.loads(stdout("list", "--json"))["optimizers"]
    lines = text.splitlines()
    assert all(sum(line.startswith(f" {name} ") for line in lines) == 1 for name in registry())
    without = {name: facts for name, facts in data.items() if "sde" not in facts["models"]}
    groups = by_reason(without, "sde")
    assert groups.keys() >= {"a state is a sum", "a state is a running maximum", *COUPLED} and len(groups) <= 9
    assert sorted(name for members in groups.values() for name in members) == sorted(without)
    for reason, members in groups.items():
        first = lines.index(f"no sde: {reason}") + 1
        assert lines[first].split()[0] in members and max(map(len, lines[first - 1 : first + 1])) <= 160
    assert f"{len(without)} optimizers without an SDE" in text


def test_differences_are_derivatives(monkeypatch):
    """L L u by differences in fifty digits against sympy's derivatives, on SignSGD's error functions and Gaussians."""
    about = setting("signsgd", "order2", parse_noise("gaussian:1"), optimizers.hyperparameters("signsgd", {}))
    values = about.values | {"lr": 2.0**-7}
    by_differences = moments.expansion_of_order_two(about, [x**2], values, {})
    monkeypatch.setattr(moments, "MPMATH", ())
    assert moments.expansion_of_order_two(about, [x**2], values, {}) == pytest.approx(by_differences, rel=1e-14)


def test_schedule_free_has_the_limit_of_the_notes():
    """dz = -G dt + noise, and y = (1 - b) z + b x with dx = (z - x)/t dt: dy = ((z - y)/t - (1 - b) G) dt + noise."""
    sde = derive(registry()["schedule_free_sgd"]).sde
    y, z = sde.states
    share = registry()["schedule_free_sgd"].hyperparameters[1].symbol
    assert (sde.full_drift[0] - ((z - y) / t - (1 - share) * G)).expand() == 0 and sde.full_drift[1] == -G
    assert (sde.full_covariance[0, 0] - eta * (1 - share) ** 2 * s**2).expand() == 0 and sde.singular


def test_an_average_has_no_noise_of_its_own():
    """averaged(rule): one state more, d average = rho_a (x - average) dt."""
    sde = derive(averaged(registry()["ema_momentum"])).sde
    average = sde.states[-1]
    assert str(average) == "average" and (sde.full_drift[2] - (x - average) * sde.full_drift[2].diff(x)).expand() == 0
    assert not any(sde.full_diffusion.row(2)) and sde.full_drift[2].free_symbols == {
        x,
        average,
        *sde.full_drift[2].diff(x).free_symbols,
    }


@pytest.mark.parametrize(
    ("name", "powers"),
    [
        ("adabelief", {"lr": "1/2", "beta1": "1", "beta2": "1", "eps": "-1/2", "floor": "-1"}),
        ("adagrad", {"lr": "0", "eps": "-1", "weight_decay": "0"}),
        ("schedule_free_sgd", {"lr": "1", "beta1": "0"}),
        ("sgd_averaged", {"lr": "1", "ema": "1"}),
        ("dp_sign", {"lr": "1/2", "privacy_noise": "-1/2"}),
        ("adam_clipped", {"lr": "1/2", "beta1": "1", "clip": "0", "eps": "-1/2"}),
        ("signsgd_majority", {"lr": "1/2", "agents": "0"}),
        ("sgld", {"lr": "1", "temperature": "0"}),
        ("amsgrad", None),
        ("sigsigngrad", None),
        ("usam", None),
        ("lamb", None),
    ],
)
def test_scaling_rules_of_the_zoo(name, powers):
    """A rule's powers, or none with the reason."""
    row = scaling_row(name)
    assert row.powers == powers and bool(row.reason) == (powers is None)


def test_scaling_rules_say_what_they_cannot_compare():
    """Gradients elsewhere and sums over coordinates always, noise of the rule's own where the signal dominates."""
    for name, reason in (("usam", "a gradient at another point besides"), ("lamb", r"total\(x\*\*2\) besides")):
        with pytest.raises(NotDerivable, match=f"^{name}: one step .* in one coordinate and at one point.*{reason}"):
            scaling_rule(registry()[name])
    with pytest.raises(NotDerivable, match="dp_sign: noise besides that of one minibatch"):
        scaling_rule(registry()["dp_sign"], "signal-dominated")


def test_the_committed_scaling_table():
    """docs/scaling.md is its table, with a row for each rule. What was tried holds, but for Lion at its defaults, where
    the momentum has as much noise as the gradient's share has; it is not small there, as the derivation takes it to be.
    """
    rows = scaling_table.stored()
    assert set(rows) == set(registry()) and scaling_table.PAGE.read_text(encoding="utf-8") == scaling_table.page(rows)
    assert all(rows[name].dialect == rule.dialect for name, rule in registry().items())
    tried = {name: row.verdict for name, row in rows.items() if row.deviation is not None}
    assert len(tried) >= 33 and {name for name, verdict in tried.items() if verdict != "holds"} == {"lion"}
    for name in ("adagrad", "sgdw", "adamax"):
        fresh, row = scaling_row(name), rows[name]
        assert (row.powers, row.undetermined, row.lost, row.reason) == (
            fresh.powers,
            fresh.undetermined,
            fresh.lost,
            fresh.reason,
        )


def test_scaling_table(monkeypatch):
    """One row for each rule, as table and as JSON; --all takes no optimizer."""
    few = {name: registry()[name] for name in ("adamax", "sgd", "lion")}
    monkeypatch.setattr("adasde.scaling_table.registry", lambda: few)
    text, data = stdout("scaling-rule", "--all"), json.loads(stdout("scaling-rule", "--all", "--json"))
    assert "2 of 3 optimizers have a scaling rule" in text and "running maximum" in text
    assert {row["optimizer"]: row["powers"] is not None for row in data} == {"adamax": False, "sgd": True, "lion": True}
    assert CliRunner().invoke(main, ["scaling-rule", "--all", "sgd"]).exit_code == 2
    assert CliRunner().invoke(main, ["scaling-rule", "sgd"]).exit_code == 2


NEW = '''"""A rule that nobody has written."""
from adasde.derive.language import coupled_decay, decay, eta, first_step, g, m, state, update_rule, x

echo = state("echo", like=m)

@update_rule(states=(x, m, echo), dialect="paper", cite="none", initial={m: 0.25}, lr=0.02)
def echoing(beta1=decay(1, 0.9), beta2=decay(2, 0.8)):
    """Echo: two averages of the gradient, of which the second one starts at the first gradient."""
    m_next = beta1 * m + (1 - beta1) * g
    echo_next = first_step(g, beta2 * echo + (1 - beta2) * g)
    return {x: x - eta * (m_next + echo_next) / 2, m: m_next, echo: echo_next}
'''


@pytest.fixture
def one_more_rule(tmp_path, monkeypatch):
    """The registry with one more file in its folder."""
    (tmp_path / "echoing.py").write_text(NEW)
    monkeypatch.setattr(shipped, "__path__", [*shipped.__path__, str(tmp_path)])
    registry.cache_clear()
    yield "echoing"
    monkeypatch.undo()
    registry.cache_clear()


def test_a_rule_in_one_file_gets_everything(one_more_rule):
    """List, derivation as text and LaTeX, both models, kernels, ensembles, a scaling rule and its weak order."""
    name = one_more_rule
    facts = json.loads(stdout("list", "--json"))["optimizers"][name]
    assert facts["models"] == ["algorithm", "sde", "order2"] and facts["states"] == ["x", "m", "echo"]
    assert facts["hyperparameters"] == {"lr": 0.02, "beta1": 0.9, "beta2": 0.8}
    assert "the branch of the first steps is left out" in stdout("derive", name)
    assert r"\end{document}" in stdout("derive", name, "--format", "latex")
    assert name not in optimizers.names() and name in optimizers.shipped()
    module = optimizers.kernels(name)
    assert module.INITIAL == {"m": 0.25} and "(g if c" in Path(module.__file__).read_text()
    exact, sde = (simulate(name, model, lr=0.005, **SETTING) for model in ("algorithm", "sde"))
    error = np.hypot(exact.loss_se[-1], sde.loss_se[-1])
    assert abs(exact.loss_mean[-1] - sde.loss_mean[-1]) < 4 * error + 0.05 * exact.loss_mean[-1]
    assert scaling_rule(registry()[name]).powers == {"lr": 1, "beta1": 1, "beta2": 1}
    assert rule_orders.measured_order(name, "sde", 1) == pytest.approx(1, abs=0.15)


def test_the_registry_forgets_it_again():
    """Without the file there is no such rule."""
    assert "echoing" not in registry() and set(CHECKED_IN) < set(registry())


def test_states_and_initial_values_are_checked():
    """A state's name must be free, and what has an initial value must be a state."""
    for taken in ("g", "eta", "a1", "mu", "state"):
        with pytest.raises(ValueError, match="names that are free"):
            state(taken, like=x)
    with pytest.raises(ValueError, match="has an initial value, but is no state"):
        update_rule(states=(x,), dialect="paper", cite="-", initial={k: 1.0})(lambda: {x: x - eta * g})
    assert hyperparameter("c", 1.0, "(0, inf)").symbol.is_positive
