"""The same network with Adam, compiled by XLA: python jax_adam.py STEPS [RATE]

Glorot-normal weights of gain 4, warm-up over 100 steps, half a cosine to 1 % of the rate, batches of 256. Prints one
line of JSON.
"""

import sys

import jax
import jax.numpy as jnp

import mnist

SIZES = [784, 256, 128, 256, 784]
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8

steps = int(sys.argv[1])
peak = float(sys.argv[2]) if len(sys.argv) > 2 else 0.016
train, test = (jnp.array(rows) for rows in mnist.load())


def layer(key, inputs, outputs):
    deviation = 4 * (2 / (inputs + outputs)) ** 0.5
    return deviation * jax.random.normal(key, (inputs, outputs)), jnp.zeros(outputs)


def mse(network, x):
    y = x
    for weights, bias in network:
        y = jax.nn.sigmoid(y @ weights + bias)
    return jnp.mean((y - x) ** 2)


@jax.jit
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
clock = mnist.Clock()
for step, batch in zip(range(1, steps + 1), mnist.batches(train, 256)):
    network, m, v, value = update(network, m, v, batch, float(step))
    if step == clock.WARM_UP:
        value.block_until_ready()
    clock.step()
value.block_until_ready()
clock.report(test_mse=float(jax.jit(mse)(network, test)))
