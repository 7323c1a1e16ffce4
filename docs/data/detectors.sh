#!/bin/sh
# Writes docs/data/detectors.csv: detectors with the default recipe and three seeds, measured in int8.
#
#     docs/data/detectors.sh [FAN] > docs/data/detectors.csv
#
# Each exercise of data/watch is trained on subjects 1 to 7 and measured on subjects 8 to 10. FAN is a folder with
# healthy.csv.gz and coin-on-a-blade.csv.gz of a ceiling fan, which are not in the repository. Run it from the root of the
# repository.
set -eu
out=$(mktemp -d)
trap 'rm -r "$out"' EXIT
cargo build -q -p host
program=${CARGO_TARGET_DIR:-target}/debug/autoencoder
echo "data,window,hop,seed,front_end,trial_raw,trial_centred,trial_spectrum,steps,auc,average_precision,false_alarms,detected,pca_auc,mahalanobis_auc"

# measure NAME WINDOW HOP SEED "OPTIONS OF TRAINING" "OPTIONS OF EVAL"
measure() {
    # shellcheck disable=SC2086 # the options are words
    $program train $5 --window "$2" --hop "$3" --seed "$4" --force --json --out "$out/run" >"$out/train.json"
    # shellcheck disable=SC2086
    $program eval "$out/run/model.int8.blob" $6 --json --out "$out/run" >"$out/eval.json"
    python3 -c '
import json, sys
train, found = (json.load(open(f"{sys.argv[1]}/{name}.json")) for name in ("train", "eval"))
trials = [train["front_end_trials"][name] for name in ("raw", "centred", "spectrum")]
baselines = [found["baselines"][name]["auc"] for name in ("pca", "mahalanobis")]
figures = [found[name] for name in ("auc", "average_precision", "false_alarms", "detected")] + baselines
print(*sys.argv[2:], train["front_end"], *(f"{trial:.3f}" for trial in trials), train["steps"],
      *(f"{figure:.4f}" for figure in figures), sep=",")' "$out" "$1" "$2" "$3" "$4"
}

new=data/watch/subjects-8-10.csv.gz
for exercise in ROW PEN IR ER TRAP ABD FEL; do
    for seed in 1 2 3; do
        measure $exercise 64 16 $seed "--data data/watch/subjects-1-7.csv.gz --test $new --group recording
            --columns ax,ay,az,wx,wy,wz --where exercise=$exercise --rate 50" \
            "--data $new --group recording --label exercise --normal $exercise"
    done
done

if [ $# -gt 0 ]; then
    # Healthy recordings 0 to 199 train; the others, and those with the coin, are measured on.
    python3 - "$1" "$out" <<'END'
import csv, gzip, sys
def read(name):
    with gzip.open(f"{sys.argv[1]}/{name}.csv.gz", "rt") as file:
        return list(csv.DictReader(file))
healthy, coin = read("healthy"), read("coin-on-a-blade")
xyz = lambda row: [row[axis] for axis in "xyz"]
rows = [[f"h{row['window']}", "", *xyz(row)] for row in healthy]
trains = lambda row: int(row[0][1:]) < 200
sets = {"train": [row for row in rows if trains(row)],
        "test": [row for row in rows if not trains(row)] + [[f"c{row['window']}", "coin", *xyz(row)] for row in coin]}
for name, rows in sets.items():
    with open(f"{sys.argv[2]}/{name}.csv", "w", newline="") as file:
        csv.writer(file).writerows([["recording", "fault", *"xyz"], *rows])
END
    for windows in "128 32" "64 16" "64 32"; do
        for seed in 1 2 3; do
            measure fan "${windows% *}" "${windows#* }" $seed \
                "--data $out/train.csv --group recording --columns x,y,z --rate 200" \
                "--data $out/test.csv --group recording --label fault"
        done
    done
fi
