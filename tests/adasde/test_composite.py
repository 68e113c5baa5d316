"""Rules beyond one coordinate and one gradient: own draws, further minibatches, workers, norms, games."""

import dataclasses
from functools import cache

import numpy as np
import pytest
import sympy as sp
from click.testing import CliRunner
from scipy import special, stats

from adasde import InvalidParameter, NoModel, optimizers, simulate
from adasde.cli import main
from adasde.derive.expansion import derive
from adasde.derive.functions import vote, vote_slope
from adasde.derive.law import NotDerivable
from adasde.derive.noise import Gaussian, StudentT
from adasde.derive.notation import G, H, eta, s, x
from adasde.derive.operations import OWN_LAWS, is_composite
from adasde.derive.rule import UpdateRule
from adasde.kernels.votes import vote as vote_kernel
from adasde.kernels.votes import vote_error as vote_error_kernel
from adasde.losses import Game, Quadratic
from adasde.noise import gaussian, parse_noise
from adasde.plan import plan
from adasde.rules import rule_of
from adasde.verify import staged, votes
from adasde.verify.moments import POINT, after_step, expansion_of_order_two, one_step
from adasde.verify.setting import setting

RULES = (
    *("sto_sign", "dp_sign", "sgld", "sgld_anisotropic", "sgd_random_scaling"),
    *("sgd_clip_value", "sgd_clip_norm", "normalized_sgd"),
    *("signsgd_mean", "signsgd_majority", "sto_sign_majority"),
    *("usam", "sam", "sam_elementwise", "extragradient", "svag"),
    *("lars", "lamb", "lars_summed", "lamb_clamped"),
    *("dp_sgd", "dp_signsgd"),
    *("rand_k", "sparsified_sgd", "qsgd", "ef_top_k", "ef_signsgd", "ef_sto_sign"),
    *("shgd", "muon", "muon_optax", "adam_clipped"),
)
COUPLED = ("sgd_clip_norm", "normalized_sgd", "sam", "lars", "lamb", "dp_sgd", "dp_signsgd", "rand_k", "qsgd", "muon")
COUPLED += ("muon_optax", "lars_summed", "lamb_clamped")
CLIPPED = pytest.param("adam_clipped", marks=pytest.mark.slow)
BOUND, SIGMA = sp.symbols("bound privacy_noise", positive=True)


pytestmark = pytest.mark.usefixtures("own_cache")


def rule(name: str) -> UpdateRule:
    return rule_of(name)


def final(name, loss, noise, steps=1, paths=4096, lr=0.05, x0=None, **hyperparameters):
    """States (n, d, L) of the optimizer after some steps."""
    run = plan(name, "algorithm", loss, noise, steps, paths, 3, 1, None, 2, x0, None, {"lr": lr, **hyperparameters})
    return run.started(0, paths, run.saves, steps)[0]


# Derivation


def test_dp_sign_is_a_sign_with_both_variances():
    """E sign(g + sigma N) = erf(f'/sqrt(2 (s^2 + sigma^2))), and the covariance of a sign."""
    sde = derive(rule("dp_sign")).sde
    mu = sp.erf(G / sp.sqrt(2 * (s**2 + SIGMA**2)))
    assert sp.simplify(sde.full_drift[0] + mu) == 0
    assert sp.simplify(sde.full_covariance[0, 0] - eta * (1 - mu**2)) == 0


@pytest.mark.parametrize("name", ["sto_sign", "sgd_clip_value"])
def test_a_clip_has_the_smooth_mean_that_is_known(name):
    """E clip(g, -c, c) = f' [Phi(b) - Phi(a)] + s [phi(a) - phi(b)] - c Phi(a) + c (1 - Phi(b)), and a stochastic sign
    is the clip over its bound."""
    model = derive(rule(name)).sde
    c = BOUND if name == "sto_sign" else sp.Symbol("clip", positive=True)
    rng = np.random.default_rng(1)
    for slope, width, limit in rng.uniform(0.2, 2.0, (5, 3)):
        a, b = (-limit - slope) / width, (limit - slope) / width
        cdf, pdf = stats.norm.cdf, stats.norm.pdf
        mean = slope * (cdf(b) - cdf(a)) + width * (pdf(a) - pdf(b)) - limit * cdf(a) + limit * (1 - cdf(b))
        found = float(model.full_drift[0].subs({G: slope, s: width, c: limit}))
        assert found == pytest.approx(-mean / (limit if name == "sto_sign" else 1), rel=1e-12)


