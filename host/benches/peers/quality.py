"""Test MSE of each kind of products after short and long runs: python quality.py [--steps N,N] [--seeds N,N] [--program FILE]

Runs `host train` once for each number of steps, seed and kind, and writes docs/data/int16-quality.csv after each run: an
interrupted script goes on where it stopped. Prints the means, and their ratio to those of f32.
"""

import argparse
import csv
import json
import statistics
import subprocess
import tempfile

from compare import ROOT, program

CSV = ROOT / "docs/data/int16-quality.csv"
COLUMNS = ["steps", "seed", "products", "test_mse", "test_mse_int8"]


def numbers(text):
    return [int(number) for number in text.split(",")]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=numbers, default=[1000, 5000, 30000])
    parser.add_argument("--seeds", type=numbers, default=[1, 2, 3])
    parser.add_argument("--program", default=program(avx2=True))
    options = parser.parse_args()
    lines = list(csv.DictReader(open(CSV, newline=""))) if CSV.exists() else []
    for steps in options.steps:
        for seed in options.seeds:
            for products in ["f32", "int16"]:
                key = [str(steps), str(seed), products]
                if any([line[column] for column in COLUMNS[:3]] == key for line in lines):
                    continue
                with tempfile.TemporaryDirectory() as folder:
                    given = ["--steps", key[0], "--seed", key[1], "--products", products, "--out", folder]
                    command = [options.program, "train", "--json", "--data", ROOT / "data/mnist", *given]
                    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                figures = json.loads(output.splitlines()[-1])
                values = [*key, *(f"{figures[column]:.7f}" for column in COLUMNS[3:])]
                lines.append(dict(zip(COLUMNS, values)))
                print(*values, flush=True)
                with open(CSV, "w", newline="") as file:
                    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                    writer.writeheader()
                    writer.writerows(lines)
    for steps in options.steps:
        for column in COLUMNS[3:]:
            means = [
                statistics.mean(
                    float(line[column]) for line in lines if line["steps"] == str(steps) and line["products"] == products
                )
                for products in ["f32", "int16"]
            ]
            print(f"{steps:6} {column:14} f32 {means[0]:.7f} int16 {means[1]:.7f} {means[1] / means[0] - 1:+.2%}")


if __name__ == "__main__":
    main()
