"""Trains the autoencoder of `host train` on any number of devices and hosts, and writes it for `host import`.

Each step splits its batch over all devices and averages their gradients. Each host has the same files. The run continues
from the checkpoint in its output folder, if there is one. docs/scale-out.md says when this is needed.
"""

import argparse
import functools
import io
import json
import os
import pathlib
import sys
import time
import zipfile
import zlib

import jax
import numpy as np
import safetensors.numpy
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding, PartitionSpec

import data
import recipe

MNIST = pathlib.Path(__file__).resolve().parents[2] / "data" / "mnist"


def arguments(given=None):
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    positive, natural = whole(1), whole(0)
    parser.add_argument("--layers", default="784-256-128-256-784", help="as of `host train` [%(default)s]")
    parser.add_argument("--data", default=MNIST / "train-images-idx3-ubyte.gz", help="training rows: IDX or .npy [%(default)s]")
    parser.add_argument("--test", default=MNIST / "t10k-images-idx3-ubyte.gz", help="test rows [%(default)s]")
    parser.add_argument("--steps", type=positive, default=30_000, help="training steps [%(default)s]")
    parser.add_argument("--batch", type=positive, default=256, help="rows per step, over all devices [%(default)s]")
    parser.add_argument("--seed", type=natural, default=1, help="of the weights and the order of the rows [%(default)s]")
    parser.add_argument("--every", type=positive, default=1000, help="steps between checkpoints [%(default)s]")
    parser.add_argument("--out", type=pathlib.Path, default="artifacts/scale-out", help="output folder [%(default)s]")
    parser.add_argument("--coordinator", metavar="HOST:PORT", help="address of process 0, if there are several")
    parser.add_argument("--processes", type=positive, help="number of processes")
    parser.add_argument("--process", type=natural, help="number of this process, from 0")
    args = parser.parse_args(given)
    several = [args.coordinator, args.processes, args.process]
    if None in several and several != [None] * 3:
        parser.error("--coordinator, --processes and --process go together")
    if args.processes and args.process >= args.processes:
        parser.error(f"--process {args.process}: expected less than {args.processes}, the number of processes")
    return args


def whole(least):
    """Reads a whole number that is at least `least`."""

    def read(text):
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text}: expected a whole number, at least {least}")
        return int(text)

    return read


class Trainer:
    """A run: its data, its state on the devices, and the MSE of each batch so far."""

    def __init__(self, args):
        self.layers, self.steps, self.out = recipe.parse_layers(args.layers), args.steps, args.out
        rows, test = data.read(args.data), data.read(args.test)
        self.batches, self.test = data.Batches(rows, args.batch, args.steps, args.seed), test.reshape(len(test), -1)
        for path, found in [(args.data, self.batches.rows), (args.test, self.test)]:
            if found.shape[1] != self.layers[0].inputs:
                needed = self.layers[0].inputs
                raise ValueError(f"{path}: rows of {found.shape[1]} numbers; --layers {args.layers} takes {needed}")
        devices = jax.device_count()
        if args.batch % devices:
            raise ValueError(f"--batch {args.batch}: expected a multiple of {devices}, the number of devices")
        self.settings = {name: getattr(args, name) for name in ["layers", "steps", "batch", "seed"]}
        self.settings["data"] = self.batches.crc()
        agreed = self.settings | {"every": args.every, "test": zlib.crc32(np.ascontiguousarray(self.test))}
        try:
            multihost_utils.assert_equal(np.uint32(zlib.crc32(json.dumps(agreed).encode())))
        except AssertionError:
            message = f"the processes differ in their options or rows; process {jax.process_index()} has"
            raise ValueError(f"{message} {agreed}") from None

        mesh = jax.make_mesh((devices,), ("batch",))
        self.split, self.replicated = NamedSharding(mesh, PartitionSpec("batch")), NamedSharding(mesh, PartitionSpec())
        mean = self.batches.mean()
        self.centres = recipe.centres(self.layers, mean)
        state, self.loss, self.step = self.resume(recipe.initial_state(self.layers, mean, args.seed))
        self.state = jax.device_put(state, self.replicated)
        network = (self.layers, self.centres)
        self.update = jax.jit(functools.partial(recipe.update, *network), donate_argnums=0, out_shardings=self.replicated)
        self.sum = jax.jit(functools.partial(sum_of_errors, *network), out_shardings=self.replicated)

    def resume(self, state):
        """State, batch losses and number of steps of the checkpoint of process 0; `state` and 0 if it has none."""
        loss, step, path = np.zeros(self.steps, np.float32), 0, self.out / "checkpoint.npz"
        network = self.out / "model.safetensors"
        if jax.process_index() == 0 and not path.exists() and network.exists():
            raise ValueError(f"{network}: a network is there, and no checkpoint of its run: give another --out")
        if jax.process_index() == 0 and path.exists():
            state, loss, step = read_checkpoint(path, self.settings, state, loss)
        state, loss, step = multihost_utils.broadcast_one_to_all((state, loss, np.int32(step)))
        return state, np.array(loss), int(step)

    def distribute(self, rows, source):
        """An array `[rows, inputs]` over all devices. Each host makes the parts of its own devices, by `source`."""
        shape = (rows, self.layers[0].inputs)
        return jax.make_array_from_callback(shape, self.split, lambda index: source(index[0]))

    def take_steps(self, until):
        """Takes the steps up to `until`."""
        first, losses = self.step, []
        while self.step < until:
            self.step += 1
            rows = self.distribute(self.batches.batch, self.batches.at(self.step))
            rate = recipe.rate(self.step, self.steps)
            self.state, loss = self.update(self.state, rows, rate, recipe.corrections(self.step))
            losses.append(loss)
            losses[max(len(losses) - 3, 0)].block_until_ready()  # at most three steps wait for the devices
        self.loss[first:until] = losses
        if not np.isfinite(self.loss[first:until]).all():
            raise ValueError(f"step {until}: the loss is not finite")

    def test_mse(self):
        """The MSE over all test rows."""
        total, size = 0.0, self.batches.batch
        for first in range(0, len(self.test), size):
            rows = self.test[first : first + size]
            count = len(rows)
            rows = np.pad(rows, [(0, size - count), (0, 0)])
            total += float(self.sum(self.state["parameters"], self.distribute(size, rows.__getitem__), count))
        return total / len(self.test)

    def save(self):
        """Writes the checkpoint."""
        arrays = {f"{part}/{name}": array for part, arrays in self.state.items() for name, array in arrays.items()}
        file = io.BytesIO()
        np.savez(file, settings=json.dumps(self.settings), step=self.step, loss=self.loss, **arrays)
        write(self.out / "checkpoint.npz", file.getvalue())

    def save_network(self):
        """Writes the trained network: for each layer, `NAME.kernel` `[inputs, outputs]` and `NAME.bias` `[outputs]`.

        The metadata is that of the host's own files (host/src/weights/metadata.rs).
        """
        network = recipe.uncentred(self.layers, self.centres, self.state["parameters"])
        metadata = {"layers": self.settings["layers"], "steps": self.step, "code_bits": 8}
        content = safetensors.numpy.save(network, {"autoencoder": json.dumps(metadata)})
        write(self.out / "model.safetensors", content)


