#!/bin/sh
# Writes docs/data/detectors.csv: detectors of each exercise of data/watch, trained on subjects 1 to 7 with the default
# recipe and three seeds, measured in int8 on subjects 8 to 10. Run it from the root of the repository.
set -eu
out=$(mktemp -d)
trap 'rm -r "$out"' EXIT
cargo build -q -p host
program=${CARGO_TARGET_DIR:-target}/debug/autoencoder
echo "exercise,seed,steps,auc,average_precision,false_alarms,detected,pca_auc,mahalanobis_auc"
for exercise in ROW PEN IR ER TRAP ABD FEL; do
    for seed in 1 2 3; do
        $program train --data data/watch/subjects-1-7.csv.gz --test data/watch/subjects-8-10.csv.gz \
            --group recording --columns ax,ay,az,wx,wy,wz --where exercise=$exercise --window 64 --hop 16 --rate 50 \
            --seed $seed --force --json --out "$out" >"$out/train.json"
        $program eval "$out/model.int8.blob" --data data/watch/subjects-8-10.csv.gz --group recording \
            --label exercise --normal $exercise --json --out "$out" >"$out/eval.json"
        python3 -c '
import json, sys
train, found = (json.load(open(f"{sys.argv[1]}/{name}.json")) for name in ("train", "eval"))
baselines = [found["baselines"][name]["auc"] for name in ("pca", "mahalanobis")]
figures = [found[name] for name in ("auc", "average_precision", "false_alarms", "detected")] + baselines
print(*sys.argv[2:4], train["steps"], *(f"{figure:.4f}" for figure in figures), sep=",")' "$out" $exercise $seed
    done
done
