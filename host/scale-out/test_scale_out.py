"""Tests on small data, in about a minute: pytest host/scale-out/test_scale_out.py"""

import concurrent.futures
import gzip
import io
import os
import pathlib
import re
import socket
import subprocess
import sys

import jax
import numpy as np
import pytest
import safetensors.numpy

import data
import recipe
import train

TRAIN = pathlib.Path(train.__file__)
LAYERS = "64-12-6r-12i-64"


def pixels(count, seed):
    """Images `[count, 8, 8]` of a bright rectangle each."""
    random = np.random.default_rng(seed)
    images = np.zeros((count, 8, 8), np.uint8)
    for image in images:
        (top, left), (height, width) = random.integers(0, 5, 2), random.integers(2, 4, 2)
        image[top : top + height, left : left + width] = random.integers(100, 256)
    return images


def idx(images):
    """The bytes of an IDX file."""
    sizes = b"".join(size.to_bytes(4, "big") for size in images.shape)
    return bytes([0, 0, 8, images.ndim]) + sizes + images.tobytes()


@pytest.fixture
def options(tmp_path):
    """The options of a small run, without its output folder."""
    (tmp_path / "train.gz").write_bytes(gzip.compress(idx(pixels(500, 1))))
    (tmp_path / "test").write_bytes(idx(pixels(75, 2)))
    paths = ["--data", str(tmp_path / "train.gz"), "--test", str(tmp_path / "test")]
    return [*paths, "--layers", LAYERS, "--steps", "60", "--batch", "32", "--every", "20"]


def run(options, out):
    """Trains in this process."""
    return train.run(train.arguments([*options, "--out", str(out)]))


def losses(out):
    with np.load(out / "checkpoint.npz") as file:
        return file["loss"]