def test_gradient_noise_inside_the_bound_drops_out_of_a_stochastic_sign():
    """For noise that stays inside: E = f'/b, Var = 1 - (f'/b)^2, whatever the noise."""
    from adasde.derive.atomic import Rademacher

    sde = derive(rule("sto_sign"), Rademacher()).sde
    at = {G: 0.3, s: 0.4, BOUND: 1.0, eta: 1.0}
    assert float(sde.full_drift[0].subs(at)) == pytest.approx(-0.3, rel=1e-14)
    assert float(sde.full_covariance[0, 0].subs(at)) == pytest.approx(1 - 0.3**2, rel=1e-14)


def test_a_vote_is_the_binomial_law():
    """vote(mu, n) and its slope, symbolic and compiled, against 2 P[Bin(n, p) > n/2] - 1."""
    for n in (1, 3, 5, 21):
        for mu in (-0.999, -0.3, 0.0, 0.7):
            exact = 2 * stats.binom.sf(n // 2, n, (1 + mu) / 2) - 1
            assert float(vote(sp.Float(mu), sp.Integer(n))) == pytest.approx(exact, abs=1e-14)
            assert vote_kernel(mu, n) == pytest.approx(exact, abs=1e-14)
            less = stats.binom.sf(n // 2, n, (1 - abs(mu)) / 2)
            assert vote_error_kernel((1 - abs(mu)) / 2, n) == pytest.approx(less, rel=1e-12)
            difference = (vote_kernel(mu + 1e-6, n) - vote_kernel(mu - 1e-6, n)) / 2e-6
            assert float(vote_slope(sp.Float(mu), sp.Integer(n))) == pytest.approx(difference, abs=1e-7)
    with pytest.raises(NotDerivable, match="even number can tie"):
        vote(sp.Symbol("mu"), sp.Integer(4))


def test_sam_and_extragradient_have_the_published_terms():
    """USAM: drift -f' - rho f'' f', variance eta s^2 (1 + 2 rho f'' + O(rho^2)); SAM in one dimension; SEG: Sigma and
    rho (S + S^T), which vanishes for independent minibatches and additive noise."""
    rho = sp.Symbol("rho", nonnegative=True)

    def to_first_order(expression: sp.Expr) -> sp.Expr:
        return sp.series(sp.expand(expression), rho, 0, 2).removeO()

    usam, sam, seg = (derive(rule(name)).sde for name in ("usam", "sam_elementwise", "extragradient"))
    assert sp.expand(usam.full_drift[0] + G + rho * H * G) == 0
    assert sp.expand(to_first_order(usam.full_covariance[0, 0]) - eta * s**2 * (1 + 2 * rho * H)) == 0
    assert sp.expand(sam.full_drift[0] + G + rho * H * sp.erf(G / (sp.sqrt(2) * s))) == 0
    cross = 2 * rho * H * s * sp.sqrt(2 / sp.pi) * sp.exp(-(G**2) / (2 * s**2))
    assert sp.simplify(to_first_order(sam.full_covariance[0, 0]) - eta * (s**2 + cross)) == 0
    assert sp.expand(seg.full_drift[0] + G - rho * H * G) == 0
    assert sp.expand(seg.full_covariance[0, 0] - eta * s**2 * (1 + rho**2 * H**2)) == 0


def test_svag_has_l_times_the_variance_of_sgd():
    """At a learning rate eta/l: drift -f'/l and variance eta s^2/l, so l steps are one of SGD in both."""
    sde, l = derive(rule("svag")).sde, sp.Symbol("l", positive=True)
    assert sp.simplify(sde.full_drift[0] + G / l) == 0
    assert sp.simplify(sde.full_covariance[0, 0] - eta * s**2 / l) == 0


def test_langevin_noise_keeps_its_size():
    """SGLD: dx = -f' dt + sqrt(2 T + eta s^2) dW; the anisotropic one has the root of the gradient's covariance."""
    temperature = sp.Symbol("temperature", positive=True)
    sde = derive(rule("sgld"), StudentT(sp.Integer(5))).sde
    assert sp.simplify(sde.full_covariance[0, 0] - 2 * temperature - eta * s**2 * sp.Rational(5, 3)) == 0
    with pytest.raises(NotDerivable, match="third derivatives"):
        derive(rule("sgld"), Gaussian(), 2)


@pytest.mark.parametrize("name", COUPLED)
def test_what_couples_coordinates_is_refused_by_name(name):
    """No SDE coordinate by coordinate, and the reason says which operation is to blame."""
    with pytest.raises(NotDerivable, match=f"^{name}: no SDE coordinate by coordinate: .*law of all of them"):
        derive(rule(name))


def test_a_hessian_must_act_on_whole_vectors():
    """A gradient elsewhere that enters times a state is refused."""
    from adasde.derive.language import gradient, update_rule

    @update_rule(states=(x,), dialect="paper", cite="-")
    def scaled():
        """x times a gradient elsewhere."""
        return {x: x - eta * x * gradient(x + eta * x)}

    with pytest.raises(NotDerivable, match="differs from coordinate to coordinate"):
        derive(scaled)


@pytest.mark.parametrize(("name", "moved"), [("ef_top_k", "g"), ("ef_signsgd", "g"), ("ef_sto_sign", "workers")])
def test_error_feedback_leaves_the_input_exact(name, moved):
    """x - e (or x - eta e) moves by minus eta times what is compressed: the refusal says so."""
    with pytest.raises(NotDerivable, match=rf"e.* \+ x moves by -eta\*{moved}.* exactly"):
        derive(rule(name))


# Algorithms against the rule in numpy, and one-step moments


@pytest.mark.parametrize("name", ["dp_sgd", "qsgd", "lamb", "muon", "shgd", "sam"])
def test_generated_steps_equal_the_rule_in_numpy(name):
    """Sums over coordinates, workers, further gradients, matrices: the generated stages and a walk in numpy."""
    assert staged_check(name).outcome == "holds"


def test_each_worker_has_all_draws_of_its_own(tmp_path):
    """Two minibatches and two draws of one kind per worker: their layers do not overlap."""
    path = tmp_path / "team.py"
    path.write_text(
        "from adasde.derive.language import count, eta, g, gradient, own_noise, update_rule, workers, x\n"
        "@update_rule(states=(x,), dialect='paper', cite='-')\n"
        "def team(agents=count('agents', 3)):\n"
        "    own = own_noise('normal', 1) - 2 * own_noise('normal', 2)\n"
        "    return {x: x - eta * workers(g * gradient(x + g, 'fresh') + own, agents) + eta * gradient(x, 2)}\n"
    )
    team = f"{path}:team"
    assert staged_check(team).outcome == "holds"


def staged_check(name: str, model: str = "algorithm"):
    """Rung 3 of the algorithm alone, for rules that have no SDE as well."""
    subject = setting_of(name)
    return staged._compared(subject, model)


def setting_of(name: str):
    """A `Setting` of the algorithm; its SDE plays no part."""
    from adasde.verify.setting import Setting

    module = optimizers.kernels(name)
    values = optimizers.hyperparameters(name, {})
    return Setting(name, rule(name), derive(rule_of("sgd")).sde, module, gaussian(0.5), values)


@cache
def about(name: str, model: str = "sde"):
    """A `Setting` under Gaussian noise, built once."""
    return setting(name, model, gaussian(0.5), optimizers.hyperparameters(name, {}))


@pytest.mark.parametrize(
    "name",
    ["svag", "dp_sign", "sam_elementwise", "signsgd_majority", "sto_sign_majority", "sgld", CLIPPED],
)
def test_one_step_moments_hold(name):
    """Quadrature over Z and the own draw or a further minibatch; the binomial law where workers vote."""
    checks = one_step(about(name))
    assert len(checks) == 3 and [c for c in checks if c.outcome != "holds"] == []


def test_a_wrong_model_fails_the_one_step_check():
    """The variance without the own noise, and a vote of three for one of five, are found: the latter by its law, and by
    samples, which are what other rules with workers have (false alarm 1e-4)."""
    votes_of_three = {sp.Symbol("agents", positive=True, integer=True): sp.Integer(3)}
    cooler = {sp.Symbol("temperature", positive=True): sp.Rational(9, 10)}
    for name, wrong in (("sgld", cooler), ("signsgd_majority", votes_of_three)):
        sde = about(name).sde
        changed = dataclasses.replace(sde, drift=sde.drift.subs(wrong), diffusion=sde.diffusion.subs(wrong))
        mistaken = dataclasses.replace(about(name), sde=changed)
        assert any(c.outcome == "fails" for c in one_step(mistaken))
        if name == "signsgd_majority":
            assert [c.outcome for c in staged.sampled_one_step(about(name))] == ["holds"]
            assert [c.outcome for c in staged.sampled_one_step(mistaken)] == ["fails"]


@pytest.mark.parametrize("name", ["signsgd_majority", "signsgd_mean"])
def test_votes_and_means_of_signs_have_models_of_order_two(name):
    """Local weak error eta^3 by the exact, binomial law of one step; eta^2 without the correction of the drift. The law
    written out here is what `votes` finds."""
    subject = about(name, "order2")
    n, count = 5, np.arange(6)
    weights = stats.binom.pmf(count, n, stats.norm.cdf(POINT[G] / POINT[s]))
    sent = 2 * count / n - 1
    sent = np.sign(sent) if name == "signsgd_majority" else sent
    after, found, _ = after_step(subject, subject.values)
    assert found == pytest.approx(weights, rel=1e-12)
    assert after[0] == pytest.approx(POINT[x] - subject.values["lr"] * sent, rel=1e-14)

    def slope(model) -> float:
        changed, errors = dataclasses.replace(subject, sde=model), []
        for rate in (2.0**-7, 2.0**-8):
            (expected,) = expansion_of_order_two(changed, [x**2], subject.values | {"lr": rate}, {})
            errors.append(abs(((POINT[x] - rate * sent) ** 2 - POINT[x] ** 2) @ weights - expected))
        return float(np.log2(errors[0] / errors[1]))

    assert slope(subject.sde) > 2.7
    leading = dataclasses.replace(derive(rule(name)).sde, along=subject.sde.along, weak_order=2)
    assert slope(leading) < 2.3


def test_votes_of_noisy_signs_have_the_chance_of_one():
    """P[g + b U > 0] by quadrature against the mean of a clip; what is no vote has no such law."""
    subject = about("sto_sign_majority")
    _, chances = votes.outcomes(subject, subject.values)
    (mean,) = (float(-derive(rule("sto_sign")).sde.full_drift[0].subs({G: POINT[G], s: POINT[s], BOUND: 1.0})),)
    assert chances == pytest.approx(stats.binom.pmf(np.arange(6), 5, (1 + mean) / 2), rel=1e-10)
    assert votes.message(about("dp_sign")) is None and votes.message(setting_of("dp_sgd")) is None


def test_isotropic_noise_gives_normalised_steps_their_known_mean():
    """E g/|g| = (f'/(s sqrt 2)) Gamma((d+1)/2)/Gamma(d/2+1) 1F1(1/2; d/2+1; -|f'|^2/(2 s^2)), z-scores at 1e-4."""
    d, scale = 5, 0.7
    start, h = np.linspace(0.2, 1.0, d), np.ones(d)
    moved = final("normalized_sgd", Quadratic(h), gaussian(scale), paths=200_000, x0=start)[0]
    gradient = h * start
    r = gradient @ gradient / (2 * scale**2)
    front = special.gamma((d + 1) / 2) / special.gamma(d / 2 + 1) * special.hyp1f1(0.5, d / 2 + 1, -r)
    samples = (start[:, None] - moved) / 0.05
    scores = (samples.mean(axis=1) - gradient / (scale * np.sqrt(2)) * front) / samples.std(axis=1) * np.sqrt(200_000)
    assert np.abs(scores).max() < stats.norm.isf(1e-4 / 2 / d)


def test_private_gradients_have_their_known_moments():
    """DP-SGD where every example is clipped: C times the mean of a normalised gradient, and Sigma of that direction
    over B plus (C sigma/B)^2; z-scores at 1e-4. The limit that is quoted, C f'/(s sqrt d), is that mean for
    |f'| << s sqrt d: here within 1/d + |f'|^2/(s^2 d)."""
    d, scale, clip, batch, paths = 40, 1.0, 1e-3, 2, 100_000
    start = np.linspace(0.02, 0.1, d)
    values = {"clip": clip, "noise_multiplier": 0.5, "batch_size": batch}
    moved = final("dp_sgd", Quadratic(np.ones(d)), gaussian(scale), paths=paths, x0=start, **values)[0]
    sent = (start[:, None] - moved) / 0.05
    r = start @ start / (2 * scale**2)
    front = special.gamma((d + 1) / 2) / special.gamma(d / 2 + 1) * special.hyp1f1(0.5, d / 2 + 1, -r)
    mean = clip * start / (scale * np.sqrt(2)) * front
    scores = (sent.mean(axis=1) - mean) / sent.std(axis=1) * np.sqrt(paths)
    assert np.abs(scores).max() < stats.norm.isf(1e-4 / 2 / d)
    quoted = clip * start / (scale * np.sqrt(d))
    assert np.abs(quoted / mean - 1).max() < 1 / d + 2 * r / d
    # E |u|^2 = 1 for a direction u, so that the trace of its covariance is 1 - |E u|^2.
    trace = clip**2 * (1 - (mean / clip) @ (mean / clip)) / batch + d * (clip * 0.5 / batch) ** 2
    squares = ((sent - mean[:, None]) ** 2).sum(axis=0)
    assert abs(squares.mean() - trace) < stats.norm.isf(0.5e-4) * squares.std() / np.sqrt(paths)


def test_compression_is_unbiased_with_its_known_variance():
    """rand-k: E|C - g|^2 = (d/k - 1)|g|^2; QSGD: Var C_i = (|g|/q)^2 (a - l)(1 - a + l), z-scores at 1e-4 each."""
    d, start = 4, np.array([1.0, -0.7, 0.4, 2.0])
    for name, values in (("rand_k", {"kept": 1}), ("qsgd", {"levels": 3})):
        moved = final(name, Quadratic(np.ones(d)), gaussian(0.0), paths=100_000, x0=start, **values)[0]
        sent = (start[:, None] - moved) / 0.05
        error = ((sent - start[:, None]) ** 2).sum(axis=0)
        size = np.linalg.norm(start)
        place = np.abs(start) * 3 / size
        part = place - np.floor(place)
        expected = (d - 1) * size**2 if name == "rand_k" else ((size / 3) ** 2 * part * (1 - part)).sum()
        scores = [
            (sent.mean(axis=1) - start) / np.maximum(sent.std(axis=1), 1e-12),
            (error.mean() - expected) / error.std(),
        ]
        assert np.abs(np.concatenate([scores[0], [scores[1]]])).max() * np.sqrt(100_000) < stats.norm.isf(1e-4 / 2 / 5)


def test_error_feedback_follows_sgd_path_by_path():
    """x - e with gradients at the same points is a sum of SGD's steps; here the gradient is constant."""
    line = Quadratic(np.full(3, 1e-12))  # a gradient that does not change along the way
    start = np.array([1e12, -2e12, 5e11])
    for name in ("ef_top_k", "ef_signsgd"):
        position, rest = final(name, line, gaussian(0.3), steps=30, paths=64, x0=start)
        plain = plan("sgd", "algorithm", line, gaussian(0.3), 30, 64, 3, 1, None, 2, start, None, {"lr": 0.05})
        exact = plain.started(0, 64, plain.saves, 30)[0][0]
        assert np.abs(position - rest - exact).max() < 2e-3  # one unit in the last place of 1e12 is 1e-4


def test_sam_in_one_dimension_is_sam_elementwise():
    """g/(|g| + 1e-12) is a sign there, up to 1e-12/|g|."""
    norm, sign = (final(n, "quadratic:2", gaussian(0.5), steps=20, rho=0.2) for n in ("sam", "sam_elementwise"))
    assert np.allclose(norm, sign, rtol=0, atol=1e-6)


def test_hamiltonian_descent_converges_where_sgda_turns():
    """On f = x y the exact means are those of (1 - eta J^T J)^k, and of (1 - eta J)^k with |1 - eta i| > 1."""
    run = {"loss": Game(1.0), "noise": gaussian(0.0), "lr": 0.1, "steps": 50, "paths": 8, "save": 2}
    descent = simulate("shgd", "algorithm", **run).mean[-1]
    assert descent == pytest.approx(np.array([1.0, -1.0]) * 0.9**50, rel=1e-12)
    spiral = simulate("sgd", "algorithm", **run)
    assert spiral.loss_mean[-1] == pytest.approx(1.01**50, rel=1e-12)


def test_extragradient_has_its_closed_form():
    """SEG on f = lambda x y with additive noise: E|z|^2 contracts by |1 - eta J + eta rho J^2|^2 per step and gains
    2 eta^2 s^2 (1 + rho^2 lambda^2); within a z-score at 1e-4."""
    lam, rho, lr, width, steps = 1.5, 0.4, 0.05, 0.3, 60
    run = simulate(
        "extragradient", "algorithm", loss=Game(lam), noise=gaussian(width), lr=lr, steps=steps, paths=40_000,
        save=2, rho=rho,
    )  # fmt: skip
    factor = (1 - lr * rho * lam**2) ** 2 + (lr * lam) ** 2
    gain = 2 * lr**2 * width**2 * (1 + rho**2 * lam**2)
    exact = 2 * factor**steps + gain * (1 - factor**steps) / (1 - factor)
    assert abs(run.loss_mean[-1] - exact / 2) < stats.norm.isf(0.5e-4) * run.loss_se[-1]


# Simulation


def test_paths_do_not_depend_on_blocks_and_share_their_noise():
    """The same draws whatever the block; USAM with rho = 0 is SGD on the same noise, bit by bit."""
    name, problem = "dp_sgd", ("quadratic:1,2,3", gaussian(0.5))
    run = plan(name, "algorithm", *problem, 17, 64, 5, 1, None, 3, None, None, {"lr": 0.1})
    whole = run.started(0, 64, run.saves, 17)[0]
    parts = [run.started(first, 16, run.saves, 17)[0] for first in (0, 16, 32, 48)]
    assert (whole == np.concatenate(parts, axis=2)).all()
    still, plain = (
        plan(n, "algorithm", "quadratic:1,2", parse_noise("student-t:4:0.5"), 9, 32, 5, 1, None, 2, None, None, v)
        for n, v in (("usam", {"rho": 0.0, "lr": 0.1}), ("sgd", {"lr": 0.1}))
    )
    assert (still.started(0, 32, still.saves, 9)[0] == plain.started(0, 32, plain.saves, 9)[0]).all()


def test_draws_are_independent_and_of_their_laws():
    """Kolmogorov-Smirnov for every kind, and correlations of all layers and of neighbouring steps, at 1e-4 together."""
    from adasde.staged import Draws

    run = plan("dp_sgd", "algorithm", "quadratic:1,2,3,4", gaussian(1.0), 8, 4096, 5, 1, None, 2, None, None, {})
    draws = Draws(run, 0, 4096, 4)
    draws.counts = {"noise": 3, "normal": 2, "uniform": 2, "exponential": 2}
    first, second, *_ = draws.steps(0)
    laws = (stats.norm, stats.norm, stats.uniform(-1, 2), stats.expon(-1))
    kinds = list(zip(first, laws, strict=True))
    p_values = [stats.kstest(layer.ravel(), law.cdf).pvalue for part, law in kinds for layer in part]
    assert len(p_values) == 9 and min(p_values) > 0.5e-4 / 9
    rows = np.concatenate([part.reshape(-1, 4096) for step in (first, second) for part in step])
    correlations = np.corrcoef(rows)[np.triu_indices(len(rows), 1)] * np.sqrt(4096)
    assert np.abs(correlations).max() < stats.norm.isf(0.25e-4 / len(correlations))


@pytest.mark.parametrize("name", ["usam", "dp_sign", "signsgd_mean"])
def test_models_follow_their_optimizers(name):
    """At substeps 4, within four standard errors and 8 % of the loss."""
    run = {"loss": "quadratic:1,2", "noise": "gaussian:0.5", "lr": 0.02, "steps": 60, "paths": 4096, "save": 2}
    exact, sde = simulate(name, "algorithm", **run), simulate(name, "sde", substeps=4, **run)
    error = np.hypot(exact.loss_se[-1], sde.loss_se[-1])
    assert abs(exact.loss_mean[-1] - sde.loss_mean[-1]) < 4 * error + 0.08 * exact.loss_mean[-1]


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("muon", {}, r"muon: rows = 2 is outside the divisors of the dimension 3"),
        ("muon", {"rows": 4}, r"muon: rows = 4 is outside the divisors of the dimension 3"),
        ("rand_k", {"kept": 4}, r"rand_k: kept = 4 is outside \[1, 3\]"),
        ("ef_top_k", {"kept": 5}, r"ef_top_k: kept = 5 is outside \[1, 3\]"),
    ],
)
def test_a_dimension_that_does_not_fit_is_refused(name, given, message):
    """Kernels would write beyond a matrix of so many rows, or scale by more entries than there are."""
    run = {"loss": "quadratic:1,2,3", "noise": "gaussian:1", "lr": 0.02, "steps": 2, "paths": 8}
    with pytest.raises(InvalidParameter, match=message):
        simulate(name, "algorithm", **run, **given)
    fitting = {"muon": {"rows": 3}, "rand_k": {"kept": 3}, "ef_top_k": {"kept": 3}}[name]
    assert simulate(name, "algorithm", **run, **fitting).complete


