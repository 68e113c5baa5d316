"""The loop that a person goes through after editing a rule, in a copy of the package."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import adasde
import adasde.derive
import adasde.kernels
import adasde.papers
from adasde.derive import freshness
from adasde.derive.optimizers import checked_in
from adasde.generation import helper_stamps

RECORDED = """
from adasde.derive.noise import Gaussian
from adasde.derive.optimizers import registry
from adasde.papers import papers
from adasde.papers.claim import compare
print(compare(papers()["compagnoni2025"]["rmsprop"], registry()["rmsprop"], Gaussian())[1])
"""
"""Whether the published RMSprop still differs from the derived one in the recorded way."""


SEVERAL = """
import json, sys
from click.testing import CliRunner
from adasde.cli import main
found = [CliRunner().invoke(main, line.split()) for line in sys.argv[1:]]
print(json.dumps([[one.exit_code, one.stdout] for one in found]))
"""
"""Commands between which no rule is edited, in one process, which derives once."""


KEPT = ("rmsprop", "sgd")
"""Rules whose kernels are checked in in the copy: what is tested is the loop, and all six take four times as long."""


@pytest.fixture
def copy(tmp_path):
    """The package as an installed tree, with a runner of its command line."""
    ignore = shutil.ignore_patterns("__pycache__")
    root = tmp_path / "adasde"
    shutil.copytree(Path(adasde.__file__).parent, root, ignore=ignore)
    for part in (adasde.derive, adasde.kernels, adasde.papers):
        shutil.copytree(
            Path(part.__file__).parent, root / part.__name__.rpartition(".")[2], ignore=ignore, dirs_exist_ok=True
        )

    registry = root / "derive" / "optimizers" / "__init__.py"
    registry.write_text(re.sub(r"CHECKED_IN = .*", f"CHECKED_IN = {KEPT!r}", registry.read_text()))
    for name in set(checked_in()) - set(KEPT):
        for device in ("cpu", "cuda"):
            (root / "kernels" / device / f"{name}.py").unlink()

    def run(*arguments, program="from adasde.cli import main; main()"):
        found = "import sys; sys.path.insert(0, sys.argv.pop(1))\n"
        command = [sys.executable, "-P", "-c", found + program, str(tmp_path), *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "COLUMNS": "160"}
        )

    return root, run


def several(run, *lines):
    """(exit code, what is printed) of each command."""
    result = run(*lines, program=SEVERAL)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


RULE = '''
from adasde.derive.notation import eta, g, m, x
from adasde.derive.rule import decay, update_rule


@update_rule(states=(x, m), dialect="paper", cite="polyak1964")
def ema(beta1=decay(1, 0.9)):
    """EMA momentum."""
    m_next = beta1 * m + (1 - beta1) * g
    return {x: x - eta * m_next, m: m_next}
'''


def test_a_new_optimizer_is_one_file(copy):
    """One file with a rule: derivation, simulation and the whole ladder work, and hold, with kernels made on demand;
    once CHECKED_IN names it, they are written."""
    root, run = copy
    folder = root / "derive" / "optimizers"
    (folder / "ema.py").write_text(RULE)
    derived = json.loads(run("derive", "ema", "--format", "json").stdout)
    assert derived["drift"][1] == "rho1*(G - m)" and derived["diffusion"][1] == ["sqrt(eta)*rho1*s"]
    verified = run("verify", "ema", "--lr", "0.01", "--paths", "512", "--steps", "200", "--json")
    checks = json.loads(verified.stdout)
    assert verified.returncode == 0 and {check["rung"] for check in checks} == {2, 3, 4, 6}
    registry = (folder / "__init__.py").read_text()
    (folder / "__init__.py").write_text(registry.replace("CHECKED_IN = (", "CHECKED_IN = ('ema', "))
    assert "wrote cpu/ema.py\nwrote cuda/ema.py" in run("kernels", "--write").stdout


def test_editing_one_sign_is_caught_and_mended(copy):
    """A flipped sign in a rule: --check fails with a diff and the command that mends it; --write mends the kernels, and
    from then on the published form no longer differs in the recorded way."""
    root, run = copy
    assert run("kernels", "--check").returncode == 0
    rule = root / "derive" / "optimizers" / "rmsprop.py"
    text = rule.read_text()
    assert "x - eta * g" in text
    rule.write_text(text.replace("x - eta * g", "x + eta * g"))
    (code, stale), (_, written), (mended, _) = several(run, "kernels --check", "kernels --write", "kernels --check")
    assert code == 1 and "rmsprop.py is stale: run `adasde kernels --write`" in stale
    assert "\n-" in stale and "\n+" in stale and "state[0, i, j]" in stale
    assert written.splitlines() == ["wrote cpu/rmsprop.py", "wrote cuda/rmsprop.py"] and mended == 0
    assert run(program=RECORDED).stdout.split() == ["False"]


def test_editing_a_kernel_by_hand_is_caught(copy):
    """A hand edit of a generated file gets its own message, and so do missing and orphaned files, for both devices."""
    root, run = copy
    for device in ("cpu", "cuda"):
        path = root / "kernels" / device / "sgd.py"
        text = path.read_text()
        assert "c1*s*z1" in text
        path.write_text(text.replace("c1*s*z1", "c1*s*z1*1.01"))
        (root / "kernels" / device / "rmsprop.py").unlink()
        (root / "kernels" / device / "ghost.py").write_text("x = 1\n")
    found = run("kernels", "--check")
    assert found.returncode == 1 and "edit the rule instead" in found.stdout
    for device in ("cpu", "cuda"):
        for name, kind in (("sgd", "hand-edited"), ("rmsprop", "missing"), ("ghost", "orphaned")):
            assert f"{device}/{name}.py is {kind}: " in found.stdout


STAMPED = ("correlated", "laws", "logistic", "mlp_kernels", "orthant", "stages", "transformed", "transformed64")
"""Hand-written files with kernels that inline functions of `special.py`."""


def test_editing_a_helper_makes_every_kernel_stale(copy):
    """numba does not watch helpers that compiled code inlines, so their digest is part of every header, and of every
    hand-written file that inlines them; files that do not are left alone."""
    root, run = copy
    helper = root / "kernels" / "special.py"
    helper.write_text(helper.read_text() + "\n# edited\n")
    found = run("kernels", "--check")
    assert found.returncode == 1 and found.stdout.count("is stale") == len(KEPT) + len(STAMPED)
    assert all(f"{name}.py is stale" in found.stdout for name in STAMPED) and "normals.py" not in found.stdout
    device_function = root / "kernels" / "cuda" / "device" / "normals.py"
    device_function.write_text(device_function.read_text() + "\n# edited\n")
    (_, stale), (_, written), (mended, _) = several(run, "kernels --check", "kernels --write", "kernels --check")
    assert len(re.findall(r"^cuda/\w+.py is stale", stale, re.MULTILINE)) == len(KEPT)
    assert written.count("wrote") == 2 * len(KEPT) + len(STAMPED) and mended == 0


def stale(root):
    """Names of the hand-written kernel files of a copy whose stamp is not right."""
    return [path.name for path, digest in helper_stamps(root) if freshness.check_stamp(path, digest)]


def stamped(root):
    """Writes the stamps that `adasde kernels --write` writes; the names of the files touched."""
    return [path.name for stamp in helper_stamps(root) for path in freshness.write_stamp(*stamp)]


def test_a_lost_stamp_is_put_back(copy):
    """A file that inlines helpers and has no stamp, or a wrong one, is stale; writing gives it the right one."""
    root, _ = copy
    path = root / "kernels" / "orthant.py"
    right = path.read_text()
    stamp = next(line for line in right.splitlines() if line.startswith("# helpers "))
    for wrong in (right.replace(stamp + "\n", ""), right.replace(stamp, stamp.replace(stamp[10:22], "0" * 12))):
        path.write_text(wrong)
        assert stale(root) == ["orthant.py"] == stamped(root)
        assert path.read_text() == right and not stale(root)


COVARIANCE = "from adasde.kernels.orthant import sign_covariance; print(sign_covariance(0.3, 0.2, 1.0))"


def test_code_compiled_from_an_edited_helper_is_stale_until_it_is_stamped(copy):
    """What the stamps are for: after an edit of `normal_tail`, numba's cache still gives the old covariance of signs;
    the check says so, and with the new stamp it is compiled anew."""
    root, run = copy
    helper = root / "kernels" / "special.py"
    before = run(program=COVARIANCE).stdout
    text, line = helper.read_text(), "return 1.0 - tail if z < 0.0 else tail"
    assert text.count(line) == 1
    helper.write_text(text.replace(line, "return 1.0 - tail if z < 0.0 else 0.5 * tail"))
    assert run(program=COVARIANCE).stdout == before != ""
    assert "orthant.py" in stale(root) and "orthant.py" in stamped(root)
    assert float(run(program=COVARIANCE).stdout) != pytest.approx(float(before), rel=1e-3)
