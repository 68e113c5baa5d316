"""Noise laws as people give them: spelling, numbers of the law, and refusals that say what to do."""

import dataclasses
import math

import numpy as np
import pytest

import adasde
from adasde.errors import InvalidParameter, MissingData, UnknownName
from adasde.laws import LAWS
from adasde.noise import Noise, parse_noise
from adasde.spelling import FORMS

SIGMA = np.array([[2.0, 0.5], [0.5, 1.0]])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("values.npy", np.array([3.0, 1.0, 2.0, 2.0]))
    np.save("weighted.npy", np.array([[1.0, 2.0, 5.0], [1.0, 0.0, 3.0]]))
    np.save("a:2.npy", np.array([0.0, 1.0]))
    np.save("sigma.npy", SIGMA)
    np.save("cube.npy", np.zeros((2, 2, 2)))
    np.save("objects.npy", np.array([{}, {}]))
    (tmp_path / "text.npy").write_text("1 2 3")
    return tmp_path


# Spelling

SPELLED = {
    "gaussian:0.5": adasde.gaussian(0.5),
    "gaussian:data": adasde.gaussian(None),
    "gaussian:@data": adasde.gaussian(covariance="data"),
    "student-t:3:0.1,0.2": adasde.student_t(3, [0.1, 0.2]),
    "laplace:0.5": adasde.laplace(0.5),
    "laplace:data": adasde.laplace(None),
    "exponential:1,2": adasde.exponential([1, 2]),
    "rademacher:1e-08": adasde.rademacher(1e-8),
    "two-point:0.25:2": adasde.two_point(0.25, 2),
    "mixture:1,0,2/3,-1,0.5:0.7": adasde.mixture([1, 3], [0, -1], [2, 0.5], 0.7),
}


@pytest.mark.parametrize("text", SPELLED)
def test_spelling(text):
    """Each spelling is what its constructor makes, and its name."""
    assert parse_noise(text) == SPELLED[text] and SPELLED[text].name == text
    assert parse_noise(text, 4) == dataclasses.replace(SPELLED[text], batch=4)
    assert hash(parse_noise(text)) == hash(SPELLED[text])


def test_every_law_has_a_form_and_a_code():
    from adasde.kernels.lanes import LAW_CODES

    assert set(FORMS) == set(LAW_CODES) == set(LAWS)
    assert sorted(LAW_CODES.values()) == list(range(len(LAWS)))


def test_old_calls_still_work():
    assert Noise("gaussian", (1.0,)).law_data.size == 0
    assert Noise("student-t", (1.0,), 5.0, 2).law_data[0] == 5.0


def test_files(folder):
    """Values alone or with weights; the scale, if given, follows the last colon, though a path may hold others."""
    assert parse_noise("empirical:@values.npy") == adasde.empirical([3, 1, 2, 2])
    assert parse_noise("empirical:@values.npy").scale == pytest.approx([math.sqrt(0.5)])
    assert parse_noise("empirical:@values.npy:3") == adasde.empirical([3, 1, 2, 2], scale=3)
    assert parse_noise("empirical:@values.npy:3,4").scale == (3.0, 4.0)
    assert parse_noise("empirical:@values.npy:data").scale is None
    assert parse_noise("empirical:@weighted.npy") == adasde.empirical([1, 2, 5], [1, 0, 3])
    assert parse_noise("empirical:@a:2.npy").parameters == (0.0, 1.0, 1.0, 1.0)
    assert parse_noise("empirical:@values.npy:3").name == "empirical:4 values:3"
    assert parse_noise("gaussian:@sigma.npy", 3) == adasde.gaussian(covariance=SIGMA, batch=3)
    assert parse_noise("gaussian:@sigma.npy").name == "gaussian:2 x 2 covariance"


# Numbers of the laws


