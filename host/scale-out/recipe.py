"""A dense autoencoder and the default recipe of `host train`, in JAX.

The recipe has Nesterov's Adam, centred inputs in every layer, a warm-up, and half a cosine. It has no quantisation-aware
steps. Letters: `x` inputs, `y` outputs, `z` sums of a layer, `c` the centre of its inputs, `W` its kernel, `b` its bias.

The host keeps W and b and turns their gradients (host/src/train/centre.rs). Here, the parameters themselves are those of
the centred form, and JAX derives its gradients:

    z = (x - c)·W + b̃        W -= scale · steps(dW)        b̃ -= steps(db̃)        b = b̃ - c·W

Both give the same networks, up to rounding.
"""

import re
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

BETA1, BETA2, EPSILON = 0.95, 0.98, 1e-8
PEAK_RATE, LAST_RATE, WARM_UP = 0.008, 0.01, 100
SHIFTED_STEPS = 0.7
"""The fraction of the steps, from the first, in which half of each batch is shifted."""

ACTIVATIONS = {"s": jax.nn.sigmoid, "r": jax.nn.relu, "i": lambda z: z}
GAINS = {"s": 4.0, "r": 2**0.5, "i": 1.0}


class Layer(NamedTuple):
    """Sizes and activation of a dense layer."""

    name: str
    inputs: int
    outputs: int
    activation: str


class Centre(NamedTuple):
    """The centre `[inputs]` of a layer's inputs, and the scale of the centred inputs."""

    mean: np.ndarray
    scale: float


def parse_layers(text):
    """Layers of `784-256-128-256-784`, the notation of `host train --layers`. An autoencoder has as many outputs as inputs."""
    parts = [re.fullmatch(r"([1-9][0-9]{0,4})([sri]?)(\*?)", part) for part in text.split("-")]
    wrong = not 2 <= len(parts) <= 17 or None in parts or parts[0][2] or parts[0][3] or text.count("*") > 1
    if wrong or any(int(part[1]) > 65_535 for part in parts):
        raise ValueError(f"--layers {text}: expected sizes of 1 to 65535 like 784-256r-128-256r-784, of 1 to 16 layers")
    sizes = [int(part[1]) for part in parts]
    if sizes[0] != sizes[-1]:
        raise ValueError(f"--layers {text}: {sizes[0]} inputs, {sizes[-1]} outputs; expected as many outputs as inputs")
    activations = [part[2] or "s" for part in parts[1:]]
    pairs = zip(sizes, sizes[1:], activations)
    return [Layer(f"dense_{index}", *pair) for index, pair in enumerate(pairs)]


def centres(layers, mean):
    """The centre of each layer's inputs: the mean row `[inputs]`, 1/2 after a sigmoid, none (0) after other layers."""
    found = [Centre(mean, 1.0)]
    for layer in layers[1:]:
        sigmoid = layers[len(found) - 1].activation == "s"
        found.append(Centre(np.full(layer.inputs, 0.5 if sigmoid else 0.0, np.float32), 4.0 if sigmoid else 1.0))
    return found


def initial_parameters(layers, mean, seed):
    """Glorot-normal kernels `[inputs, outputs]`, and biases b̃ `[outputs]` with which the outputs start at the mean row."""
    random = np.random.default_rng([seed, 0])
    parameters = {}
    for layer in layers:
        deviation = GAINS[layer.activation] * (2 / (layer.inputs + layer.outputs)) ** 0.5
        kernel = deviation * random.standard_normal((layer.inputs, layer.outputs))
        parameters[f"{layer.name}.kernel"] = kernel.astype(np.float32)
        parameters[f"{layer.name}.bias"] = np.zeros(layer.outputs, np.float32)
    clipped = np.clip(mean, 0.005, 0.995)
    last = np.log(clipped / (1 - clipped)) if layers[-1].activation == "s" else mean
    parameters[f"{layers[-1].name}.bias"] = last.astype(np.float32)
    return parameters


def initial_state(layers, mean, seed):
    """Parameters, first and second moments: each a dictionary from names to arrays."""
    parameters = initial_parameters(layers, mean, seed)
    moments = {name: np.zeros_like(array) for name, array in parameters.items()}
    return {"parameters": parameters, "m": moments, "v": dict(moments)}


def uncentred(layers, centres, parameters):
    """The parameters of the plain network `z = x·W + b`."""
    plain = {name: np.asarray(array) for name, array in parameters.items()}
    for layer, centre in zip(layers, centres):
        shift = centre.mean.astype(np.float64) @ plain[f"{layer.name}.kernel"].astype(np.float64)
        plain[f"{layer.name}.bias"] = (plain[f"{layer.name}.bias"] - shift).astype(np.float32)
    return plain


def to_unit(rows):
    """Bytes as numbers in [0, 1]; floats as they are."""
    return rows.astype(jnp.float32) / 255 if rows.dtype == jnp.uint8 else rows


def squared_errors(layers, centres, parameters, rows):
    """The mean of `(y - x)²` over the elements of each row: `[rows]`."""
    x = y = to_unit(rows)
    for layer, centre in zip(layers, centres):
        z = (y - centre.mean) @ parameters[f"{layer.name}.kernel"] + parameters[f"{layer.name}.bias"]
        y = ACTIVATIONS[layer.activation](z)
    return jnp.mean((y - x) ** 2, axis=1)


def rate(step, steps):
    """The learning rate at `step` (from 1) of `steps`."""
    fall = 0.5 * (1 + np.cos(np.pi * step / steps))
    return min(step / WARM_UP, 1) * PEAK_RATE * (LAST_RATE + (1 - LAST_RATE) * fall)


def corrections(step):
    """Adam's factors `1 / (1 - βᵗ)` for the moments at `step` (from 1)."""
    return 1 / (1 - BETA1**step), 1 / (1 - BETA2**step)


def update(layers, centres, state, rows, rate, corrections):
    """One step on a batch `[rows, inputs]`. Returns the new state and the MSE of the batch before it."""
    loss = lambda parameters: jnp.mean(squared_errors(layers, centres, parameters, rows))
    mse, gradients = jax.value_and_grad(loss)(state["parameters"])
    scales = {f"{layer.name}.kernel": centre.scale for layer, centre in zip(layers, centres)}
    new = {"parameters": {}, "m": {}, "v": {}}
    for name, g in gradients.items():
        m = BETA1 * state["m"][name] + (1 - BETA1) * g
        v = BETA2 * state["v"][name] + (1 - BETA2) * g * g
        ahead = BETA1 * m + (1 - BETA1) * g  # Nesterov's momentum
        step = rate * corrections[0] * ahead / (jnp.sqrt(corrections[1] * v) + EPSILON)
        new["parameters"][name] = state["parameters"][name] - scales.get(name, 1.0) * step
        new["m"][name], new["v"][name] = m, v
    return new, mse
