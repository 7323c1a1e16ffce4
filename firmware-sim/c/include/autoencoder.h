/*
 * An autoencoder on a microcontroller: codec, detector, learning, a store in flash.
 *
 * Generated from firmware-sim/c/src by .ci/c.
 *
 * Three objects: `ae_codec` encodes, decodes and scores rows; `ae_detector` observes the samples of a sensor; `ae_learner` does both
 * with parameters that it learns. Each object is a struct of the caller's and is opened with a blob and with memory of the caller's.
 * There is no heap and no global state. Objects are independent of each other.
 *
 * Every function returns a status. A null pointer, a pointer that is not aligned, a buffer that is too small or an object that was not
 * opened gives a status, and nothing is changed. An opening that fails closes the object, and may have written its memory. What a
 * function cannot check is the caller's promise:
 *
 * - an object is all zeros, as a static is, before its first opening;
 * - a pointer that is not null points to as many elements as the length after it says, or to one struct;
 * - blob and memory stay where they are, and nothing else writes them, until the object is opened again or no longer used;
 * - object, memory and blob do not overlap, and no other pointer, to inputs or to results, points into the object or its memory;
 * - an object is used by one thread at a time, and it is not copied or moved after it was opened.
 *
 * A row has one byte for each input of the network, 0 to 255. A code is packed: `ae_info.code_bytes`. A score is the sum over the
 * elements of a row of the squared difference from the reconstruction.
 */


#ifndef AUTOENCODER_H
#define AUTOENCODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Length of an `ae_codec`, in words.
 */
#define AE_CODEC_WORDS 48

/**
 * Length of an `ae_detector`, in words.
 */
#define AE_DETECTOR_WORDS 72

/**
 * Length of an `ae_learner`, in words.
 */
#define AE_LEARNER_WORDS 192

/**
 * What every function returns. After any other result than `AE_STATUS_OK`, nothing was written through the pointers to results.
 */
enum ae_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * It is done.
     */
    AE_STATUS_OK = 0,
    /**
     * A pointer is null.
     */
    AE_STATUS_NULL = 1,
    /**
     * A pointer is not aligned: that of the blob to 16 bytes, that of the memory to 4, any other to its type.
     */
    AE_STATUS_ALIGNMENT = 2,
    /**
     * The object was not opened, or its last opening failed.
     */
    AE_STATUS_NOT_OPEN = 3,
    /**
     * The memory is too small: `ae_blob_info` says how much is needed.
     */
    AE_STATUS_MEMORY = 4,
    /**
     * A buffer for a row or a code is too small.
     */
    AE_STATUS_ROOM = 5,
    /**
     * A row, a code or a sample has the wrong length.
     */
    AE_STATUS_LENGTH = 6,
    /**
     * A field of a struct has a value that is not allowed.
     */
    AE_STATUS_ARGUMENT = 7,
    /**
     * There is no blob: too few bytes, or erased ones.
     */
    AE_STATUS_EMPTY = 8,
    /**
     * The bytes are not a weights blob.
     */
    AE_STATUS_NOT_A_BLOB = 9,
    /**
     * The blob has another version of the format.
     */
    AE_STATUS_VERSION = 10,
    /**
     * The blob is longer than the available bytes.
     */
    AE_STATUS_TRUNCATED = 11,
    /**
     * The bytes of the blob were changed after it was written.
     */
    AE_STATUS_CRC = 12,
    /**
     * The weights of the blob are floats, or in the layout of another processor.
     */
    AE_STATUS_FORMAT = 13,
    /**
     * The blob is malformed.
     */
    AE_STATUS_MALFORMED = 14,
    /**
     * The network is an encoder or a decoder alone and lacks the other half.
     */
    AE_STATUS_ABSENT = 15,
    /**
     * The network takes rows, no samples: the blob has no input section.
     */
    AE_STATUS_NO_SAMPLES = 16,
    /**
     * No run of learning has begun, or it has no row yet.
     */
    AE_STATUS_NOT_LEARNING = 17,
    /**
     * Half of the flash is too small for a record: `ae_blob_info` says how long it is.
     */
    AE_STATUS_FLASH_SMALL = 18,
    /**
     * A callback of the flash has failed.
     */
    AE_STATUS_FLASH_FAILED = 19,
    /**
     * The flash does not hold what was written to it, or two reads of a record differ: it is worn out, or its driver is wrong. If a
     * record could not be written, the one before is untouched.
     */
    AE_STATUS_FLASH_VERIFY = 20,
    /**
     * Another reason, which this version of the header has no name for.
     */
    AE_STATUS_OTHER = 21,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ae_status ae_status;
