"""Makes the files in this folder with the frameworks themselves. `./run` in this folder installs their versions first.

    python make.py FOLDER

Each NAME.safetensors or NAME.onnx has a NAME.npz beside it: `input`, the outputs of each layer as `layer.0`, `layer.1`, and
so on, and `output`, all computed by the framework.
"""

import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"  # its ONNX export has MatMul and Add

import flax.linen
import jax
import keras
import numpy as np
import onnx
import safetensors.flax
import safetensors.numpy
import safetensors.torch
import torch
from flax.traverse_util import flatten_dict
from torch import nn

SIZES = [12, 8, 3, 8, 12]
ROWS = 7
folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
torch.manual_seed(1)
rng = np.random.default_rng(1)
inputs = rng.random((ROWS, SIZES[0]), dtype=np.float32)


def save_outputs(name, layers):
    """Writes the inputs and what each layer makes of them."""
    arrays = {f"layer.{i}": np.asarray(y, np.float32) for i, y in enumerate(layers)}
    np.savez_compressed(folder / f"{name}.npz", input=inputs, output=arrays[f"layer.{len(layers) - 1}"], **arrays)


def numbers(*shape):
    """Numbers that are not those of an initialization: a forgotten bias or mean must show."""
    return rng.normal(0, 0.5, shape).astype(np.float32)


def set_torch(model):
    """Gives every parameter and every running mean a value."""
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("running_var"):
                tensor.copy_(torch.from_numpy(0.05 + rng.random(tuple(tensor.shape), np.float32)))
            elif tensor.is_floating_point():
                tensor.copy_(torch.from_numpy(numbers(*tensor.shape)))
    return model.eval()


def torch_outputs(blocks, x=inputs):
    """The outputs of each block, one after the other."""
    x, outputs = torch.from_numpy(x), []
    with torch.no_grad():
        for block in blocks:
            x = block(x)
            outputs.append(x.numpy())
    return outputs


# Torch, as an encoder and a decoder: `decoder` comes before `encoder` in the alphabet.
class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(12, 8), nn.Sigmoid(), nn.Linear(8, 3), nn.Sigmoid())
        self.decoder = nn.Sequential(nn.Linear(3, 8), nn.Sigmoid(), nn.Linear(8, 12), nn.Sigmoid())

    def forward(self, x):
        return self.decoder(self.encoder(x))


plain = set_torch(Autoencoder())
for kind, dtype in [("f32", torch.float32), ("f64", torch.float64), ("f16", torch.float16), ("bf16", torch.bfloat16)]:
    stored = Autoencoder().to(dtype)
    stored.load_state_dict(plain.state_dict())
    safetensors.torch.save_model(stored, folder / f"torch-{kind}.safetensors")
    rounded = stored.float()  # the numbers of the file, computed with in f32
    halves = [rounded.encoder[:2], rounded.encoder[2:], rounded.decoder[:2], rounded.decoder[2:]]
    save_outputs(f"torch-{kind}", torch_outputs(halves))

# Torch with batch normalisation, in a Sequential.
normalised = set_torch(
    nn.Sequential(
        nn.Linear(12, 8), nn.BatchNorm1d(8), nn.ReLU(),
        nn.Linear(8, 3, bias=False), nn.BatchNorm1d(3, affine=False), nn.Sigmoid(),
        nn.Linear(3, 8), nn.ReLU(),
        nn.Linear(8, 12),
    )
)
blocks = [normalised[:3], normalised[3:6], normalised[6:8], normalised[8:]]
safetensors.torch.save_file(normalised.state_dict(), folder / "torch-normalised.safetensors")
save_outputs("torch-normalised", torch_outputs(blocks))

# The same as graphs: of both exporters, with an image as the input, and of one of them as the output, too.
image = nn.Sequential(nn.Flatten(), *normalised).eval()
x = torch.from_numpy(inputs).reshape(ROWS, 3, 4)
torch.onnx.export(
    image, (x,), folder / "torch-script.onnx", dynamo=False, do_constant_folding=False,
    training=torch.onnx.TrainingMode.PRESERVE,
    input_names=["image"], output_names=["decoded"], dynamic_axes={"image": {0: "rows"}, "decoded": {0: "rows"}},
)
rows = torch.export.Dim("rows")
torch.onnx.export(
    image.append(nn.Unflatten(1, (3, 4))), (x,), folder / "torch-dynamo.onnx", dynamo=True, external_data=False, verify=True,
    input_names=["image"], output_names=["decoded"], dynamic_shapes=({0: rows},),
)
for name in ["torch-dynamo", "torch-script"]:
    save_outputs(name, torch_outputs(blocks))

# Keras, as the anomaly detector of MLPerf Tiny: dense, batch normalisation, ReLU.
layers = [keras.Input((12,))]
for size in SIZES[1:-1]:
    layers += [keras.layers.Dense(size), keras.layers.BatchNormalization(), keras.layers.Activation("relu")]
model = keras.Sequential([*layers, keras.layers.Dense(12)])
for weight in model.weights:
    positive = weight.path.endswith("moving_variance")
    weight.assign(0.05 + rng.random(weight.shape, np.float32) if positive else numbers(*weight.shape))
weights = {weight.path: np.ascontiguousarray(keras.ops.convert_to_numpy(weight)) for weight in model.weights}
safetensors.numpy.save_file(weights, folder / "keras.safetensors")
x, outputs = inputs, []
for layer in model.layers:
    x = keras.ops.convert_to_numpy(layer(x))
    outputs.append(x)
outputs = [outputs[i] for i in [2, 5, 8, 9]]
save_outputs("keras", outputs)
model(inputs)  # a model that was never called has no shapes to export
model.export(folder / "keras-onnx.onnx", format="onnx", verbose=False)
save_outputs("keras-onnx", outputs)


# Flax.
class Flax(flax.linen.Module):
    @flax.linen.compact
    def __call__(self, x):
        outputs = []
        for size in SIZES[1:-1]:
            x = flax.linen.Dense(size)(x)
            x = flax.linen.relu(flax.linen.BatchNorm(use_running_average=True)(x))
            outputs.append(x)
        return [*outputs, flax.linen.sigmoid(flax.linen.Dense(12)(x))]


def flax_number(path, leaf):
    return 0.05 + rng.random(leaf.shape, np.float32) if path[-1].key == "var" else numbers(*leaf.shape)


variables = jax.tree_util.tree_map_with_path(flax_number, Flax().init(jax.random.key(1), inputs))
safetensors.flax.save_file(flatten_dict(variables, sep="."), folder / "flax.safetensors")
save_outputs("flax", Flax().apply(variables, inputs))

for path in sorted(folder.glob("*.onnx")):
    model = onnx.load(path)
    for part in [model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output]:
        part.ClearField("metadata_props")  # the paths of this machine's sources
    onnx.checker.check_model(model)
    onnx.save(model, path)
    print(path.name, " ".join(node.op_type for node in model.graph.node), path.stat().st_size, "bytes")
for path in sorted(folder.glob("*.safetensors")):
    print(path.name, *sorted(safetensors.numpy.load_file(path)) if "bf16" not in path.name else "", path.stat().st_size, "bytes")