def test_mixtures_are_standardised():
    """Weights of sum one; mean 0 and variance 1; components keep their shape relative to each other."""
    w, m, d = np.split(adasde.mixture([1, 3], [0, -1], [2, 0.5], 1).law_data, 3)
    np.testing.assert_allclose([w.sum(), w @ m, w @ (m**2 + d**2)], [1, 0, 1], rtol=0, atol=1e-15)
    np.testing.assert_allclose((m[0] - m[1]) / d, [1 / 2, 1 / 0.5])
    assert w.tolist() == [0.25, 0.75]


def test_layout_of_empirical_data():
    """(M3, ..., M6, n, z, P_0, P_1, P_2): equal values are one, weights of zero none; huge offsets lose nothing."""
    shifted = 1e6 + np.array([5.0, 1.0, 2.0, 5.0, 1e9])
    data = adasde.empirical(shifted, [1, 2, 3, 4, 0]).law_data
    values, w = np.array([1.0, 2.0, 5.0]), np.array([0.2, 0.3, 0.5])
    mean = w @ values
    z = (values - mean) / math.sqrt(w @ (values - mean) ** 2)
    prefixes = [[*np.cumsum([0, *(w * z**r)])] for r in range(3)]
    expected = np.concatenate([[w @ z**r for r in range(3, 7)], [3], z, *prefixes])
    np.testing.assert_allclose(data, expected, rtol=0, atol=1e-9)
    assert data[8 + 3] == 1 and data[12 + 3] == 0 and data[16 + 3] == 1 and data.size == 20
    assert abs(w @ data[5:8]) < 1e-14


def test_covariance_gives_the_scales():
    noise = adasde.gaussian(covariance=SIGMA, batch=4)
    np.testing.assert_allclose(noise.scales(2), [math.sqrt(0.5), 0.5])
    np.testing.assert_allclose(noise.correlation, [[1, 0.5 / math.sqrt(2)], [0.5 / math.sqrt(2), 1]])
    assert adasde.gaussian(1).correlation is None
    assert noise == adasde.gaussian(covariance=SIGMA.tolist(), batch=4) != adasde.gaussian(covariance=2 * SIGMA)
    assert hash(noise) == hash(adasde.gaussian(covariance=SIGMA, batch=4))
    rounded = adasde.gaussian(covariance=np.array([[1.0, 1.0], [1.0 + 1e-15, 1.0]]))
    assert rounded.correlation is not None


# Refusals

BAD = {
    "cauchy:1": "noise law",
    "laplace": "the form laplace:S",
    "laplace:1:2": "the form laplace:S",
    "laplace:-1": r"sigma = -1.* \[0, inf\)",
    "laplace:wide": "'wide' is outside the numbers",
    "two-point:0:1": r"two-point: P = 0.0 is outside \(0, 1\)",
    "two-point:1:1": r"two-point: P = 1.0 is outside \(0, 1\)",
    "two-point:nan:1": r"two-point: P = nan is outside \(0, 1\)",
    "two-point:1": "the form two-point:P:S",
    "mixture:1,0,1/1,0:1": "the form mixture",
    "mixture:1,0,0:1": r"mixture: deviation D = 0.0 is outside \(0, inf\)",
    "mixture:-1,0,1:1": r"mixture: weight W = -1.0 is outside \(0, inf\)",
    "mixture:1,inf,1:1": "mixture: mean M = inf",
    "mixture:a,0,1:1": "mixture: weight W = 'a'",
    "empirical:values.npy": "the form empirical:@FILE.npy",
    "empirical:@": "the form empirical:@FILE.npy",
    "empirical:@cube.npy": r"shape of the array = \(2, 2, 2\)",
    "empirical:@objects.npy": "objects.npy' is outside the .npy files of real numbers",
    "empirical:@text.npy": "text.npy' is outside the .npy files of real numbers",
    "empirical:@values.npy:-1": "sigma = -1",
    "gaussian:@values.npy": r"covariance Sigma: shape = \(4,\)",
}


@pytest.mark.parametrize("text", BAD)
def test_bad_spellings(text, folder):
    """Each refusal names the parameter, its value and its domain."""
    with pytest.raises(InvalidParameter, match=BAD[text]) as error:
        parse_noise(text)
    assert error.value.remedy


