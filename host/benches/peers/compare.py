"""Times `host train` and the peers in turn and prints the ratios.

    python -m venv target/peers && target/peers/bin/pip install -r host/benches/peers/requirements.txt
    cargo build --release -p host
    target/peers/bin/python host/benches/peers/compare.py [--rounds N] [--steps N] [--csv FILE]

Each round runs every program once, so that a slow minute is slow for all of them; the ratios are of the medians. A
machine that others use as well stretches the time of a step but hardly its processor time, which is therefore
measured beside it (that of all threads, waiting in a loop for another thread included). Writes
docs/data/peers.csv, or FILE.
"""

import argparse
import csv
import json
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
COLUMNS = ["round", "system", "steps", "ms_per_step", "cpu_ms_per_step", "seconds", "test_mse"]


def run(command):
    start = time.perf_counter()
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1]) | {"seconds": time.perf_counter() - start}


def processor_time():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def host(steps):
    """One run of `steps` steps and one of a single step: what they share, loading and testing, cancels out."""
    with tempfile.TemporaryDirectory() as folder:
        train = [ROOT / "target/release/autoencoder", "train", "--json", "--out", folder, "--steps"]
        before = processor_time()
        run([*train, "10"])
        between = processor_time()
        result = run([*train, str(steps)])
    busy = (processor_time() - between) - (between - before)
    return result | {"cpu_ms_per_step": busy / (steps - 10) * 1e3}


def peer(program):
    return lambda steps: run([sys.executable, HERE / program, str(steps)])


SYSTEMS = {"host": host, "jax": peer("jax_adam.py"), "tensorflow": peer("tensorflow_seed.py")}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--csv", type=pathlib.Path, default=ROOT / "docs/data/peers.csv")
    options = parser.parse_args()
    lines = []
    for number in range(1, options.rounds + 1):
        for system, measure in SYSTEMS.items():
            line = {"round": number, "system": system, "steps": options.steps} | measure(options.steps)
            lines.append({column: line[column] for column in COLUMNS})
            print(f"round {number}: {system:10} {line['ms_per_step']:7.2f} ms a step", file=sys.stderr)
    with open(options.csv, "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)

    def median(system, column):
        return statistics.median(line[column] for line in lines if line["system"] == system)

    print("              ms a step   of host's   processor ms   of host's")
    for system in SYSTEMS:
        figures = []
        for column in ["ms_per_step", "cpu_ms_per_step"]:
            figures += [median(system, column), median(system, column) / median("host", column)]
        print("{:10} {:12.2f} {:10.2f}x {:14.2f} {:10.2f}x".format(system, *figures))


if __name__ == "__main__":
    main()