#else
typedef uint32_t ae_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Whether a stream is unlike those that the network knows, and which rule it breaks.
 */
enum ae_drift
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * It is like them.
     */
    AE_DRIFT_NONE = 0,
    /**
     * Scores are above the upper threshold.
     */
    AE_DRIFT_ABOVE = 1,
    /**
     * Scores are below the lower threshold: the sensor sees less.
     */
    AE_DRIFT_BELOW = 2,
    /**
     * The stream repeats one or two rows.
     */
    AE_DRIFT_REPEATING = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ae_drift ae_drift;
#else
typedef uint32_t ae_drift;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What a run leaves.
 */
enum ae_outcome
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * The learned parameters and thresholds are kept in the flash.
     */
    AE_OUTCOME_KEPT = 0,
    /**
     * New thresholds are kept in the flash, with the parameters from before the run: the windows are no drift, or the parameters did
     * not clearly help.
     */
    AE_OUTCOME_THRESHOLDS = 1,
    /**
     * Nothing: there were too few different rows to judge by.
     */
    AE_OUTCOME_TOO_FEW_ROWS = 2,
    /**
     * Nothing: it did not clearly help.
     */
    AE_OUTCOME_NOT_BETTER = 3,
    /**
     * Nothing: the reconstructions do not tell the rows apart.
     */
    AE_OUTCOME_NOTHING_ENCODED = 4,
    /**
     * Nothing: the windows are too different from the training data.
     */
    AE_OUTCOME_FOREIGN = 5,
    /**
     * Nothing: the samples are beyond the scales of the training data.
     */
    AE_OUTCOME_CLIPPED = 6,
    /**
     * Nothing, for a reason that this version of the header has no name for.
     */
    AE_OUTCOME_REFUSED = 7,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ae_outcome ae_outcome;
#else
typedef uint32_t ae_outcome;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What the flash holds for a network.
 */
enum ae_record
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Nothing was ever written.
     */
    AE_RECORD_NOTHING = 0,
    /**
     * What was learned.
     */
    AE_RECORD_LEARNED = 1,
    /**
     * A record that selects the blob's parameters, after a reset.
     */
    AE_RECORD_BASE = 2,
    /**
     * What was learned with other weights: it is ignored.
     */
    AE_RECORD_OTHER_WEIGHTS = 3,
    /**
     * No whole record: the blob's parameters are used.
     */
    AE_RECORD_DAMAGED = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ae_record ae_record;
#else
typedef uint32_t ae_record;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The optimizer of a run.
 */
enum ae_method
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Adam: the best in most cases.
     */
    AE_METHOD_ADAM = 0,
    /**
     * RMSProp.
     */
    AE_METHOD_RMS_PROP = 1,
    /**
     * Gradient descent with momentum.
     */
    AE_METHOD_SGD = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ae_method ae_method;
#else
typedef uint32_t ae_method;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The sizes of a network, in bytes unless said otherwise.
 */
typedef struct ae_info {
    /**
     * Length of the blob: at most that of the array.
     */
    uint32_t blob_bytes;
    /**
     * CRC-32 of the blob: the identity of these weights.
     */
    uint32_t weights;
    /**
     * A row: one byte for each input, 0 to 255.
     */
    uint32_t row_bytes;
    /**
     * A code: its elements, packed.
     */
    uint32_t code_bytes;
    /**
     * Numbers of a sample; 0 if the network takes rows alone.
     */
    uint32_t channels;
    /**
     * Samples of a window.
     */
    uint32_t window;
    /**
     * Samples from the start of one window to the start of the next.
     */
    uint32_t hop;
    /**
     * The memory of an `ae_codec`.
     */
    uint32_t codec_memory;
    /**
     * The memory of an `ae_detector`; 0 if the network takes rows alone.
     */
    uint32_t detector_memory;
    /**
     * The least memory of an `ae_learner`. What it has beyond that holds rows for further passes.
     */
    uint32_t learner_memory;
    /**
     * A record of what was learned. The flash has two slots, each at least as long, in whole pages.
     */
    uint32_t record_bytes;
} ae_info;

