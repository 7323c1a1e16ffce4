"""Times `host train` and the peers in turn and prints the ratios.

    python -m venv target/peers && target/peers/bin/pip install -r host/benches/peers/requirements.txt
    cargo build --release -p host
    target/peers/bin/python host/benches/peers/compare.py [--rounds N] [--steps N] [--csv FILE] [--avx2]

Each round runs every program once, so that a slow minute is slow for all of them; the ratios are of the medians. A
machine that others use as well stretches the time of a step but hardly its processor time, which is therefore
measured beside it (that of all threads, waiting in a loop for another thread included). Writes
docs/data/peers.csv, with --avx2 docs/data/peers-int16.csv, or FILE.

With --avx2, no program uses AVX-512, even if the processor has it. The host is then another build:

    cargo build --release -p host --no-default-features --target-dir target/avx2

JAX and TensorFlow are told by XLA_FLAGS and ONEDNN_MAX_CPU_ISA. The host also runs with products in f32.
"""

import argparse
import csv
import json
import os
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


def program(avx2=False):
    return ROOT / ("target/avx2/release/autoencoder" if avx2 else "target/release/autoencoder")


def without_avx512():
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_max_isa=AVX2"
    os.environ["ONEDNN_MAX_CPU_ISA"] = "AVX2"


def host(steps, avx2=False, products=()):
    """One run of `steps` steps and one of a single step: what they share, loading and testing, cancels out."""
    with tempfile.TemporaryDirectory() as folder:
        train = [program(avx2), "train", "--json", "--force", *products, "--out", folder, "--steps"]
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
    parser.add_argument("--csv", type=pathlib.Path)
    parser.add_argument("--avx2", action="store_true")
    options = parser.parse_args()
    path = options.csv or ROOT / f"docs/data/peers{'-int16' if options.avx2 else ''}.csv"
    systems = SYSTEMS
    if options.avx2:
        without_avx512()
        hosts = {"host": (), "host-f32": ("--products", "f32")}
        hosts = {name: lambda steps, own=own: host(steps, True, own) for name, own in hosts.items()}
        systems = hosts | {name: SYSTEMS[name] for name in ["jax", "tensorflow"]}
    lines = []
    for number in range(1, options.rounds + 1):
        for system, measure in systems.items():
            line = {"round": number, "system": system, "steps": options.steps} | measure(options.steps)
            lines.append({column: line[column] for column in COLUMNS})
            print(f"round {number}: {system:10} {line['ms_per_step']:7.2f} ms a step", file=sys.stderr)
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)

    def median(system, column):
        return statistics.median(line[column] for line in lines if line["system"] == system)

    print("              ms a step   of host's   processor ms   of host's")
    for system in systems:
        figures = []
        for column in ["ms_per_step", "cpu_ms_per_step"]:
            figures += [median(system, column), median(system, column) / median("host", column)]
        print("{:10} {:12.2f} {:10.2f}x {:14.2f} {:10.2f}x".format(system, *figures))


if __name__ == "__main__":
    main()
