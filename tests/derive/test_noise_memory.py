"""Noise with memory: its white limit, its long-run size, fractional weights and the exact map of one step."""

import dataclasses

import numpy as np
import pytest
import sympy as sp
from scipy import integrate, linalg, special

from adasde import simulate
from adasde.cache import FOLDER
from adasde.derive.expansion import derive
from adasde.derive.law import NotDerivable
from adasde.derive.noise_memory import coloured, correlated, fractional, fractional_speeds, fractional_weights
from adasde.derive.notation import G, eta, g, rho_c, s, x
from adasde.derive.operations import Own
from adasde.derive.optimizers import registry

SIZE = sp.Symbol("noise_size", nonnegative=True)
SGD = registry()["sgd"]


def linear_step(rule, values):
    """(A, B) of one step y' = A y + B (Z, own draws) of the rule on x^2/2, in numbers."""
    z = sp.Symbol("z")
    noisy = sp.Matrix([u.subs(g, x + s * z).subs(values) for u in rule.update])
    draws = [z, *sorted(noisy.atoms(Own), key=str)]
    return tuple(np.array(noisy.jacobian(y).evalf(), dtype=float) for y in (rule.states, draws))


def test_white_noise_is_the_limit():
    """Memory 0, eta rho_c = 1: SGD with variance s^2 + size^2 and a drift without the coloured state; whatever the
    memory, that is also the size over the long run, in the SDE without the state and as rho_c grows."""
    sde = derive(correlated(SGD)).sde
    white = {rho_c: 1 / eta}
    assert sp.expand(sde.full_drift[0].subs(white) + G) == 0
    assert sp.expand(sde.covariance[0, 0].subs(white) - eta * (s**2 + SIZE**2)) == 0
    averaged = derive(correlated(SGD), average_out=("coloured",)).sde
    assert averaged.full_drift[0] == -G and sp.expand(averaged.covariance[0, 0] - eta * (s**2 + SIZE**2)) == 0
    response = sp.Matrix([[1, sp.diff(sde.full_drift[0], coloured) / rho_c]])
    long_run = (response * sde.covariance * response.T)[0, 0]
    assert sp.expand(long_run - eta * (s**2 + SIZE**2)) == 0


def test_the_model_has_the_stationary_law_of_the_algorithm():
    """x^2/2: exact Var x of the linear recursion against the Lyapunov equation of the SDE; the gap is O(eta)."""
    rule = correlated(SGD)
    sde, gaps = derive(rule).sde, []
    for lr in (0.02, 0.01):
        memory = 1 - 3.0 * lr
        values = {SIZE: 0.7, s: 0.4, eta: lr, rho_c: 3.0, sp.Symbol("memory"): memory}
        values |= {h.symbol: memory for h in rule.hyperparameters if h.name == "memory"}
        step, noise = linear_step(rule, values)
        exact = linalg.solve_discrete_lyapunov(step, noise @ noise.T)[0, 0]
        drift = np.array(sde.full_drift.subs(G, x).jacobian(rule.states).subs(values), dtype=float)
        spread = np.array(sde.covariance.subs(values), dtype=float)
        model = linalg.solve_continuous_lyapunov(drift, -spread)[0, 0]
        gaps.append(abs(model / exact - 1))
    assert gaps[0] < 0.05 and gaps[1] < 0.6 * gaps[0]


@pytest.mark.parametrize(("hurst", "error", "total"), [(0.3, 0.0078, 2.57), (0.7, 1.3e-4, 0.362)])
def test_fractional_weights_minimise_the_error_that_they_state(hurst, error, total):
    """E int_0^1 (B_H - sum w Y)^2 dt by quadrature of the kernels is the stated error, and larger for other weights;
    errors and sums of weights of five states up to speed 20 as in the notes."""
    speeds = fractional_speeds(5, 20.0)
    assert np.allclose(speeds, [0.05, 0.2236, 1, 4.472, 20], rtol=1e-3)
    weights, stated = fractional_weights(hurst, speeds)
    assert stated == pytest.approx(error, rel=0.05) and weights.sum() == pytest.approx(total, rel=0.005)

    def kernel_gap(w):
        # E (B - B^)^2 at t is the integral of (K - K^)^2 over (0, t): over all t, with the weight 1 - u.
        gap = lambda u: u ** (hurst - 0.5) / special.gamma(hurst + 0.5) - w @ np.exp(-speeds * u)  # noqa: E731
        # u = q^4 removes the root at 0.
        return integrate.quad(lambda q: gap(q**4) ** 2 * (1 - q**4) * 4 * q**3, 0, 1, limit=400, epsabs=1e-12)[0]

    whole = 1 / (2 * hurst * (2 * hurst + 1) * special.gamma(hurst + 0.5) ** 2)
    assert kernel_gap(weights) / whole == pytest.approx(stated, rel=1e-4)
    for k in range(5):
        for factor in (0.98, 1.02):
            other = weights.copy()
            other[k] *= factor
            assert kernel_gap(other) > kernel_gap(weights)