/**
 * Encodes and decodes rows, and scores them. Its contents belong to the library.
 */
typedef struct ae_codec {
    size_t words[AE_CODEC_WORDS];
} ae_codec;

/**
 * Turns the samples of a sensor into windows and observes them. Its contents belong to the library.
 */
typedef struct ae_detector {
    size_t words[AE_DETECTOR_WORDS];
} ae_detector;

/**
 * What a detector finds in a window.
 */
typedef struct ae_observation {
    /**
     * The reconstruction error of the window's row: a sum of squares, in units of 1.
     */
    uint32_t score;
    /**
     * The upper threshold of scores: the learned one, or that of the blob.
     */
    uint32_t threshold;
    /**
     * Inputs that were clipped to the ends of their scales.
     */
    uint32_t clipped;
    /**
     * CRC-32 of the row.
     */
    uint32_t row;
    /**
     * Whether the stream has drifted.
     */
    ae_drift drift;
    /**
     * Of the last 32 scores, how many were above the upper threshold.
     */
    uint8_t above;
    /**
     * Of the last 32 scores, how many were below the lower threshold.
     */
    uint8_t below;
    /**
     * Rows in a row that repeat one of the two before them, up to 32.
     */
    uint8_t repeats;
    /**
     * Whether the window is complete. Otherwise, the other fields are 0.
     */
    bool complete;
} ae_observation;

/**
 * Does what a codec and a detector do, with parameters that it learns. Its contents belong to the library.
 */
typedef struct ae_learner {
    size_t words[AE_LEARNER_WORDS];
} ae_learner;

/**
 * The flash that keeps what was learned, or a part of it. It holds nothing else.
 *
 * Each callback returns 0, or another number if it has failed. It gets `context`, and offsets in bytes from the beginning of this
 * flash. It does not call functions of this library with the same object.
 */
typedef struct ae_flash {
    /**
     * Passed to each callback; it may be null.
     */
    void *context;
    /**
     * Bytes of the flash: two slots, each of whole pages, and each as long as `ae_info.record_bytes` or longer.
     */
    uint32_t bytes;
    /**
     * Bytes that are erased at once, a multiple of 64.
     */
    uint32_t page_bytes;
    /**
     * Reads `length` bytes, at most 64, from `offset` on.
     */
    int (*read)(void *context, uint32_t offset, uint8_t *bytes, size_t length);
    /**
     * Writes `length` bytes, which are 64, to an `offset` that is a multiple of 64. These bytes are erased.
     */
    int (*write)(void *context, uint32_t offset, const uint8_t *bytes, size_t length);
    /**
     * Erases `length` bytes from `offset` on to ones. Both are multiples of `page_bytes`.
     */
    int (*erase)(void *context, uint32_t offset, uint32_t length);
} ae_flash;

/**
 * The settings of a run. Zeros are a good start for all fields but `rows`.
 */
typedef struct ae_run {
    /**
     * An `ae_method`.
     */
    uint32_t method;
    /**
     * The learning rate of the first step, in millionths; it falls linearly over the run. 0: the best measured for this method.
     */
    uint32_t rate;
    /**
     * The rows or windows of the run, with the 8 that are held out.
     */
    uint32_t rows;
    /**
     * Rows of each step, up to 8. 0 is the same as 1.
     */
    uint8_t batch;
    /**
     * How often a run over windows goes over those that the memory has room for. 0 is the same as 1: each once, when it comes.
     */
    uint8_t passes;
    /**
     * Not 0: also learns from windows that are very different from the training data.
     */
    uint8_t forced;
} ae_run;

/**
 * What became of a row or of a window of a run.
 */
typedef struct ae_learned {
    /**
     * The score before the step of the row that was learned from; without a step, the score of this row.
     */
    uint32_t score;
    /**
     * Whether the row was held out and none was learned from.
     */
    bool held_out;
    /**
     * Whether there was a row: a sample may complete no window. Otherwise, the other fields are 0.
     */
    bool complete;
} ae_learned;

/**
 * The end of a run.
 */
