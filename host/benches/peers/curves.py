"""Time of a training step against threads, batch, width and depth, beside JAX, and of the network of a small sensor.

    target/peers/bin/python host/benches/peers/curves.py [--rounds N] [--avx2] [--only CURVE] [--seconds S] [--plot]

Set up as for compare.py; --avx2 is that of compare.py. Writes docs/data/step-time.csv, a line for each run, and draws
docs/step-time.png from it; with --avx2, their names end in -avx2. --plot only draws. Each round runs the host and JAX in
turn at each point of a curve. A run takes about S seconds of steps. Prints the medians and, for each curve, the line that fits the host's times best:

    time of a step = overhead + operations of its products / rate
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import mnist
from compare import HERE, ROOT, program, without_avx512

COLUMNS = ["curve", "at", "layers", "batch", "threads", "system", "round", "steps", "ms_per_step"]
CLASSIC = "784-256-128-256-784"
SENSOR = "64-32-8-32-64"


def points():
    """Curve, position, layers, batch, threads."""
    for threads in [1, 2]:
        yield "threads", threads, CLASSIC, 256, threads
    for batch in [32, 64, 128, 256, 512, 1024, 2048, 4096]:
        yield "batch", batch, CLASSIC, batch, 2
    for width in [64, 128, 256, 512, 1024, 2048]:
        yield "width", width, f"784-{width}-128-{width}-784", 256, 2
    for between in [0, 1, 2, 4, 6]:
        sizes = ["784", *["256"] * between, "128", *["256"] * between, "784"]
        yield "depth", len(sizes) - 1, "-".join(sizes), 256, 2
    yield "sensor", 64, SENSOR, 64, 2


def operations(layers, batch):
    """Multiplications and additions of a step's products."""
    sizes = [int(size) for size in layers.split("-")]
    weights = [inputs * outputs for inputs, outputs in zip(sizes, sizes[1:])]
    return 2 * batch * (3 * sum(weights) - weights[0])


def write_shrunk(folder):
    """The digits of 8 x 8 pixels as IDX files."""
    for name, rows in zip(["train", "test"], mnist.load()):
        pixels = np.rint(mnist.shrunk(rows) * 255).astype(np.uint8)
        header = bytes([0, 0, 8, 2]) + b"".join(size.to_bytes(4, "big") for size in pixels.shape)
        (Path(folder) / f"{name}-rows-idx2-ubyte").write_bytes(header + pixels.tobytes())


def run(command, threads):
    # JAX has no option for its threads.
    command = ["taskset", "--cpu-list", f"0-{threads - 1}", *command]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])["ms_per_step"]


def systems(options, shrunk):
    """For each system, the command of a run without its number of steps."""

    def host(layers, batch, threads):
        data = shrunk if layers == SENSOR else ROOT / "data/mnist"
        given = ["--recipe", "default", "--layers", layers, "--batch", batch, "--threads", threads, "--data", data]
        return [program(options.avx2), "train", "--json", "--force", "--out", Path(shrunk) / "out", *given, "--steps"]

    def jax(*more):
        return lambda layers, batch, threads: [
            sys.executable, HERE / "jax_adam.py", "--layers", layers, "--batch", batch, *more
        ]

    return {"host": host, "jax": jax(), "jax-scan": jax("--scan")}


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def measure(options, path):
    # With --only, the other curves stay as they are.
    lines = [line for line in read(path) if line["curve"] != options.only] if options.only and path.exists() else []
    with tempfile.TemporaryDirectory() as shrunk:
        write_shrunk(shrunk)
        for number in range(1, options.rounds + 1):
            for curve, at, layers, batch, threads in points():
                if options.only not in (None, curve):
                    continue
                for system, command in systems(options, shrunk).items():
                    if system == "jax-scan" and curve != "sensor":
                        continue
                    command = [str(word) for word in command(layers, batch, threads)]
                    # As many steps as a rate of 200 GFLOPS and 20 µs of overhead allow.
                    steps = int(options.seconds / (operations(layers, batch) / 200e9 + 20e-6))
                    steps = min(max(steps, 30), 50_000)
                    line = [curve, at, layers, batch, threads, system, number, steps]
                    line.append(f"{run([*command, str(steps)], threads):.6g}")
                    lines.append(dict(zip(COLUMNS, line)))
                    print(*line, file=sys.stderr)
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def medians(path):
    """For each curve and system, the positions, layers, batches and median times."""
    found = {}
    for line in read(path):
        key = (int(line["at"]), line["layers"], int(line["batch"]))
        times = found.setdefault(line["curve"], {}).setdefault(line["system"], {})
        times.setdefault(key, []).append(float(line["ms_per_step"]))
    return {
        curve: {
            system: [(*key, statistics.median(times)) for key, times in own.items()] for system, own in found.items()
        }
        for curve, found in found.items()
    }


def report(found):
    for curve, own in found.items():
        for index, (at, layers, batch, time) in enumerate(own["host"]):
            others = [(name, times[index][3]) for name, times in own.items() if name != "host"]
            others = "".join(f"  {name} {other:9.3f} ({other / time:5.2f} x)" for name, other in others)
            print(f"{curve:8} {at:5}  {layers:40} {batch:5} rows  host {time:9.3f} ms{others}")
        if curve in ["batch", "width", "depth"]:
            work = np.array([operations(layers, batch) for _, layers, batch, _ in own["host"]])
            times = np.array([time for *_, time in own["host"]])
            # Relative errors count, so that the smallest networks do.
            columns = np.stack([np.ones_like(times), work], axis=1) / times[:, None]
            (overhead, slope), *_ = np.linalg.lstsq(columns, np.ones_like(times), rcond=None)
            print(f"{curve:8} overhead {1e3 * overhead:.0f} µs, rate {1e-6 / slope:.0f} GFLOPS")


def draw(found, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = {"batch": "rows a step", "width": "outputs of the wide layers", "depth": "layers", "threads": "threads"}
    names = {curve: name for curve, name in names.items() if curve in found}
    if not names:
        return
    figure, axes = plt.subplots(1, len(names), figsize=(12, 3), sharey=True, layout="constrained", squeeze=False)
    for (curve, name), axis in zip(names.items(), axes[0]):
        for system, label in [("host", "host"), ("jax", "JAX, jitted step")]:
            lines = found.get(curve, {}).get(system, [])
            axis.plot([at for at, *_ in lines], [time for *_, time in lines], marker="o", label=label)
        if curve in ["batch", "width"]:
            axis.set_xscale("log", base=2)
        else:
            axis.set_xticks([at for at, *_ in found.get(curve, {}).get("host", [])])
        axis.set_yscale("log")
        axis.set_xlabel(name)
        axis.grid(alpha=0.3)
    axes[0, 0].set_ylabel("ms a step")
    axes[0, 0].legend()
    figure.savefig(path, dpi=100)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--only", choices=["threads", "batch", "width", "depth", "sensor"])
    parser.add_argument("--avx2", action="store_true")
    parser.add_argument("--plot", action="store_true")
    options = parser.parse_args()
    if options.avx2:
        without_avx512()
    name = "step-time-avx2" if options.avx2 else "step-time"
    path = ROOT / f"docs/data/{name}.csv"
    if not options.plot:
        measure(options, path)
    found = medians(path)
    report(found)
    draw(found, ROOT / f"docs/{name}.png")


if __name__ == "__main__":
    main()