def test_one_half_is_white_noise():
    """H = 1/2 with a speed that tends to 0: B^ is Brownian motion."""
    weights, error = fractional_weights(0.5, np.array([1e-9, 1.0]))
    assert weights == pytest.approx([1.0, 0.0], abs=1e-6) and error < 1e-9


def test_the_step_is_the_exact_map_and_its_increments_grow_like_t_to_the_2h():
    """Cov(Y_i', Y_j' | Y) = (1 - e^(-a eta))/a, and on a flat loss Var x after n steps is that of B^(n eta), whose root
    is within the stated error of that of t^(2H)/(2H Gamma(H + 1/2)^2), in the mean over the horizon."""
    hurst, lr = 0.3, 0.01
    rule = fractional(SGD, hurst, states=5, fastest=20.0)
    values = {h.symbol: h.default for h in rule.hyperparameters} | {eta: lr, s: 0.0}
    step, noise = linear_step(rule, values)
    step[0, 0] = 1.0  # no gradient
    speeds = fractional_speeds(5, 20.0)
    rates = speeds[:, None] + speeds
    assert np.allclose((noise @ noise.T)[1:, 1:], -np.expm1(-rates * lr) / rates, rtol=1e-7)
    weights, error = fractional_weights(hurst, speeds)
    spread, gap, size = np.zeros((6, 6)), 0.0, 0.0
    for n in range(1, 101):
        spread = step @ spread @ step.T + noise @ noise.T
        found = weights @ (-np.expm1(-rates * lr * n) / rates) @ weights
        assert spread[0, 0] == pytest.approx(found, rel=1e-6)
        exact = (lr * n) ** (2 * hurst) / (2 * hurst * special.gamma(hurst + 0.5) ** 2)
        gap, size = gap + (np.sqrt(found) - np.sqrt(exact)) ** 2, size + exact
    assert gap / size < error


def test_the_model_of_fractional_noise_has_one_motion_for_all_states():
    """dx = (-G + size sum w gamma Y) dt - size (sum w) dW + sqrt(eta) s dW', dY_k = -gamma_k Y_k dt + dW."""
    rule = fractional(SGD, 0.7, states=3)
    sde = derive(rule).sde
    a = sde.covariance
    w, y = [sp.Symbol(f"weight{i}", real=True) for i in (1, 2, 3)], sde.states
    assert sde.diffusion.cols == 2
    assert sp.expand(a[0, 0] - eta * s**2 - SIZE**2 * sum(w) ** 2) == 0
    for i in (1, 2, 3):
        assert sp.simplify(a[0, i] + SIZE * sum(w)) == 0 and sp.simplify(a[i, 1] - 1) == 0
        assert sp.expand(sde.full_drift[i] + y[i] * sp.Symbol(f"speed{i}", positive=True)) == 0


def test_fractional_noise_in_a_square_is_refused():
    squared = dataclasses.replace(SGD, name="squared", update=(x - eta * g**2,))
    with pytest.raises(NotDerivable, match="squared_fractional"):
        derive(fractional(squared, 0.3, states=2))
    with pytest.raises(ValueError, match="one gradient in one coordinate"):
        correlated(registry()["usam"])
    with pytest.raises(ValueError, match="outside"):
        fractional_weights(1.0, fractional_speeds(3, 20.0))


@pytest.mark.slow
def test_it_runs(tmp_path, monkeypatch):
    """The rule in a file: algorithm and SDE on a quadratic, variances against the exact recursion (z = 4.42)."""
    monkeypatch.setenv(FOLDER, str(tmp_path / "cache"))
    file = tmp_path / "noisy.py"
    file.write_text(
        "from adasde.derive.noise_memory import correlated\nfrom adasde.derive.optimizers import registry\n"
        "noisy = correlated(registry()['sgd'], memory=0.9, size=0.8)\n"
    )
    paths, steps, lr = 20_000, 60, 0.02
    rule = correlated(SGD, memory=0.9, size=0.8)
    values = {h.symbol: h.default for h in rule.hyperparameters} | {eta: lr, s: 0.3}
    step, noise = linear_step(rule, values)
    spread = np.zeros((2, 2))
    for _ in range(steps):
        spread = step @ spread @ step.T + noise @ noise.T
    for model, bias in (("algorithm", 0.0), ("sde", 0.05)):
        run = simulate(
            f"{file}:sgd_coloured",
            model,
            loss="quadratic:1",
            noise="gaussian:0.3",
            lr=lr,
            steps=steps,
            paths=paths,
            save=2,
            x0=[1.0],
        )
        assert run.cov[-1][0][0] == pytest.approx(spread[0, 0], rel=4.42 * np.sqrt(2 / paths) + bias)