typedef struct ae_judgement {
    /**
     * The sum of the scores of the held-out rows, with the parameters from before the run.
     */
    uint32_t before;
    /**
     * The same with those from its end.
     */
    uint32_t after;
    /**
     * What is kept.
     */
    ae_outcome outcome;
    /**
     * The number of the record in the flash; 0 if nothing is kept.
     */
    uint32_t record;
} ae_judgement;

/**
 * The state of learning.
 */
typedef struct ae_learning {
    /**
     * What the flash holds.
     */
    ae_record record;
    /**
     * The number of that record, which is the number of records written so far; 0 without one.
     */
    uint32_t number;
    /**
     * Rows learned from since the last run began.
     */
    uint32_t rows;
    /**
     * The lower threshold of scores in use.
     */
    uint32_t lower;
    /**
     * The upper threshold of scores in use.
     */
    uint32_t upper;
} ae_learning;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Checks a blob, and says what its network needs.
 *
 * `blob` is aligned to 16 bytes. Errors: `AE_STATUS_NULL`, `AE_STATUS_ALIGNMENT`, and those of the blob, `AE_STATUS_EMPTY` to
 * `AE_STATUS_MALFORMED`.
 */
ae_status ae_blob_info(const uint8_t *blob,
                       size_t blob_bytes,
                       struct ae_info *info);

/**
 * Opens the network of a blob. The blob stays where it is, and `memory` belongs to the codec from then on.
 *
 * `memory` has `ae_info.codec_memory` bytes or more. Errors: those of `ae_blob_info`, and `AE_STATUS_MEMORY`. A codec takes rows, so
 * it does not check how the blob describes samples.
 */
ae_status ae_codec_open(struct ae_codec *codec,
                        const uint8_t *blob,
                        size_t blob_bytes,
                        void *memory,
                        size_t memory_bytes);

/**
 * Encodes a row: `row` has `ae_info.row_bytes`, and `ae_info.code_bytes` are written to `code`, which has room for `code_room`.
 *
 * Errors: `AE_STATUS_LENGTH`, `AE_STATUS_ROOM`, `AE_STATUS_ABSENT` without an encoder.
 */
ae_status ae_codec_encode(struct ae_codec *codec,
                          const uint8_t *row,
                          size_t row_bytes,
                          uint8_t *code,
                          size_t code_room);

/**
 * Decodes a code: `code` has `ae_info.code_bytes`, and `ae_info.row_bytes` are written to `row`, which has room for `row_room`.
 *
 * Errors: `AE_STATUS_LENGTH`, `AE_STATUS_ROOM`, `AE_STATUS_ABSENT` without a decoder.
 */
ae_status ae_codec_decode(struct ae_codec *codec,
                          const uint8_t *code,
                          size_t code_bytes,
                          uint8_t *row,
                          size_t row_room);

/**
 * Scores a row: the sum over its elements of the squared difference from its reconstruction, in units of 1.
 *
 * Errors: `AE_STATUS_LENGTH`, `AE_STATUS_ABSENT` unless there are encoder and decoder.
 */
ae_status ae_codec_score(struct ae_codec *codec, const uint8_t *row, size_t row_bytes, uint32_t *score);

/**
 * Opens the network of a blob. The blob stays where it is, and `memory` belongs to the detector from then on.
 *
 * `memory` has `ae_info.detector_memory` bytes or more. Errors: those of `ae_blob_info`, `AE_STATUS_MEMORY`, and
 * `AE_STATUS_NO_SAMPLES` if the network takes rows.
 */
ae_status ae_detector_open(struct ae_detector *detector,
                           const uint8_t *blob,
                           size_t blob_bytes,
                           void *memory,
                           size_t memory_bytes);

/**
 * Takes the next sample, `ae_info.channels` numbers in the sensor's own unit, oldest first. `observation` says whether it completes
 * a window, and what is found in it.
 *
 * Errors: `AE_STATUS_LENGTH`.
 */
ae_status ae_detector_push(struct ae_detector *detector,
                           const float *sample,
                           size_t numbers,
                           struct ae_observation *observation);

/**
 * Begins a new recording with the next sample, because it does not follow the one before.
 */
ae_status ae_detector_restart(struct ae_detector *detector);

