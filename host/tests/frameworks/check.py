"""Checks both directions with the frameworks themselves, at real sizes. `./run` installs them, builds the programs and calls this.

    python check.py FOLDER HOST FIRMWARE_SIM

HOST and FIRMWARE_SIM are the programs; it runs in the root of the repository and writes to FOLDER.
"""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import flax.linen
import jax
import jax.numpy as jnp
import keras
import numpy as np
import onnxruntime
import safetensors.flax
import safetensors.numpy
import safetensors.torch
import torch
from flax.traverse_util import flatten_dict
from torch import nn

folder, host, firmware_sim = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
folder.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(7)


def run(program, *args):
    done = subprocess.run([program, *map(str, args)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{program} {' '.join(map(str, args))}\n{done.stdout}{done.stderr}")
    return done.stdout


with gzip.open("data/mnist/t10k-images-idx3-ubyte.gz") as file:
    digits = np.frombuffer(file.read()[16:], np.uint8).reshape(-1, 784)
x = digits.astype(np.float32) / 255


def mse(y, x=x):
    return float(np.mean((np.asarray(y, np.float64) - x) ** 2))


# From a framework: import, and compare every layer.


def imported(what, name, layers, inputs, outputs, *options):
    arrays = {f"layer.{i}": np.asarray(y, np.float32) for i, y in enumerate(outputs)}
    np.savez(folder / f"{name}.npz", input=inputs, output=np.asarray(outputs[-1], np.float32), **arrays)
    layers = ["--layers", layers] if layers else []
    text = run(
        host, "import", next(folder.glob(f"{name}.[so]*")), *layers, *options, "--check", folder / f"{name}.npz",
        "--out", folder / f"{name}.f32.blob", "--force",
    )
    print(f"{what}: {text.splitlines()[-1].split(': ', 1)[1]}")


sizes = [784, 256, 128, 256, 784]
keras.utils.set_random_seed(7)
torch.manual_seed(7)
modules = [nn.Sequential(nn.Linear(i, o), nn.Sigmoid()) for i, o in zip(sizes, sizes[1:])]
outputs, value = [], torch.from_numpy(x[:200])
with torch.no_grad():
    for module in modules:
        value = module(value)
        outputs.append(value.numpy())
safetensors.torch.save_file(nn.Sequential(*modules).state_dict(), folder / "torch.safetensors")
imported(f"torch {torch.__version__}, 784-256-128-256-784", "torch", "classic", x[:200], outputs)
torch.onnx.export(
    nn.Sequential(*modules).eval(), (torch.from_numpy(x[:200]),), folder / "torch-graph.onnx", dynamo=True,
    external_data=False, dynamic_shapes=({0: torch.export.Dim("rows")},), verbose=False,
)
imported(f"torch {torch.__version__}, the same as ONNX", "torch-graph", None, x[:200], outputs)

# The anomaly detector of MLPerf Tiny, trained for a few steps so that its running means are not those of the start.
hidden = [128, 128, 128, 128, 8, 128, 128, 128, 128]
layers = [keras.Input((640,))]
for size in hidden:
    layers += [keras.layers.Dense(size), keras.layers.BatchNormalization(), keras.layers.Activation("relu")]
anomaly = keras.Sequential([*layers, keras.layers.Dense(640)])
rows = x[:2000, :640]
anomaly.compile("adam", "mse")
anomaly.fit(rows, rows, epochs=3, batch_size=100, verbose=0)
weights = {weight.path: np.ascontiguousarray(keras.ops.convert_to_numpy(weight)) for weight in anomaly.weights}
safetensors.numpy.save_file(weights, folder / "keras.safetensors")
value, outputs = rows[:200], []
for layer in anomaly.layers:
    value = keras.ops.convert_to_numpy(layer(value))
    if not isinstance(layer, (keras.layers.BatchNormalization, keras.layers.Dense)) or layer is anomaly.layers[-1]:
        outputs.append(value)
imported(f"Keras {keras.__version__} on {keras.backend.backend()}, MLPerf Tiny's anomaly detector", "keras", "anomaly", rows[:200], outputs)


class Flax(flax.linen.Module):
    @flax.linen.compact
    def __call__(self, x):
        outputs = []
        for size in sizes[1:]:
            x = flax.linen.sigmoid(flax.linen.Dense(size)(x))
            outputs.append(x)
        return outputs


variables = Flax().init(jax.random.key(7), x[:1])
safetensors.flax.save_file(flatten_dict(variables, sep="/"), folder / "flax.safetensors")
imported(f"Flax {flax.__version__}, 784-256-128-256-784", "flax", "classic", x[:200], Flax().apply(variables, x[:200]))

# To a framework: what the host measures, and what each framework measures.


def networks(name):
    """The outputs of an exported network by every framework that can compute it."""
    session = onnxruntime.InferenceSession(folder / f"{name}.onnx", providers=["CPUExecutionProvider"])
    metadata = json.loads(session.get_modelmeta().custom_metadata_map["autoencoder"])
    layers = [part.rstrip("*") for part in metadata["layers"].split("-")]
    kinds = [part[-1] if part[-1].isalpha() else "s" for part in layers[1:]]
    sizes = [int(part.rstrip("sri")) for part in layers]
    path = folder / f"{name}.safetensors"
    arrays = safetensors.numpy.load_file(path)

    def with_onnxruntime(x):
        return session.run(None, {"input": x})[0]

    def with_numpy(x):
        x = x.astype(np.float64)
        for i, kind in enumerate(kinds):
            z = x @ arrays[f"{2 * i}.weight"].T + arrays[f"{2 * i}.bias"]
            x = {"s": lambda: 1 / (1 + np.exp(-z)), "r": lambda: np.maximum(z, 0), "i": lambda: z}[kind]()
        return x

    def with_torch(x):
        modules = []
        for inputs, outputs, kind in zip(sizes, sizes[1:], kinds):
            modules += [nn.Linear(inputs, outputs), {"s": nn.Sigmoid, "r": nn.ReLU, "i": nn.Identity}[kind]()]
        model = nn.Sequential(*modules)
        model.load_state_dict(safetensors.torch.load_file(path))
        with torch.no_grad():
            return model(torch.from_numpy(x)).numpy()

    def with_jax(x):
        for i, kind in enumerate(kinds):
            z = x @ jnp.asarray(arrays[f"{2 * i}.weight"]).T + arrays[f"{2 * i}.bias"]
            x = {"s": jax.nn.sigmoid, "r": jax.nn.relu, "i": lambda z: z}[kind](z)
        return np.asarray(x)

    def with_keras(x):
        names = {"s": "sigmoid", "r": "relu", "i": None}
        dense = [keras.layers.Dense(size, activation=names[kind]) for size, kind in zip(sizes[1:], kinds)]
        model = keras.Sequential([keras.Input((sizes[0],)), *dense])
        for i, layer in enumerate(dense):
            layer.set_weights([arrays[f"{2 * i}.weight"].T, arrays[f"{2 * i}.bias"]])
        return model.predict(x, batch_size=1000, verbose=0)

    return {
        "numpy": with_numpy, "torch": with_torch, "JAX": with_jax, "Keras": with_keras, "onnxruntime": with_onnxruntime,
    }


def exported(what, name, source, device, x, *options):
    """Exports a network, measures it with each framework, and compares with the host's or the device's error."""
    for format in ["safetensors", "onnx", "f32"]:
        end = f"{format}.blob" if format == "f32" else format
        run(host, "export", source, "--format", format, "--out", folder / f"{name}.{end}", "--force", *options)
    found = {framework: compute(x) for framework, compute in networks(name).items()}
    reference = found.pop("numpy")
    print(f"{what}: MSE by the device's integers {device:.6f}, by numpy in float64 {mse(reference, x):.6f}")
    for framework, y in found.items():
        largest = np.abs(y - reference).max()
        print(f"  {framework}: MSE {mse(y, x):.6f}, largest difference from numpy {largest:.1e}")
        assert largest < 1e-4, "another network"
    return mse(reference, x)


for blob, key in [("classic.int8.blob", "test_mse_int8"), ("classic.int4.blob", "test_mse_int4")]:
    device = json.loads(run(host, "eval", f"models/{blob}", "--json"))[key]
    by_numpy = exported(f"models/{blob}", blob.removesuffix(".blob"), f"models/{blob}", device, x)
    of_floats = json.loads(run(host, "eval", folder / f"{blob.removesuffix('.blob')}.f32.blob", "--json"))["test_mse"]
    print(f"  host eval of the floats: MSE {of_floats:.6f}")
    assert abs(of_floats / by_numpy - 1) < 1e-4 and abs(device / by_numpy - 1) < 0.02

flash = folder / "invert.flash"
flash.unlink(missing_ok=True)
run(firmware_sim, "learn", "--shift", "invert", "--weights", "models/classic.int8.blob", "--flash", flash, "--out", folder / "learned.png")
shifted = (255 - digits).astype(np.float32) / 255
device = json.loads(run(
    firmware_sim, "roundtrip", "--shift", "invert", "--weights", "models/classic.int8.blob", "--flash", flash, "--json",
))["mse"]
learned = exported("what a device learned from inverted digits", "learned", "models/classic.int8.blob", device, shifted, "--flash", flash)
assert abs(device / learned - 1) < 0.02
print("all checks passed")
