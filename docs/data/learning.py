#!/usr/bin/env python3
"""Writes docs/data/learning.csv: what detectors learn from new people and places, and which streams they refuse.

    python3 docs/data/learning.py FOLDER [FAN] > docs/data/learning.csv

Run it from the root of the repository. FOLDER keeps the detectors, which are trained unless they are there. FAN is a folder
with healthy.csv.gz and coin-on-a-blade.csv.gz of a ceiling fan, which are not in the repository. A row is a run of learning:

    new       a detector of subjects 1 to 7 learns from one of the subjects 8 to 10: the first third of the windows
    left out  a detector of six of the subjects 1 to 7 learns from the seventh
    each      both again, but from the first third of each recording, so that the run shows both arms
    guard     a detector of subjects 1 to 7 is given a third of the windows of one of the subjects 8 to 10, of its own
              exercise, also with the watch turned or with another gain, or of another exercise
    fan       a detector of the fan learns from the fan with the sensor mounted in another way
"""

import csv
import gzip
import json
import math
import os
import subprocess
import sys

EXERCISES = ["ROW", "PEN", "IR"]
CHANNELS = ["ax", "ay", "az", "wx", "wy", "wz"]
OLD, NEW = "data/watch/subjects-1-7.csv.gz", "data/watch/subjects-8-10.csv.gz"
MEASURED = [f"{name}_{when}" for name in ("false_alarms", "detected", "auc") for when in ("before", "after")]

folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)
subprocess.run(["cargo", "build", "-q", "-p", "host", "-p", "firmware-sim"], check=True)
programs = os.path.join(os.environ.get("CARGO_TARGET_DIR", "target"), "debug")
table = csv.writer(sys.stdout, lineterminator="\n")
table.writerow(["kind", "detector", "stream", "subject", "change", "outcome", "windows", *MEASURED])


def train(name, *options):
    """The path of a detector's blob."""
    out = os.path.join(folder, name)
    blob = os.path.join(out, "model.int8.blob")
    if not os.path.exists(blob):
        command = [os.path.join(programs, "autoencoder"), "train", *options, "--force", "--json", "--out", out]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return blob


def watch(exercise, *options):
    """Options for training on an exercise."""
    return ["--data", OLD, "--group", "recording", "--columns", ",".join(CHANNELS), "--where", f"exercise={exercise}",
            "--window", "64", "--hop", "16", "--rate", "50", *options]


def learn(blob, *options):
    """The report of a run of learning."""
    flash, out = (os.path.join(folder, name) for name in ("learned.flash", "learned.png"))
    if os.path.exists(flash):
        os.remove(flash)
    command = [os.path.join(programs, "firmware-sim"), "learn", "--weights", blob, "--json", "--flash", flash,
               "--out", out, *options]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout)


def outcome(report):
    if report["persisted"]:
        return "thresholds" if report["thresholds_only"] else "channels"
    reasons = {"its windows": "foreign", "its samples": "clipped", "its reconstructions": "not encoded",
               "it did not": "not better", "too few": "too few"}
    return next(short for start, short in reasons.items() if report["rejected"].startswith(start))


def write(kind, detector, stream, subject, change, report):
    figures = [report[name] for name in MEASURED]
    table.writerow([kind, detector, stream, subject, change, outcome(report), report["learned_from"],
                    *("" if figure is None else f"{figure:.4f}" for figure in figures)])
    sys.stdout.flush()


def read(path):
    with gzip.open(path, "rt") as file:
        return list(csv.DictReader(file))


def save(name, columns, rows):
    path = os.path.join(folder, name)
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def turned(numbers, axis, degrees):
    """Vectors of three numbers, turned about an axis."""
    a, b = (axis + 1) % 3, (axis + 2) % 3
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    out = list(numbers)
    for first in range(0, len(numbers), 3):
        x, y = numbers[first + a], numbers[first + b]
        out[first + a], out[first + b] = c * x - s * y, s * x + c * y
    return out


# The changes to a stream: axis and angle of a turn, and gain.
CHANGES = {"none": [(0, 0, 1.0)], "turned 30": [(0, 30, 1.0), (2, 30, 1.0)], "gain": [(0, 0, 0.7), (0, 0, 1.4)],
           "turned 30, gain 1.4": [(0, 30, 1.4), (2, 30, 1.4)]}


