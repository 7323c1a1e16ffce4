#!/usr/bin/env python3
"""Writes spectra.csv: the spectra of numpy 2, in f64, that the tests compare the front end with.

    python3 core/src/front_end/spectra.py > core/src/front_end/spectra.csv

A line is a front end, and log2 of the mean energy of each band, channel by channel: the mean is removed, and a periodic
Hann window is applied. Samples are the same dyadic numbers as in tests.rs: noise, a square wave, and gravity.
"""

import numpy as np

for window, bands, channels in [(16, 8, 1), (16, 3, 2), (64, 32, 3), (128, 20, 3), (256, 1, 1), (512, 100, 1), (1024, 512, 1)]:
    state, samples = 1, []
    for i in range(window * channels):
        state = (state * 1_664_525 + 1_013_904_223) % 2**32
        samples.append((state >> 16) / 2**15 - 1 + (4 if i // channels // 5 % 2 else -4) + 9.8125)
    x = np.array(samples).reshape(window, channels).T
    hann = np.hanning(window + 1)[:-1]
    energies = np.abs(np.fft.rfft((x - x.mean(axis=1, keepdims=True)) * hann)) ** 2
    half = window // 2
    edges = [1 + band * half // bands for band in range(bands + 1)]
    means = [[energy[a:b].mean() for a, b in zip(edges, edges[1:])] for energy in energies]
    features = np.log2(np.array(means)).flatten()
    print(window, bands, channels, *(f"{feature:.5f}" for feature in features), sep=",")
