"""Measures a step of `host train` and of train.py for networks of several widths, and writes docs/data/scale-out.csv.

    cargo build --release -p host
    python host/scale-out/widths.py [--rounds N]

Both run on one core, in turn, with the same network, batch and the first 4,096 digits, and without quantisation-aware steps.
A step is the difference of a long and a short run, divided by the difference of their steps; what the runs share cancels
out. The time is processor time, which a shared machine stretches less than a clock's.
"""

import argparse
import csv
import gzip
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
AUTOENCODER = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "autoencoder"
HOST = [AUTOENCODER, "train", "--threads", "1", "--quantise-aware", "none"]
JAX = [sys.executable, ROOT / "host/scale-out/train.py"]
BATCH, SHORT = 256, 5
MORE_STEPS = {"784-256-128-256-784": 100, "784-512-128-512-784": 100, "784-1024-256-1024-784": 25}
"""For each network, the steps that the long run has more than the short one."""


def parameters(layers):
    sizes = [int(size) for size in layers.split("-")]
    return sum((inputs + 1) * outputs for inputs, outputs in zip(sizes, sizes[1:]))


def write_digits(folder):
    """Writes the first digits as IDX files. Returns the options with which each program reads them."""
    with gzip.open(ROOT / "data/mnist/train-images-idx3-ubyte.gz") as file:
        content = file.read()
    files = [folder / "train-images-idx3-ubyte", folder / "t10k-images-idx3-ubyte"]
    for path, count in zip(files, (4096, 256)):
        path.write_bytes(content[:4] + count.to_bytes(4, "big") + content[8 : 16 + 784 * count])
    return {"host": ["--data", folder], "jax": ["--data", files[0], "--test", files[1]]}


def processor_seconds(command, layers, steps):
    """The processor time of one run on the first core that this process may use."""
    core = min(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as out:
        command = [*command, "--layers", layers, "--batch", str(BATCH), "--steps", str(steps), "--out", out]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(["taskset", "-c", str(core), *command], cwd=ROOT, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    lines, folder = [], tempfile.TemporaryDirectory()
    data = write_digits(pathlib.Path(folder.name))
    programs = {"host": [*HOST, *data["host"]], "jax": [*JAX, *data["jax"]]}
    for layers, more in MORE_STEPS.items():
        times = {name: [] for name in programs}
        for _ in range(rounds):
            for name, command in programs.items():
                short, long = (processor_seconds(command, layers, steps) for steps in (SHORT, SHORT + more))
                times[name].append((long - short) / more)
        for name, seconds in times.items():
            median, count = statistics.median(seconds), parameters(layers)
            figures = [f"{median * 1e3:.1f}", f"{6 * count * BATCH / median / 1e9:.0f}"]
            figures += [f"{min(seconds) * 1e3:.1f}", f"{max(seconds) * 1e3:.1f}"]
            lines.append([layers, count, name, *figures])
            print(*lines[-1], flush=True)
    with open(ROOT / "docs/data/scale-out.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        columns = ["layers", "parameters", "program", "cpu_ms_per_step", "gflops", "fastest_ms", "slowest_ms"]
        writer.writerows([columns, *lines])


if __name__ == "__main__":
    main()
