"""Optimizers that know more than Adam, beside it: python optimizers.py METHOD RATE [--steps N] [--plain]

METHOD is adam, muon, shampoo, soap or growing (Adam over batches that grow at the same number of rows). The network is
that of `host train` with centred inputs (host/src/train/centre.rs), written so that the gradients need no correction; --plain
leaves the centring out. Trained on the first 55,000 images; the MSE is of the 5,000 others. Prints one line of JSON.
"""

import argparse

import jax
import jax.numpy as jnp

import mnist

arguments = argparse.ArgumentParser()
arguments.add_argument("method", choices=["adam", "muon", "shampoo", "soap", "growing"])
arguments.add_argument("rate", type=float)
arguments.add_argument("--steps", type=int, default=1000)
arguments.add_argument("--plain", action="store_true")
given = arguments.parse_args()

SIZES = [784, 256, 128, 256, 784]
BETA1, BETA2, EPSILON = 0.95, 0.98, 1e-8
BIAS_RATE = 0.008  # biases are vectors: they are always Adam's
REFRESH = 10  # steps between two preconditioners
LARGEST = 256  # sides of matrices beyond it are left as they are: 784 x 784 would cost more than all the rest
BATCHES = {0.0: 128, 0.5: 256, 0.75: 512} if given.method == "growing" else {0.0: 256}

images, _ = mnist.load()
train, held_out = jnp.array(images[:55_000]), jnp.array(images[55_000:])
mean = train.mean(0)
CENTRES = [(0.0, 1.0)] * 4 if given.plain else [(mean, 1.0)] + [(0.5, 4.0)] * 3


def layer(key, inputs, outputs, scale):
    deviation = 4 * (2 / (inputs + outputs)) ** 0.5 / scale
    return deviation * jax.random.normal(key, (inputs, outputs)), jnp.zeros(outputs)


def mse(network, x):
    y = x
    for (weights, bias), (centre, scale) in zip(network, CENTRES):
        y = jax.nn.sigmoid(((y - centre) * scale) @ weights + bias)
    return jnp.mean((y - x) ** 2)


def adam(g, m, v, step):
    """The direction, with Nesterov's momentum; new moments."""
    m, v = BETA1 * m + (1 - BETA1) * g, BETA2 * v + (1 - BETA2) * g * g
    unbias1, unbias2 = 1 / (1 - BETA1**step), 1 / (1 - BETA2**step)
    return (BETA1 * m + (1 - BETA1) * g) * unbias1 / (jnp.sqrt(v * unbias2) + EPSILON), m, v


def orthogonal(g):
    """Five Newton-Schulz iterations towards the nearest orthogonal matrix (Jordan, 2024)."""
    x = g.T if g.shape[0] > g.shape[1] else g
    x = x / (jnp.linalg.norm(x) + 1e-20)
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    x = x.T if g.shape[0] > g.shape[1] else x
    return x * max(1, g.shape[0] / g.shape[1]) ** 0.5


def inverse_root(a):
    values, vectors = jnp.linalg.eigh(a)
    return (vectors * (jnp.maximum(values, 0) + 1e-12 + 1e-6 * values[-1]) ** -0.25) @ vectors.T


@jax.jit
def first_bases(sums):
    """Shampoo: inverse fourth roots of both sides' second moments (Gupta and others, 2018). SOAP: their eigenvectors."""
    return jax.tree.map(inverse_root if given.method == "shampoo" else lambda a: jnp.linalg.eigh(a)[1], sums)


@jax.jit
def next_bases(bases, sums):
    """SOAP: one step of power iteration and a QR decomposition (Vyas and others, 2024)."""
    if given.method == "shampoo":
        return first_bases(sums)
    return jax.tree.map(lambda q, a: jnp.linalg.qr(a @ q)[0], bases, sums)


def turn(left, g, right, back=False):
    if left is not None:
        g = (left if back else left.T) @ g
    return g if right is None else g @ (right.T if back else right)


@jax.jit
def update(network, moments, bases, sums, batch, step, part):
    fall = jnp.minimum(step / 100, 1) * (0.01 + 0.99 * 0.5 * (1 + jnp.cos(jnp.pi * part)))
    value, slopes = jax.value_and_grad(mse)(network, train[batch])
    keep = lambda s, a: s if s is None else BETA1 * s + (1 - BETA1) * a @ a.T
    sums = [(keep(left, g), keep(right, g.T)) for (left, right), (g, _) in zip(sums, slopes)]
    new_network, new_moments = [], []
    for (w, b), (g, db), (m, v, mb, vb), (left, right) in zip(network, slopes, moments, bases):
        if given.method == "soap":  # Adam in the eigenbasis; the momentum is kept in the weights' own
            m = BETA1 * m + (1 - BETA1) * g
            turned = turn(left, g, right)
            v = BETA2 * v + (1 - BETA2) * turned * turned
            ahead = turn(left, BETA1 * m + (1 - BETA1) * g, right) / (1 - BETA1**step)
            direction = turn(left, ahead / (jnp.sqrt(v / (1 - BETA2**step)) + EPSILON), right, back=True)
        else:
            direction, m, v = adam(g, m, v, step)
        if given.method == "muon":
            direction = orthogonal(BETA1 * m + (1 - BETA1) * g)
        if given.method == "shampoo":  # as long as Adam's step: the usual grafting
            turned = turn(left, BETA1 * m + (1 - BETA1) * g, right)
            direction = turned * jnp.linalg.norm(direction) / (jnp.linalg.norm(turned) + 1e-20)
        bias_direction, mb, vb = adam(db, mb, vb, step)
        bias_rate = BIAS_RATE if given.method == "muon" else given.rate
        new_network.append((w - given.rate * fall * direction, b - bias_rate * fall * bias_direction))
        new_moments.append((m, v, mb, vb))
    return new_network, new_moments, sums, value


keys = jax.random.split(jax.random.key(0), len(SIZES) - 1)
network = [
    layer(*sizes, scale) for *sizes, (_, scale) in zip(keys, SIZES, SIZES[1:], CENTRES)
]
if not given.plain:  # the output starts at the mean image
    start = jnp.clip(mean, 0.005, 0.995)
    network[-1] = (network[-1][0], jnp.log(start / (1 - start)))
moments = [(w * 0, w * 0, b * 0, b * 0) for w, b in network]
preconditioned = given.method in ("shampoo", "soap")
square = lambda n: jnp.zeros((n, n)) if preconditioned and n <= LARGEST else None
sums = [tuple(map(square, w.shape)) for w, _ in network]
bases = jax.tree.map(lambda a: jnp.eye(len(a)), sums)

clock, step, seen, rows = mnist.Clock(), 0, 0, given.steps * 256
sources = {size: mnist.batches(train, size, seed) for seed, size in enumerate(BATCHES.values())}
while seen < rows:
    size = max(size for part, size in BATCHES.items() if seen >= part * rows)
    batch = next(sources[size])
    step, seen = step + 1, seen + size
    network, moments, sums, value = update(network, moments, bases, sums, batch, float(step), seen / rows)
    if preconditioned and (step == 1 or step % REFRESH == 0):
        bases = first_bases(sums) if step == 1 else next_bases(bases, sums)
    if step == clock.WARM_UP:
        value.block_until_ready()
    clock.step()
value.block_until_ready()
clock.report(method=given.method, rate=given.rate, plain=given.plain, steps=step, mse=float(jax.jit(mse)(network, held_out)))
