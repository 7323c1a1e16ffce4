"""1,000 steps on MNIST beside `host train`, some minutes on two cores: pytest -s host/scale-out/test_digits.py"""

import json
import pathlib
import subprocess

import numpy as np
import pytest

import test_scale_out
import train

ROOT = pathlib.Path(train.__file__).parents[2]
STEPS = ["--steps", "1000"]


def host(*arguments):
    """Runs the host's program. Returns its standard output."""
    command = ["cargo", "run", "--quiet", "--release", "-p", "host", "--", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def test_1000_steps_reach_what_the_host_reaches_on_one_device_and_on_eight(tmp_path):
    ours = test_scale_out.run(STEPS, tmp_path / "one")
    for code, _, errors in test_scale_out.two_processes(STEPS, STEPS, tmp_path / "eight"):
        assert code == 0, errors
    one, eight = [test_scale_out.losses(tmp_path / name).astype(np.float64) for name in ("one", "eight")]
    print(f"\none device: test MSE {ours:.6f}; batch MSE of eight devices: within {abs(eight / one - 1).max():.1e}")
    np.testing.assert_allclose(eight, one, rtol=1e-5)

    # With quantisation-aware steps at the end, as by default, and without them, as here.
    for rounding, tolerance in [("int8", 0.05), ("none", 0.02)]:
        options = [*STEPS, "--quantise-aware", rounding, "--json", "--out", tmp_path / rounding]
        mse = json.loads(host("train", *options))["test_mse"]
        print(f"host train --quantise-aware {rounding}: test MSE {mse:.6f}")
        assert ours == pytest.approx(mse, rel=tolerance)
    network, blob = tmp_path / "one" / "model.safetensors", tmp_path / "model.f32.blob"
    host("import", network, "--out", blob)
    imported = json.loads(host("eval", blob, "--json"))["test_mse"]
    print(f"host eval of the imported network: MSE {imported:.6f}")
    assert imported == pytest.approx(ours, rel=1e-5)
