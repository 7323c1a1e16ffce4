"""The repository's digits as rows of 784 numbers in [0, 1], and what the peers' programs share."""

import gzip
import json
import pathlib
import time

import numpy as np

DATA = pathlib.Path(__file__).resolve().parents[3] / "data" / "mnist"


def rows(name):
    with gzip.open(DATA / name) as file:
        pixels = np.frombuffer(file.read(), dtype=np.uint8)[16:]  # after the header
    return pixels.reshape(-1, 784).astype(np.float32) / 255


def load():
    """Training rows, test rows."""
    return rows("train-images-idx3-ubyte.gz"), rows("t10k-images-idx3-ubyte.gz")


def shrunk(rows):
    """Digits of 8 x 8 pixels: each is the mean of 3 x 3, without the frame of two pixels."""
    inner = rows.reshape(-1, 28, 28)[:, 2:26, 2:26].reshape(-1, 8, 3, 8, 3)
    return np.ascontiguousarray(inner.mean(axis=(2, 4)).reshape(-1, 64))


def batches(rows, size, seed=0):
    """Indices of whole batches, in a new order each pass."""
    order = np.random.default_rng(seed)
    while True:
        pass_order = order.permutation(len(rows))
        for first in range(0, len(rows) - size + 1, size):
            yield pass_order[first : first + size]


class Clock:
    """Time and processor time of the steps after the first ones, in which a framework still compiles."""

    def __init__(self, warm_up=20):
        self.warm_up = warm_up
        self.steps = -1
        self.step()

    def step(self):
        self.steps += 1
        if self.steps == self.warm_up:
            self.start, self.processor = time.perf_counter(), time.process_time()

    def report(self, **more):
        steps = max(self.steps - self.warm_up, 1)
        elapsed, busy = time.perf_counter() - self.start, time.process_time() - self.processor
        print(json.dumps({"ms_per_step": elapsed / steps * 1e3, "cpu_ms_per_step": busy / steps * 1e3, **more}))
