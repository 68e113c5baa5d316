"""Update rules say what they must, and nothing undeclared."""

import ast
import inspect
import re
from pathlib import Path

import pytest
import sympy as sp

import adasde.derive.optimizers as folder
from adasde import optimizers, simulate
from adasde.derive import notation
from adasde.derive.citations import CITATIONS
from adasde.derive.emit.printer import HELPERS, STAGE_HELPERS, VOTES
from adasde.derive.noise import Gaussian
from adasde.derive.notation import beta2, eta, g, k, m, nu, state, v, x
from adasde.derive.optimizers import CHECKED_IN, checked_in, registry
from adasde.derive.rule import Hyperparameter, count, decay, hyperparameter, update_rule
from adasde.generation import cuda_folder, kernel_folder, kernel_text


def rule_functions():
    """(file name, function) of every update rule in the folder of the shipped ones."""
    for path in sorted(Path(folder.__file__).parent.glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and any("update_rule" in ast.dump(d) for d in node.decorator_list):
                yield path.name, node


def test_the_registry_is_the_folder():
    """Every rule of every file is found, in alphabetical order, under the name of its function."""
    written = {function.name for _, function in rule_functions()}
    assert list(registry()) == sorted(registry()) and len(registry()) >= 35
    assert {name for name in registry() if not name.endswith("_averaged")} == written


def test_the_checked_in_kernels_are_declared_in_one_place():
    """`CHECKED_IN` names what lies in kernels/cpu and kernels/cuda; all other kernels are made on demand."""
    assert list(checked_in()) == list(CHECKED_IN) == optimizers.names()
    assert CHECKED_IN == ("adam", "adamw", "rmsprop", "rmspropw", "sgd", "signsgd")
    assert {path.stem for path in cuda_folder().glob("[a-z]*.py")} == set(CHECKED_IN)


def test_rules_are_short():
    """A rule is at most 15 lines besides its docstring, its arguments included: everything else is derived from it."""
    for file, function in rule_functions():
        docstring = function.body[0]
        assert ast.get_docstring(function), function.name
        lines = function.end_lineno - function.lineno + 1 - (docstring.end_lineno - docstring.lineno + 1)
        assert lines <= 15, (file, function.name, lines)


def test_dialects_are_known():
    """A rule is written as torch, optax, pytorch_optimizer or a paper has it."""
    assert {rule.dialect for rule in registry().values()} == {"torch", "optax", "pytorch_optimizer", "paper"}


def test_every_rule_cites_a_known_reference():
    """The key that a rule cites resolves to a full reference."""
    assert {rule.cite for rule in registry().values()} <= set(CITATIONS)


RECALLED = {
    *("adam_clipped", "dp_sign", "dp_signsgd", "ef_sto_sign", "qsgd", "sgd_random_scaling", "sgld", "sgld_anisotropic"),
    *("signsgd_majority", "sto_sign", "sto_sign_majority", "usam"),
}
"""Rules that nobody read in print, nor in a package's source."""


def test_recalled_forms_carry_their_mark():
    """A rule written from memory says so in its title, which every table of rules shows; no other rule does."""
    assert {rule.name for rule in registry().values() if rule.title.endswith("(form recalled)")} == RECALLED


HIDING = {
    "power": "a function that generated code calls",
    "erf": "a function that generated code calls",
    "sign": "a function that generated code calls",
    "min": "a function that generated code calls",
    "field": "a name of generated code",
    "total1": "a name of generated code",
    "average2": "a name of generated code",
    "uniform": "a name of generated code",
    "x_next": "a name of generated code",
    "lambda": "a word of Python",
    "two words": "no name in Python",
    "steps": "an argument of simulate",
    "theta": "a symbol of the notation",
}


@pytest.mark.parametrize("name", HIDING)
def test_hyperparameters_hide_nothing(name):
    """A name that generated code needs for something else is refused where the rule is written, with a remedy."""
    told = rf"name = '{name}' is outside \{{names that are free\}}: it is {HIDING[name]}; choose a longer one"
    with pytest.raises(ValueError, match=f"hyperparameter: {told}"):
        hyperparameter(name, 0.5)
    with pytest.raises(ValueError, match=f"hyperparameter: {told}"):
        count(name, 2)
    by_hand = Hyperparameter(name, sp.Symbol(name), "", "(-inf, inf)", 0.5, name)
    with pytest.raises(ValueError, match="hyperparameter: name"):
        update_rule(states=(x,), dialect="paper", cite="-")(lambda c=by_hand: {x: x - eta * c * g})
    if name != "steps":
        with pytest.raises(ValueError, match=f"state: {told}"):
            state(name, like=x)
    with pytest.raises(ValueError, match="beta1 stands for two"):
        update_rule(states=(x,), dialect="paper", cite="-")(
            lambda a=decay(1, 0.9), b=hyperparameter("beta1", 0.9, "[0, 1)"): {x: x - eta * a * b * g}
        )


def names_of(text):
    """Names that a generated module imports, calls, or has in its functions."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.alias):
            yield node.asname or node.name


@pytest.mark.parametrize("name", ["adam", "dp_sgd", "muon", "usam", "sto_sign_majority", "lamb"])
def test_every_name_of_generated_code_is_taken(name):
    """What a generated module imports, calls or assigns can be no hyperparameter's name, but for the rule's own."""
    rule = registry()[name]
    checked_in = kernel_folder() / f"{name}.py"
    text = checked_in.read_text(encoding="utf-8") if checked_in.exists() else kernel_text(rule, [Gaussian()])
    own = {str(y) for y in (*rule.states, *(h.symbol for h in rule.hyperparameters))}
    own |= {h.name for h in rule.hyperparameters}
    models = set(re.findall(r"^def (\w+)", text, re.MULTILINE))
    for used in set(names_of(text)) - own - models:
        with pytest.raises(ValueError, match="names that are free"):
            notation.require_free("hyperparameter", used)


def test_the_lists_of_taken_names_are_complete():
    """Functions are those of the printer, options those of `simulate`."""
    assert {*HELPERS, *VOTES, *STAGE_HELPERS} == notation.FUNCTIONS
    arguments = inspect.signature(simulate).parameters.values()
    assert {a.name for a in arguments if a.kind != a.VAR_KEYWORD} == notation.OPTIONS


def test_undeclared_symbols_are_refused():
    """A rule may use its states, g, k and its hyperparameters only; the error names what is foreign."""
    with pytest.raises(ValueError, match="nu, which is no state or hyperparameter"):
        update_rule(states=(x,), dialect="paper", cite="-")(lambda: {x: x - eta * g * nu})
    with pytest.raises(ValueError, match="the states are"):
        update_rule(states=(x, m), dialect="paper", cite="-")(lambda: {x: x - eta * g})


def test_hyperparameters_come_from_the_signature():
    """Names, symbols and rates are those of the function's arguments, the learning rate first."""

    @update_rule(states=(x, v), nonnegative=(v,), dialect="paper", cite="-")
    def toy(beta2=decay(2, 0.99)):
        return {x: x - eta * g / sp.sqrt(v), v: beta2 * v + (1 - beta2) * g**2}

    assert [h.name for h in toy.hyperparameters] == ["lr", "beta2"]
    assert toy.hyperparameters[1].scaled == 1 - eta * toy.hyperparameters[1].rate
    assert toy.update[1].has(beta2) and not toy.update[1].has(k)