def guard(blob, detector, exercise, subject, recordings, rest):
    """Gives a detector each third of some recordings, which are lists of samples."""
    length = sum(len(recording) for recording in recordings)
    for third in range(3):
        first, last, at, piece = third * length // 3, (third + 1) * length // 3, 0, []
        for recording in recordings:
            piece.append(recording[max(first - at, 0):max(last - at, 0)])
            at += len(recording)
        for change, variants in CHANGES.items() if exercise == detector else [("none", CHANGES["none"])]:
            for axis, degrees, gain in variants:
                samples = [(i, *(gain * x for x in turned(sample, axis, degrees)))
                           for i, recording in enumerate(piece) for sample in recording]
                count = sum(max((len(recording) - 64) // 16 + 1, 0) for recording in piece)
                # One more recording to measure on.
                data = save("stream.csv", ["recording", *CHANNELS], samples + [(9, *sample) for sample in rest[:64]])
                report = learn(blob, "--data", data, "--group", "recording", "--columns", ",".join(CHANNELS),
                               "--first", str(count))
                write("guard", detector, exercise, subject, change, report)


def learn_from_each(blob, exercise, subject, rows):
    """The report of a run of learning from the first third of each of a subject's recordings of an exercise."""
    recordings = {}
    for row in rows:
        if row["subject"] == str(subject):
            recordings.setdefault(row["recording"], []).append(row)
    first, rest, count = [], [], 0
    for name, samples in recordings.items():
        cut = 0
        if samples[0]["exercise"] == exercise:
            windows = ((len(samples) - 64) // 16 + 1) // 3
            count, cut = count + windows, (windows - 1) * 16 + 64
        for part, recording in ((first, samples[:cut]), (rest, samples[cut:])):
            part += ([f"{name} {cut > 0 and part is first}", *(row[column] for column in ["exercise", *CHANNELS])]
                     for row in recording)
    data = save("stream.csv", ["recording", "exercise", *CHANNELS], first + rest)
    return learn(blob, "--data", data, "--group", "recording", "--columns", ",".join(CHANNELS), "--label", "exercise",
                 "--normal", exercise, "--first", str(count))


def samples_of(rows, exercise, subject):
    recordings = {}
    for row in rows:
        if (row["exercise"], row["subject"]) == (exercise, str(subject)):
            recordings.setdefault(row["recording"], []).append([float(row[name]) for name in CHANNELS])
    return list(recordings.values())


old_rows, new_rows = read(OLD), read(NEW)
all_exercises = sorted({row["exercise"] for row in new_rows})
for exercise in EXERCISES:
    blob = train(exercise, *watch(exercise, "--test", NEW))
    options = ["--group", "recording", "--label", "exercise", "--normal", exercise]
    for subject in (8, 9, 10):
        report = learn(blob, "--data", NEW, "--where", f"subject={subject}", *options)
        write("new", exercise, exercise, subject, "", report)
    for subject in range(1, 8):
        others = ",".join(str(other) for other in range(1, 8) if other != subject)
        left_out = train(f"{exercise}-without-{subject}", *watch(exercise, "--where", f"subject={others}"))
        report = learn(left_out, "--data", OLD, "--where", f"subject={subject}", *options)
        write("left out", exercise, exercise, subject, "", report)
    for subject in (8, 9, 10):
        write("each", exercise, exercise, subject, "", learn_from_each(blob, exercise, subject, new_rows))
    for subject in range(1, 8):
        left_out = os.path.join(folder, f"{exercise}-without-{subject}", "model.int8.blob")
        write("each", exercise, exercise, subject, "", learn_from_each(left_out, exercise, subject, old_rows))
    for stream in all_exercises:
        for subject in (8, 9, 10):
            recordings = samples_of(new_rows, stream, subject)
            guard(blob, exercise, stream, subject, recordings, recordings[0])

if len(sys.argv) > 2:
    axes = ["x", "y", "z"]
    healthy, coin = (read(os.path.join(sys.argv[2], f"{name}.csv.gz")) for name in ("healthy", "coin-on-a-blade"))
    numbers = [("healthy", f"h{row['window']}", int(row["window"]), [float(row[axis]) for axis in axes]) for row in healthy]
    numbers += [("coin", f"c{row['window']}", 1000, [float(row[axis]) for axis in axes]) for row in coin]
    columns = ["recording", "state", *axes]
    data = save("fan.csv", columns, ((name, state, *xyz) for state, name, window, xyz in numbers if window < 200))
    blob = train("fan", "--data", data, "--group", "recording", "--columns", "x,y,z", "--window", "128", "--hop", "32",
                 "--rate", "200")
    for change, axis, degrees in (("none", 0, 0), ("turned 30 about x", 0, 30), ("turned 90 about x", 0, 90),
                                  ("turned 45 about z", 2, 45), ("turned 90 about y", 1, 90)):
        rows = ((name, state, *turned(xyz, axis, degrees)) for state, name, window, xyz in numbers if window >= 200)
        data = save("stream.csv", columns, rows)
        for forced in ([], ["--foreign"]):
            report = learn(blob, "--data", data, "--group", "recording", "--columns", "x,y,z", "--label", "state",
                           "--normal", "healthy", *forced)
            write("fan", "fan", "fan", "", change + (", forced" if forced else ""), report)
            if report["persisted"]:
                break