def test_what_steps_in_stages_do_not_do_is_refused():
    """An even vote, correlated noise, a GPU, fused arithmetic, a hyperparameter that is an option of its own."""
    run = {"loss": "quadratic:1,2", "lr": 0.02, "steps": 4, "paths": 8}
    with pytest.raises(InvalidParameter, match=r"agents = 4 is outside \{1, 3, 5, ...\}"):
        simulate("signsgd_majority", noise="gaussian:1", agents=4, **run)
    covariance = gaussian(covariance=np.array([[1.0, 0.2], [0.2, 1.0]]))
    with pytest.raises(InvalidParameter, match="the laws with a diagonal covariance"):
        simulate("usam", "algorithm", noise=covariance, **run)
    with pytest.raises(InvalidParameter, match="fast = True"):
        simulate("usam", "algorithm", noise="gaussian:1", fast=True, **run)
    with pytest.raises(NoModel, match="gradients at other points: it goes in stages, on the CPU only"):
        simulate("usam", "algorithm", noise="gaussian:1", device="cuda", **run)
    result = CliRunner().invoke(main, ["simulate", "usam", "--set", "paths=3"])
    assert result.exit_code == 2 and "use --paths" in result.output


def test_every_rule_is_short_and_known():
    """At most 15 lines of rule, and all of them composite but the clip by value, which is elementwise."""
    for name in RULES:
        found = rule(name)
        assert found.name == name and is_composite(*found.update) == (name != "sgd_clip_value")
    assert set(OWN_LAWS) == {"normal", "uniform", "exponential"}