def start(options, out, devices, more=()):
    """Starts the program with this number of forced devices."""
    flags = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, TRAIN, *options, "--out", out, *more]
    return subprocess.Popen(command, env=os.environ | flags, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def two_processes(options, others, out):
    """Runs two processes of four devices each. Returns the exit code, output and errors of both."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    more = [["--coordinator", address, "--processes", "2", "--process", str(process)] for process in range(2)]
    both = [start(options, out, 4, more[0]), start(others, out.with_name("other"), 4, more[1])]
    try:
        with concurrent.futures.ThreadPoolExecutor() as threads:  # neither waits for the other's output to be read
            texts = list(threads.map(lambda process: process.communicate(timeout=1200), both))
    finally:
        for process in both:
            process.kill()
    return [(process.returncode, *text) for process, text in zip(both, texts)]


def test_all_formats_give_the_same_rows(tmp_path):
    images = pixels(20, 3)
    (tmp_path / "idx").write_bytes(idx(images))
    (tmp_path / "idx.gz").write_bytes(gzip.compress(idx(images)))
    np.save(tmp_path / "bytes.npy", images)
    np.save(tmp_path / "floats.npy", images / 255)
    for name in ["idx", "idx.gz", "bytes.npy", "floats.npy"]:
        rows = data.read(tmp_path / name)
        assert rows.shape == (20, 8, 8)
        np.testing.assert_allclose(recipe.to_unit(rows), images / 255, atol=1e-7)
        for step in (1, 60):  # shifted, and not
            batch = data.Batches(rows, 8, 60, 1).at(step)(slice(0, 8))
            expected = data.Batches(images, 8, 60, 1).at(step)(slice(0, 8))
            np.testing.assert_allclose(recipe.to_unit(batch), expected / 255, atol=1e-7)
        np.testing.assert_allclose(data.Batches(rows, 8, 60, 1).mean(), images.reshape(20, 64).mean(0) / 255, atol=1e-6)


def test_wrong_files_are_refused_by_name(tmp_path):
    damaged, archive = gzip.compress(idx(pixels(9, 1))), io.BytesIO()
    np.savez(archive, rows=np.zeros((3, 4)))
    np.save(tmp_path / "array", np.zeros((3, 4)))
    for name, content, message in [
        ("text", b"0.1,0.2\n", "expected an IDX file of unsigned bytes"),
        ("short", idx(pixels(9, 1))[:-1], "591 bytes; expected 592"),
        ("long", idx(pixels(9, 1)) + b"\0", "593 bytes; expected 592"),
        ("cut.gz", damaged[:-20], "a damaged gzip file"),
        ("none.gz", b"\x1f\x8b no gzip", "a damaged gzip file"),
        ("empty.npy", b"", "expected a whole .npy array"),
        ("archive.npy", archive.getvalue(), "expected one .npy array, not an archive"),
        ("half.npy", archive.getvalue()[:-30], "expected a whole .npy array"),
        ("flipped.gz", damaged[:30] + bytes([damaged[30] ^ 255]) + damaged[31:], "a damaged gzip file"),
        ("cut.npy", (tmp_path / "array.npy").read_bytes()[:-1], "expected a whole .npy array"),
        ("labels", idx(np.arange(5, dtype=np.uint8)), "shape [5]"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=re.escape(message)) as error:
            data.read(tmp_path / name)
        assert str(error.value).startswith(str(tmp_path / name)), name
    for array, message in [
        (np.full((2, 2), np.nan), "floats in [0, 1]"),
        (np.full((2, 2), 1.5, np.float32), "from 1.5 to 1.5"),
        (np.zeros((2, 2), np.int32), "type int32"),
        (np.zeros((0, 4), np.uint8), "shape [0, 4]"),
        (np.zeros((2, 2, 2, 2), np.uint8), "shape [2, 2, 2, 2]"),
    ]:
        np.save(tmp_path / "array.npy", array)
        with pytest.raises(ValueError, match=re.escape(message)):
            data.read(tmp_path / "array.npy")


def test_layers_are_those_of_the_host():
    assert [layer[1:] for layer in recipe.parse_layers("9-4r-2*-4i-9")] == [(9, 4, "r"), (4, 2, "s"), (2, 4, "i"), (4, 9, "s")]
    for text in ["9", "9-", "9r-9", "9*-9", "9-0-9", "9-4x-9", "9-4*-4*-9", "9-4-8", "9-65536-9", "-".join(["9"] * 18)]:
        with pytest.raises(ValueError, match=re.escape(f"--layers {text}:")):
            recipe.parse_layers(text)


def test_a_pass_takes_each_row_once_and_shifts_half_of_a_batch():
    images = pixels(70, 4)
    images[:, 0, 0] = np.arange(70)  # marks the row; a shift may repeat it but not replace it by another mark
    batches = data.Batches(images, 16, 100, 1)
    for numbered in (range(1, 5), range(5, 9)):
        first_halves = np.concatenate([batches.at(step)(slice(0, 8))[:, 0] for step in numbered])
        assert len(set(first_halves)) == 32  # none twice
    found = set()
    for step in range(1, 101):
        rows = batches.at(step)
        order = np.random.default_rng([1, 1, (step - 1) // 4]).permutation(70)[(step - 1) % 4 * 16 :][:16]
        np.testing.assert_array_equal(rows(slice(0, 8)), images[order[:8]].reshape(8, 64))
        np.testing.assert_array_equal(np.concatenate([rows(slice(0, 12)), rows(slice(12, 16))]), rows(slice(None)))
        padded = np.pad(images[order[8:]], [(0, 0), (1, 1), (1, 1)], mode="edge")
        shifts = {(1 - y, 1 - x): padded[:, y : y + 8, x : x + 8].reshape(8, 64) for y in range(3) for x in range(3)}
        fits = [by for by, expected in shifts.items() if np.array_equal(rows(slice(8, 16)), expected)]
        assert fits == [(0, 0)] if step > 70 else len(fits) == 1
        found.update(fits)
    assert len(found) == 9
    rows = data.Batches(images.reshape(70, 64), 16, 100, 1)  # rows that are no images are not shifted
    np.testing.assert_array_equal(rows.at(1)(slice(8, 16)), images.reshape(70, 64)[rows.order[1][8:16]])


def test_steps_are_those_of_the_recipe():
    """Compares with NumPy in `float64`, with gradients by hand, written like the host: W and b, and turned gradients."""
    rows, steps = pixels(32, 5).reshape(32, 64), 6
    layers, x = recipe.parse_layers(LAYERS), rows / 255
    mean = x.mean(0)
    centres, state = recipe.centres(layers, mean.astype(np.float32)), recipe.initial_state(layers, mean, 7)
    sigmoid = lambda z: 1 / (1 + np.exp(-z))
    forward = {"s": sigmoid, "r": lambda z: np.maximum(z, 0), "i": lambda z: z}
    slope = {"s": lambda y: y * (1 - y), "r": lambda y: y > 0, "i": np.ones_like}
    means, scales = [mean, np.full(12, 0.5), np.zeros(6), np.zeros(12)], [1, 4, 1, 1]
    network = []
    for layer, c in zip(layers, means):
        w = state["parameters"][f"{layer.name}.kernel"].astype(float)
        network.append([w, state["parameters"][f"{layer.name}.bias"] - c @ w])
    moments = [[[np.zeros_like(p), np.zeros_like(p)] for p in pair] for pair in network]
    update = jax.jit(lambda *arguments: recipe.update(layers, centres, *arguments))
    for step in range(1, steps + 1):
        outputs = [x]
        for layer, (w, b) in zip(layers, network):
            outputs.append(forward[layer.activation](outputs[-1] @ w + b))
        expected = ((outputs[-1] - x) ** 2).mean()
        state, mse = update(state, rows, recipe.rate(step, steps), recipe.corrections(step))
        assert float(mse) == pytest.approx(expected, rel=1e-4)
        d = 2 * (outputs[-1] - x) / x.size
        rate = step / 100 * 0.008 * (0.01 + 0.99 * (1 + np.cos(np.pi * step / steps)) / 2)
        for at in reversed(range(4)):
            w, b = network[at]
            dz = d * slope[layers[at].activation](outputs[at + 1])
            d, db = dz @ w.T, dz.sum(0)
            taken = []
            for g, moment in zip([outputs[at].T @ dz - np.outer(means[at], db), db], moments[at]):
                moment[0] = 0.95 * moment[0] + 0.05 * g
                moment[1] = 0.98 * moment[1] + 0.02 * g**2
                ahead = (0.95 * moment[0] + 0.05 * g) / (1 - 0.95**step)
                taken.append(rate * ahead / (np.sqrt(moment[1] / (1 - 0.98**step)) + 1e-8))
            w -= scales[at] * taken[0]
            b -= taken[1] - scales[at] * means[at] @ taken[0]
    trained = recipe.uncentred(layers, centres, state["parameters"])
    for layer, (w, b) in zip(layers, network):
        np.testing.assert_allclose(trained[f"{layer.name}.kernel"], w, atol=3e-5)
        np.testing.assert_allclose(trained[f"{layer.name}.bias"], b, atol=3e-5)


def test_the_rate_rises_for_100_steps_and_falls_along_half_a_cosine():
    # The values of `Recipe::rate` in host/src/train/recipe.rs without quantisation-aware steps, by hand.
    for step, expected in [(1, 0.00008), (50, 0.0039756), (100, 0.0078062), (500, 0.00404), (1000, 0.00008)]:
        assert recipe.rate(step, 1000) == pytest.approx(expected, rel=1e-4)


def test_initial_weights_have_the_deviation_of_glorot_and_outputs_start_at_the_mean_row():
    layers, mean = recipe.parse_layers("300-200-100r-200i-300"), np.linspace(0, 1, 300)
    parameters = recipe.initial_parameters(layers, mean, 1)
    for name, deviation in [("dense_0", 4 / 250**0.5), ("dense_1", 2**0.5 / 150**0.5), ("dense_2", 1 / 150**0.5)]:
        assert parameters[f"{name}.kernel"].std() == pytest.approx(deviation, rel=0.02)
        assert not parameters[f"{name}.bias"].any()
    start = 1 / (1 + np.exp(-parameters["dense_3.bias"]))
    np.testing.assert_allclose(start, np.clip(mean, 0.005, 0.995), atol=1e-6)


def test_eight_devices_in_two_processes_train_like_one(options, tmp_path):
    mse = run(options, tmp_path / "one")
    for code, output, errors in two_processes(options, options, tmp_path / "eight"):
        assert code == 0, errors
    one, eight = losses(tmp_path / "one"), losses(tmp_path / "eight")
    assert one[-1] < 0.9 * one[0] and len(one) == 60
    np.testing.assert_allclose(eight, one, rtol=1e-5)
    plain = [safetensors.numpy.load_file(tmp_path / run / "model.safetensors") for run in ("one", "eight")]
    for name in plain[0]:
        np.testing.assert_allclose(plain[0][name], plain[1][name], atol=1e-5, err_msg=name)
    assert not (tmp_path / "other").exists()  # process 1 writes nothing
    assert 0 < mse < 0.05


def test_processes_that_differ_are_refused(options, tmp_path):
    for other in (["--seed", "2"], ["--every", "30"], ["--test", str(tmp_path / "train.gz")]):
        for code, _, errors in two_processes(options, [*options, *other], tmp_path / "out"):
            assert code != 0
            assert "the processes differ in their options or rows" in errors
        assert not (tmp_path / "out").exists()


def test_a_run_that_was_cut_ends_with_the_same_bytes(options, tmp_path, monkeypatch):
    run(options, tmp_path / "whole")
    save = train.Trainer.save

    def cut(trainer):
        save(trainer)
        raise KeyboardInterrupt

    monkeypatch.setattr(train.Trainer, "save", cut)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(options, tmp_path / "cut")
    assert np.count_nonzero(losses(tmp_path / "cut")) == 40
    monkeypatch.undo()
    run(options, tmp_path / "cut")
    whole, cut = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "cut")]
    assert whole == cut
    np.testing.assert_array_equal(losses(tmp_path / "cut"), losses(tmp_path / "whole"))


def test_the_written_network_is_plain_and_has_the_reported_mse(options, tmp_path):
    mse = run(options, tmp_path / "out")
    network = safetensors.numpy.load_file(tmp_path / "out" / "model.safetensors")
    with safetensors.safe_open(tmp_path / "out" / "model.safetensors", "np") as file:
        assert file.metadata() == {"autoencoder": f'{{"layers": "{LAYERS}", "steps": 60, "code_bits": 8}}'}
    y = x = pixels(75, 2).reshape(75, 64) / 255  # 75 rows are no multiple of the batch
    for layer, activation in enumerate("sris"):
        z = y @ network[f"dense_{layer}.kernel"] + network[f"dense_{layer}.bias"]
        y = {"s": 1 / (1 + np.exp(-z)), "r": np.maximum(z, 0), "i": z}[activation]
    assert ((y - x) ** 2).mean() == pytest.approx(mse, rel=1e-4)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["checkpoint.npz", "model.safetensors"]


def test_wrong_options_are_one_line(options, tmp_path):
    run(options, tmp_path / "out")
    checkpoint = (tmp_path / "out" / "checkpoint.npz").read_bytes()
    array, without = io.BytesIO(), io.BytesIO()
    np.save(array, np.zeros(3))
    with np.load(tmp_path / "out" / "checkpoint.npz") as file:
        np.savez(without, **{name: file[name] for name in file if name != "loss"})
    wrong = {"damaged": checkpoint[:-100], "empty": b"", "array": array.getvalue(), "without": without.getvalue()}
    for name, content in wrong.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "checkpoint.npz").write_bytes(content)
    (tmp_path / "network").mkdir()
    (tmp_path / "network" / "model.safetensors").write_bytes(b"of somebody")
    for more, out, message in [
        (["--batch", "501"], "new", "--batch 501: expected at most 500"),
        (["--layers", "63-9-63"], "new", "rows of 64 numbers; --layers 63-9-63 takes 63"),
        (["--seed", "2"], "out", "checkpoint.npz: a run with"),
        *(([], name, "checkpoint.npz: not a checkpoint, or a damaged one") for name in wrong),
        ([], "network", "model.safetensors: a network is there, and no checkpoint of its run: give another --out"),
        (["--data", "missing.npy"], "new", "missing.npy"),
    ]:
        with pytest.raises((ValueError, OSError), match=re.escape(message)):
            run([*options, *more], tmp_path / out)
    assert (tmp_path / "out" / "checkpoint.npz").read_bytes() == checkpoint
    assert (tmp_path / "network" / "model.safetensors").read_bytes() == b"of somebody"
    assert not (tmp_path / "new").exists()
    process = start([*options, "--batch", "30"], tmp_path / "new", 4)
    _, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (1, "error: --batch 30: expected a multiple of 4, the number of devices\n")
    for wrong in (["--steps", "0"], ["--seed", "-1"], ["--process", "0"]):
        with pytest.raises(SystemExit) as code:
            train.arguments([*options, *wrong])
        assert code.value.code == 2