def read_checkpoint(path, settings, state, loss):
    """State, batch losses and number of steps of a checkpoint, whose arrays have the shapes of `state` and `loss`."""
    damaged = f"{path}: not a checkpoint, or a damaged one"
    try:
        arrays = dict(np.load(path, allow_pickle=False))
        found = json.loads(str(arrays["settings"]))
    except (EOFError, KeyError, MemoryError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{damaged}: {error}") from None
    if found != settings:
        raise ValueError(f"{path}: a run with {found}; this one has {settings}: give another --out")
    shapes = {f"{part}/{name}": array.shape for part, named in state.items() for name, array in named.items()}
    for name, shape in [*shapes.items(), ("loss", loss.shape), ("step", ())]:
        if name not in arrays or arrays[name].shape != shape:
            raise ValueError(f"{damaged}: expected {name} of shape {list(shape)}")
    state = {part: {name: arrays[f"{part}/{name}"] for name in named} for part, named in state.items()}
    return state, arrays["loss"], int(arrays["step"])


def sum_of_errors(layers, centres, parameters, rows, count):
    """The sum of the first `count` rows' errors."""
    errors = recipe.squared_errors(layers, centres, parameters, rows)
    return (errors * (np.arange(len(rows)) < count)).sum()


def write(path, content):
    """Writes a file whole, or not at all, on process 0."""
    if jax.process_index() == 0:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.name + ".tmp")
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)


def run(args):
    """Trains, and writes a checkpoint every `args.every` steps and the network at the end. Returns its test MSE."""
    if args.coordinator:
        jax.distributed.initialize(args.coordinator, args.processes, args.process)
    say = functools.partial(print, flush=True) if jax.process_index() == 0 else lambda text: None
    trainer = Trainer(args)
    say(f"{jax.device_count()} devices ({jax.devices()[0].platform}), {jax.process_count()} processes")
    test = trainer.test_mse() if trainer.step == args.steps else None  # a finished run is written again
    while trainer.step < args.steps:
        first, start = trainer.step, time.perf_counter()
        trainer.take_steps(min(first + args.every, args.steps))
        ms = (time.perf_counter() - start) / (trainer.step - first) * 1e3
        trainer.save()
        test = trainer.test_mse()
        say(f"step {trainer.step}: batch MSE {trainer.loss[trainer.step - 1]:.6f}, test MSE {test:.6f}, {ms:.2f} ms a step")
    trainer.save_network()
    say(f"test MSE {test:.6f}: {args.out / 'model.safetensors'}")
    return test


def main():
    """The program: exit code 1 and one line if it fails."""
    try:
        run(arguments())
    except (OSError, ValueError, MemoryError) as error:
        sys.exit(f"error: {str(error) or 'too little memory'}")
    except jax.errors.JaxRuntimeError as error:  # a device has too little memory, or another process has ended
        reason = str(error).splitlines()[0]
        sys.exit(f"error: {reason}; started again, the run continues from its last checkpoint, if it has one")
    except KeyboardInterrupt:
        print("stopped: the same command continues from the last checkpoint, if there is one", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