/**
 * Opens the network of a blob, with what the flash holds for it. The blob stays where it is. `memory` belongs to the learner from
 * then on, and so does what the flash's context points to. The struct `flash` is copied.
 *
 * `memory` has `ae_info.learner_memory` bytes or more. Errors: those of `ae_blob_info`, `AE_STATUS_MEMORY`, `AE_STATUS_ARGUMENT` for
 * pages that are not allowed, `AE_STATUS_FLASH_SMALL`, `AE_STATUS_FLASH_FAILED`, `AE_STATUS_FLASH_VERIFY`.
 */
ae_status ae_learner_open(struct ae_learner *learner,
                          const uint8_t *blob,
                          size_t blob_bytes,
                          void *memory,
                          size_t memory_bytes,
                          const struct ae_flash *flash);

/**
 * Encodes a row, as `ae_codec_encode` does.
 */
ae_status ae_learner_encode(struct ae_learner *learner,
                            const uint8_t *row,
                            size_t row_bytes,
                            uint8_t *code,
                            size_t code_room);

/**
 * Decodes a code, as `ae_codec_decode` does. A code is for the parameters that encoded it: learning changes them.
 */
ae_status ae_learner_decode(struct ae_learner *learner,
                            const uint8_t *code,
                            size_t code_bytes,
                            uint8_t *row,
                            size_t row_room);

/**
 * Scores a row, as `ae_codec_score` does.
 */
ae_status ae_learner_score(struct ae_learner *learner, const uint8_t *row, size_t row_bytes, uint32_t *score);

/**
 * Takes the next sample of a stream, as `ae_detector_push` does. Errors: those, and `AE_STATUS_NO_SAMPLES`.
 */
ae_status ae_learner_push(struct ae_learner *learner,
                          const float *sample,
                          size_t numbers,
                          struct ae_observation *observation);

/**
 * Begins a new recording with the next sample, as `ae_detector_restart` does. Errors: `AE_STATUS_NO_SAMPLES`.
 */
ae_status ae_learner_restart(struct ae_learner *learner);

/**
 * Begins a run of learning. A run in progress is discarded.
 *
 * Errors: `AE_STATUS_ARGUMENT` for a method or a batch that is not allowed.
 */
ae_status ae_learner_begin(struct ae_learner *learner, const struct ae_run *run);

/**
 * Gives the run its next row, of `ae_info.row_bytes`.
 *
 * Errors: `AE_STATUS_NOT_LEARNING`, `AE_STATUS_LENGTH`, `AE_STATUS_ABSENT` unless there are encoder and decoder.
 */
ae_status ae_learner_learn_row(struct ae_learner *learner,
                               const uint8_t *row,
                               size_t row_bytes,
                               struct ae_learned *learned);

/**
 * Gives the run its next sample, of `ae_info.channels` numbers. If it completes a window, the run gets its row. Without a run, the
 * sample is not taken.
 *
 * Errors: those of `ae_learner_learn_row`, and `AE_STATUS_NO_SAMPLES`.
 */
ae_status ae_learner_learn_sample(struct ae_learner *learner,
                                  const float *sample,
                                  size_t numbers,
                                  struct ae_learned *learned);

/**
 * Takes the next step of the further passes of a run over windows, and says how many steps are left then. To be called until none
 * is, between the last window and `ae_learner_end`.
 *
 * Errors: `AE_STATUS_NOT_LEARNING`, `AE_STATUS_NO_SAMPLES`.
 */
ae_status ae_learner_repeat(struct ae_learner *learner,
                            uint32_t *left);

/**
 * Ends the run: writes to the flash what helps, and undoes the rest.
 *
 * Errors: `AE_STATUS_NOT_LEARNING`; `AE_STATUS_FLASH_FAILED` and `AE_STATUS_FLASH_VERIFY`, after which the run is undone.
 */
ae_status ae_learner_end(struct ae_learner *learner,
                         struct ae_judgement *judgement);

/**
 * Discards what was learned, in memory and in the flash.
 *
 * Errors: `AE_STATUS_FLASH_FAILED`, `AE_STATUS_FLASH_VERIFY`.
 */
ae_status ae_learner_reset(struct ae_learner *learner);

/**
 * The state of learning and of the flash.
 *
 * Errors: `AE_STATUS_FLASH_FAILED` and `AE_STATUS_FLASH_VERIFY` if the flash could not be read.
 */
ae_status ae_learner_state(struct ae_learner *learner, struct ae_learning *state);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* AUTOENCODER_H */