@pytest.mark.parametrize("text", ["empirical:@none.npy", "gaussian:@none.npy", "empirical:@none.npy:2"])
def test_missing_files(text, folder):
    """What is absent and how to make it; a directory is no file either."""
    with pytest.raises(MissingData, match=r"no file 'none.npy'; save it with numpy.save"):
        parse_noise(text)
    (folder / "none.npy").mkdir()
    with pytest.raises(MissingData):
        parse_noise(text)


@pytest.mark.parametrize(
    ("values", "weights", "message"),
    [
        ([], None, "number of parameters = 0"),
        ([1, 2], [1], r"number of weights = 1 is outside \{2\}"),
        ([1, 2, 3], [1], r"number of weights = 1 is outside \{3\}"),
        ([1, math.nan], None, r"value = nan is outside \(-inf, inf\)"),
        ([1, math.inf], None, "value = inf"),
        ([1, 2], [1, -1], r"weight = -1.0 is outside \[0, inf\)"),
        ([1, 2], [1, math.nan], "weight = nan"),
        ([1, 2], [0, 0], "sum of weights = 0"),
        ([2, 2, 2], None, "largest less smallest value = 0"),
        ([1, 2], [1, 0], "largest less smallest value = 0"),
        ([1e9, 1e9 + 1e-6], None, "largest less smallest value"),
        ([1e300, -1e300], None, "largest less smallest value"),
        ("abc", None, "values = 'abc'"),
        ([[1, 2], [3, 4]], None, "shape"),
    ],
)
def test_bad_values(values, weights, message):
    with pytest.raises(InvalidParameter, match=message) as error:
        adasde.empirical(values, weights)
    assert error.value.remedy


@pytest.mark.parametrize(
    ("sigma", "message"),
    [
        ([[1, 0.5], [0.4, 1]], r"max \|Sigma - Sigma'\| = 0.1 is outside"),
        ([[1, 2], [2, 1]], "least eigenvalue = -1 is outside"),
        ([[-1]], "least eigenvalue = -1"),
        ([[math.nan]], r"entry \(0, 0\) = nan"),
        ([[1, 2]], r"shape = \(1, 2\)"),
        (np.zeros((0, 0)), r"shape = \(0, 0\)"),
        ("abc", "covariance Sigma = 'abc'"),
        ("dat", "covariance Sigma = 'dat'"),
    ],
)
def test_bad_covariances(sigma, message):
    with pytest.raises(InvalidParameter, match=message) as error:
        adasde.gaussian(covariance=sigma)
    assert error.value.remedy


def test_covariance_is_for_gaussian_noise_of_its_dimension():
    with pytest.raises(InvalidParameter, match=r"law with a covariance = laplace is outside \{gaussian\}"):
        Noise("laplace", None, covariance=((1.0,),))
    with pytest.raises(InvalidParameter, match=r"law with a covariance = laplace is outside \{gaussian\}"):
        Noise("laplace", None, covariance="data")
    with pytest.raises(InvalidParameter, match="with a covariance"):
        adasde.gaussian(1.0, covariance=SIGMA)
    with pytest.raises(InvalidParameter, match=r"rows = 1 is outside \{3\}"):
        adasde.simulate("sgd", loss="quadratic:1,2,3", noise=adasde.gaussian(covariance=[[1.0]]), steps=2, paths=2)


def test_numbers_that_do_not_belong():
    """Direct construction is checked as well."""
    for law, numbers in (
        ("gaussian", (1.0,)),
        ("two-point", ()),
        ("mixture", (1.0, 2.0)),
        ("mixture", ()),
        ("empirical", (1.0,)),
    ):
        with pytest.raises(InvalidParameter, match="number of parameters"):
            Noise(law, (1.0,), parameters=numbers)
    with pytest.raises(InvalidParameter, match=r"numbers of W, M, D = \(2, 1, 1\)"):
        adasde.mixture([1, 1], [0], [1], 1)
    with pytest.raises(UnknownName, match="did you mean 'laplace'"):
        Noise("laplacian", (1.0,))
