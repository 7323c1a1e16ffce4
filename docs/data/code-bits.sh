#!/usr/bin/env bash
# Makes the lines of code-bits.csv whose code is rounded in every step: networks that train on the first 55,000 training
# digits, and their int8 MSE on the 5,000 others. Nothing here sees the test digits.
set -euo pipefail
cd "$(dirname "$0")/../.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 - data/mnist/train-images-idx3-ubyte.gz "$folder" <<'PYTHON'
import gzip, struct, sys

pixels = gzip.open(sys.argv[1]).read()[16:]
for name, first, end in [("train", 0, 55_000), ("t10k", 55_000, 60_000)]:
    header = struct.pack(">4i", 0x803, end - first, 28, 28)
    with open(f"{sys.argv[2]}/{name}-images-idx3-ubyte", "wb") as file:
        file.write(header + pixels[784 * first : 784 * end])
PYTHON

grep ',every step,' docs/data/code-bits.csv | while IFS=, read -r layers bits bytes steps _; do
  mse=$(cargo run --quiet -p host -- train --recipe codec --data "$folder" --layers "$layers" --code-bits "$bits" --steps "$steps" \
    --out "$folder/$layers-$bits" --json | grep -o '"test_mse_int8":[0-9.e-]*' | cut -d: -f2)
  echo "$layers,$bits,$bytes,$steps,every step,$mse"
done
