"""Times whole programs, from their start to their end, until a test MSE is reached; prints the ratios.

    target/peers/bin/python host/benches/peers/time_to_quality.py [--rounds N]      (set up as for compare.py)

For each quality `host train` and the JAX program run for as many steps as they need when the schedule is as short as
that; everything counts: start, reading the digits, compiling, training, testing, and for the host both blobs and the
pictures. TensorFlow's program is the reference recipe, which takes tens of thousands of steps to 0.05 and does not come
below: it runs once, with --tensorflow-steps. Every run is one line of docs/data/time-to-quality.csv, with its processor
time, which other programs on the machine hardly stretch.
"""

import argparse
import csv
import statistics
import sys
import tempfile

from compare import HERE, ROOT, processor_time, run

# Steps that suffice for each test MSE: found by trying, in tens.
STEPS = {0.0455: {"host": 32, "jax": 120}, 0.0100: {"host": 140, "jax": 620}, 0.0034: {"host": 400, "jax": 2600}}
COLUMNS = ["round", "quality", "system", "steps", "seconds", "cpu_seconds", "test_mse"]


def measure(system, steps):
    before = processor_time()
    if system == "host":
        with tempfile.TemporaryDirectory() as folder:
            train = [ROOT / "target/release/autoencoder", "train", "--json", "--out", folder]
            result = run([*train, "--steps", str(steps)])
            # What ships.
            result["test_mse"] = max(result["test_mse"], result["test_mse_int8"])
    else:
        program = {"jax": "jax_adam.py", "tensorflow": "tensorflow_seed.py"}[system]
        result = run([sys.executable, HERE / program, str(steps)])
    return result | {"steps": steps, "cpu_seconds": processor_time() - before}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tensorflow-steps", type=int, default=0)
    options = parser.parse_args()
    path = ROOT / "docs/data/time-to-quality.csv"
    lines = []

    def note(number, quality, system, steps):
        line = {"round": number, "quality": quality, "system": system} | measure(system, steps)
        lines.append({c: f"{line[c]:.6g}" if isinstance(line[c], float) else line[c] for c in COLUMNS})
        print(*lines[-1].values(), file=sys.stderr)
        with open(path, "w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(lines)

    if options.tensorflow_steps:
        note(1, "", "tensorflow", options.tensorflow_steps)
    for number in range(1, options.rounds + 1):
        for quality, steps in STEPS.items():
            for system in steps:
                note(number, quality, system, steps[system])

    print("test MSE   system    steps   seconds (fastest)   processor s    reached   of host's time")
    for quality in STEPS:
        median = {}
        for system, steps in STEPS[quality].items():
            own = [line for line in lines if line["quality"] == f"{quality:.6g}" and line["system"] == system]
            seconds, busy = ([float(line[column]) for line in own] for column in ["seconds", "cpu_seconds"])
            median[system] = statistics.median(seconds)
            reached = max(float(line["test_mse"]) for line in own)
            print(
                f"{quality:<8}   {system:8} {steps:6} {median[system]:9.2f} ({min(seconds):.2f})"
                f" {statistics.median(busy):15.2f} {reached:12.5f} {median[system] / median['host']:12.1f}x"
            )


if __name__ == "__main__":
    main()
