"""Rows from IDX files (plain or gzip) and `.npy` arrays, and the rows of each step."""

import gzip
import math
import pathlib
import zipfile
import zlib

import numpy as np

import recipe


def read(path):
    """Rows `[rows, inputs]`, or images `[rows, height, width]`: bytes, or `float32` in [0, 1].

    An array of `.npy` is mapped into memory. Floats in other types than `float32` are copied.
    """
    path = pathlib.Path(path)
    rows = read_npy(path) if path.suffix == ".npy" else read_idx(path)
    if rows.ndim not in (2, 3) or rows.size == 0:
        raise ValueError(f"{path}: an array of shape {list(rows.shape)}; expected [rows, inputs] or [rows, height, width]")
    if rows.dtype == np.uint8:
        return rows
    if rows.dtype not in (np.float16, np.float32, np.float64):
        raise ValueError(f"{path}: numbers of type {rows.dtype}; expected bytes (uint8) or floats")
    low, high = rows.min(), rows.max()
    if not (0 <= low and high <= 1):  # also if one is NaN
        raise ValueError(f"{path}: numbers from {low:g} to {high:g}; expected floats in [0, 1]: scale the rows first")
    return np.asarray(rows, np.float32) if rows.dtype != np.float32 else rows


def read_npy(path):
    """The array of a NumPy file, mapped into memory."""
    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except (EOFError, ValueError, MemoryError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: expected a whole .npy array of numbers: {error}") from None
    if not isinstance(rows, np.ndarray):
        raise ValueError(f"{path}: expected one .npy array, not an archive of arrays")
    return rows


def read_idx(path):
    """The bytes of an IDX file: two zeros, the type 8, the number of dimensions, their big-endian sizes, the numbers."""
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if packed else open(path, "rb") as file:
            content = file.read()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path}: a damaged gzip file: {error}") from None
    if content[:3] != b"\0\0\x08" or len(content) < 4:
        raise ValueError(f"{path}: expected an IDX file of unsigned bytes, plain or gzip, or a .npy array")
    start = 4 + 4 * content[3]
    sizes = [int.from_bytes(content[at : at + 4], "big") for at in range(4, start, 4)]
    if len(content) != start + math.prod(sizes):
        raise ValueError(f"{path}: {len(content)} bytes; expected {start + math.prod(sizes)}: a header, and sizes {sizes}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(sizes)


class Batches:
    """The rows of each step. They follow from the seed and the step alone, so every host finds the same ones."""

    def __init__(self, rows, batch, steps, seed):
        if batch > len(rows):
            raise ValueError(f"--batch {batch}: expected at most {len(rows)}, the number of training rows")
        self.image = rows.shape[1:] if rows.ndim == 3 and rows.shape[1] > 1 else None
        self.rows = rows.reshape(len(rows), -1)
        self.batch, self.steps, self.seed = batch, steps, seed
        self.order = (None, None)

    def crc(self):
        """CRC-32 of the training rows."""
        return zlib.crc32(np.ascontiguousarray(self.rows))

    def mean(self):
        """The mean row, numbers in [0, 1]."""
        mean = self.rows.mean(axis=0, dtype=np.float64)
        return (mean / 255 if self.rows.dtype == np.uint8 else mean).astype(np.float32)

    def at(self, step):
        """The batch of `step` (from 1), as a function from a slice of it to rows `[…, inputs]`.

        Each pass over the rows has its own order, and leaves out rows that do not fill a batch. The second half of the batch
        is shifted by up to a pixel each way in the first steps of the run.
        """
        number, first = divmod(step - 1, len(self.rows) // self.batch)
        if self.order[0] != number:
            self.order = (number, np.random.default_rng([self.seed, 1, number]).permutation(len(self.rows)))
        chosen = self.order[1][first * self.batch :][: self.batch]
        source = None
        if self.image and step <= recipe.SHIFTED_STEPS * self.steps:
            source = shifted(self.image, *np.random.default_rng([self.seed, 2, step]).integers(-1, 2, 2))

        def rows(part):
            x = self.rows[chosen[part]]
            if source is not None:
                late = np.arange(self.batch)[part] >= self.batch // 2
                x[late] = x[late][:, source]
            return x

        return rows


def shifted(image, down, right):
    """For each pixel of a shifted image `[height, width]`, the pixel that comes there; edges are repeated."""
    lines, columns = (np.clip(np.arange(size) - by, 0, size - 1) for size, by in zip(image, (down, right)))
    return (lines[:, None] * image[1] + columns).ravel()
