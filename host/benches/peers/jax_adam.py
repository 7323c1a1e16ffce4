"""The same network with Adam, compiled by XLA: python jax_adam.py STEPS [RATE] [--layers SIZES] [--batch N] [--scan]

Glorot-normal weights of gain 4, warm-up over 100 steps, half a cosine to 1 % of the rate. A step is a call of a jitted
function; with --scan, all steps are one call (lax.scan). A network of 64 inputs takes digits of 8 x 8 pixels. Prints one
line of JSON.
"""

import argparse
import itertools

import jax
import jax.numpy as jnp
import numpy as np

import mnist

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8

arguments = argparse.ArgumentParser()
arguments.add_argument("steps", type=int)
arguments.add_argument("rate", type=float, nargs="?", default=0.016)
arguments.add_argument("--layers", default="784-256-128-256-784")
arguments.add_argument("--batch", type=int, default=256)
arguments.add_argument("--scan", action="store_true")
given = arguments.parse_args()
steps, peak = given.steps, given.rate
SIZES = [int(size) for size in given.layers.split("-")]
train, test = (jnp.array(mnist.shrunk(rows) if SIZES[0] == 64 else rows) for rows in mnist.load())


def layer(key, inputs, outputs):
    deviation = 4 * (2 / (inputs + outputs)) ** 0.5
    return deviation * jax.random.normal(key, (inputs, outputs)), jnp.zeros(outputs)


def mse(network, x):
    y = x
    for weights, bias in network:
        y = jax.nn.sigmoid(y @ weights + bias)
    return jnp.mean((y - x) ** 2)


def update(network, m, v, batch, step):
    rate = peak * jnp.minimum(step / 100, 1) * (0.01 + 0.99 * 0.5 * (1 + jnp.cos(jnp.pi * step / steps)))
    value, slope = jax.value_and_grad(mse)(network, train[batch])
    m = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, m, slope)
    v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, v, slope)
    unbias1, unbias2 = 1 / (1 - BETA1**step), 1 / (1 - BETA2**step)
    move = lambda p, m, v: p - rate * m * unbias1 / (jnp.sqrt(v * unbias2) + EPSILON)
    return jax.tree.map(move, network, m, v), m, v, value


keys = jax.random.split(jax.random.key(0), len(SIZES) - 1)
network = [layer(*sizes) for sizes in zip(keys, SIZES, SIZES[1:])]
m = v = jax.tree.map(jnp.zeros_like, network)
order = itertools.islice(mnist.batches(train, given.batch), steps)
if given.scan:

    def step(state, given):
        *state, value = update(*state, *given)
        return tuple(state), value

    order, numbers = np.stack(list(order)), np.arange(1.0, steps + 1, dtype=np.float32)
    loop = jax.jit(lambda state, order, numbers: jax.lax.scan(step, state, (order, numbers)))
    loop = loop.lower((network, m, v), order, numbers).compile()
    clock = mnist.Clock(warm_up=0)
    (network, m, v), values = loop((network, m, v), order, numbers)
    values.block_until_ready()
    clock.steps = steps
else:
    update = jax.jit(update)
    clock = mnist.Clock()
    for step, batch in enumerate(order, start=1):
        network, m, v, value = update(network, m, v, batch, float(step))
        if step == clock.warm_up:
            value.block_until_ready()
        clock.step()
    value.block_until_ready()
clock.report(test_mse=float(jax.jit(mse)(network, test)))
