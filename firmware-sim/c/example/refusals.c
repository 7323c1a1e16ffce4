/* What the functions say to wrong arguments: each line is the status of a call, and the lengths that the library finds. */
#include "autoencoder.h"
#include "board.h"
#include "model.h"

#include <string.h>

#define RECORD_PAGES 2

static ae_codec codec;
static ae_detector detector;
static ae_learner learner;
static uint32_t memory[(MODEL_LEARNER_MEMORY + 3) / 4];
static uint8_t bytes[MODEL_ROW_BYTES + 1];

/* A flash that is erased, or broken if its context says so. */
static int read(void *context, uint32_t offset, uint8_t *to, size_t length)
{
    (void)offset;
    memset(to, 0xff, length);
    return context != NULL;
}

static int write(void *context, uint32_t offset, const uint8_t *from, size_t length)
{
    (void)context, (void)offset, (void)from, (void)length;
    return 1;
}

static int erase(void *context, uint32_t offset, uint32_t length)
{
    (void)context, (void)offset, (void)length;
    return 1;
}

static void print_status(const char *call, ae_status status)
{
    print_text(call);
    print_number(status);
    print_text("\n");
}

static void blobs(void)
{
    static const uint32_t erased[4] = {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff};
    uint8_t *odd = (uint8_t *)memory + 4 + (16 - (uintptr_t)memory % 16) % 16;
    ae_info info;
    memcpy(odd, model, 16);
    print_status("info without a blob", ae_blob_info(NULL, 100, &info));
    print_status("info without a result", ae_blob_info(model, MODEL_BYTES, NULL));
    print_status("info not aligned", ae_blob_info(odd, 16, &info));
    print_status("info of no bytes", ae_blob_info(model, 0, &info));
    print_status("info of erased flash", ae_blob_info((const uint8_t *)erased, sizeof erased, &info));
    print_status("info of something else", ae_blob_info(model + 16, 16, &info));
    print_status("info cut off", ae_blob_info(model, MODEL_BYTES - 1, &info));
    print_status("info", ae_blob_info(model, MODEL_BYTES, &info));
    print_text("lengths");
    print_number(info.blob_bytes);
    print_number(info.row_bytes);
    print_number(info.code_bytes);
    print_number(info.channels);
    print_number(info.window);
    print_number(info.hop);
    print_number(info.codec_memory);
    print_number(info.detector_memory);
    print_number(info.learner_memory);
    print_number(info.record_bytes);
    print_text("\nmacros");
    print_number(MODEL_BYTES);
    print_number(MODEL_ROW_BYTES);
    print_number(MODEL_CODE_BYTES);
    print_number(MODEL_CHANNELS);
    print_number(MODEL_WINDOW);
    print_number(MODEL_HOP);
    print_number(MODEL_CODEC_MEMORY);
    print_number(MODEL_DETECTOR_MEMORY);
    print_number(MODEL_LEARNER_MEMORY);
    print_number(MODEL_RECORD_BYTES);
    print_text("\n");
}

static void codecs(void)
{
    uint32_t score;
    const size_t most = MODEL_CODEC_MEMORY;
    print_status("encode before opening", ae_codec_encode(&codec, bytes, MODEL_ROW_BYTES, bytes, sizeof bytes));
    print_status("open no codec", ae_codec_open(NULL, model, MODEL_BYTES, memory, most));
    print_status("open without memory", ae_codec_open(&codec, model, MODEL_BYTES, NULL, most));
    print_status("open memory not aligned", ae_codec_open(&codec, model, MODEL_BYTES, (uint8_t *)memory + 1, most));
    print_status("open a byte less", ae_codec_open(&codec, model, MODEL_BYTES, memory, most - 1));
    print_status("encode after a failed opening", ae_codec_encode(&codec, bytes, MODEL_ROW_BYTES, bytes, sizeof bytes));
    print_status("open", ae_codec_open(&codec, model, MODEL_BYTES, memory, most));
    print_status("encode no row", ae_codec_encode(&codec, NULL, MODEL_ROW_BYTES, bytes, sizeof bytes));
    print_status("encode to nowhere", ae_codec_encode(&codec, bytes, MODEL_ROW_BYTES, NULL, sizeof bytes));
    print_status("encode a long row", ae_codec_encode(&codec, bytes, MODEL_ROW_BYTES + 1, bytes, sizeof bytes));
    print_status("encode to a short code", ae_codec_encode(&codec, bytes, MODEL_ROW_BYTES, bytes, MODEL_CODE_BYTES - 1));
    print_status("decode a short code", ae_codec_decode(&codec, bytes, MODEL_CODE_BYTES - 1, bytes, sizeof bytes));
    print_status("decode to a short row", ae_codec_decode(&codec, bytes, MODEL_CODE_BYTES, bytes, MODEL_ROW_BYTES - 1));
    print_status("score to nowhere", ae_codec_score(&codec, bytes, MODEL_ROW_BYTES, NULL));
    print_status("score not aligned", ae_codec_score(&codec, bytes, MODEL_ROW_BYTES, (uint32_t *)((uintptr_t)&score + 1)));
    print_status("encode in place", ae_codec_encode(&codec, bytes, MODEL_ROW_BYTES, bytes, sizeof bytes));
    print_status("open no blob", ae_codec_open(&codec, model, 0, memory, most));
    print_status("score after it", ae_codec_score(&codec, bytes, MODEL_ROW_BYTES, &score));
    print_status("open", ae_codec_open(&codec, model, MODEL_BYTES, memory, most));
    print_status("open a null blob", ae_codec_open(&codec, NULL, MODEL_BYTES, memory, most));
    print_status("score after it", ae_codec_score(&codec, bytes, MODEL_ROW_BYTES, &score));
    print_status("open", ae_codec_open(&codec, model, MODEL_BYTES, memory, most));
    print_status("open memory not aligned", ae_codec_open(&codec, model, MODEL_BYTES, (uint8_t *)memory + 1, most));
    print_status("score after it", ae_codec_score(&codec, bytes, MODEL_ROW_BYTES, &score));
}

static void detectors(void)
{
    ae_observation observation;
    float sample[MODEL_CHANNELS + 1] = {0};
    print_status("push before opening", ae_detector_push(&detector, sample, MODEL_CHANNELS, &observation));
    print_status("open a byte less", ae_detector_open(&detector, model, MODEL_BYTES, memory, MODEL_DETECTOR_MEMORY - 1));
    print_status("open", ae_detector_open(&detector, model, MODEL_BYTES, memory, sizeof memory));
    print_status("push one number more", ae_detector_push(&detector, sample, MODEL_CHANNELS + 1, &observation));
    print_status("push no sample", ae_detector_push(&detector, NULL, MODEL_CHANNELS, &observation));
    print_status("push to nowhere", ae_detector_push(&detector, sample, MODEL_CHANNELS, NULL));
    print_status("push", ae_detector_push(&detector, sample, MODEL_CHANNELS, &observation));
    print_status("restart nothing", ae_detector_restart(NULL));
    print_status("restart", ae_detector_restart(&detector));
    print_status("open without memory", ae_detector_open(&detector, model, MODEL_BYTES, NULL, sizeof memory));
    print_status("push after it", ae_detector_push(&detector, sample, MODEL_CHANNELS, &observation));
    print_status("open", ae_detector_open(&detector, model, MODEL_BYTES, memory, sizeof memory));
    print_status("open a null blob", ae_detector_open(&detector, NULL, MODEL_BYTES, memory, sizeof memory));
    print_status("restart after it", ae_detector_restart(&detector));
}

static ae_status open_learner(const ae_flash *flash, size_t length)
{
    return ae_learner_open(&learner, model, MODEL_BYTES, memory, length, flash);
}

static void learners(void)
{
    const uint32_t page = (MODEL_RECORD_BYTES + 63) / 64 * 64;
    ae_flash flash = {&flash, RECORD_PAGES * page, page, read, write, erase};
    const float sample[MODEL_CHANNELS + 1] = {0};
    ae_run run = {.method = 3, .rows = 10};
    ae_judgement judgement;
    ae_learned learned;
    ae_learning state;
    uint32_t left, score;
    print_status("begin before opening", ae_learner_begin(&learner, &run));
    print_status("open without a flash", open_learner(NULL, sizeof memory));
    flash.erase = NULL;
    print_status("open without a callback", open_learner(&flash, sizeof memory));
    flash.erase = erase;
    flash.page_bytes = 63;
    print_status("open with odd pages", open_learner(&flash, sizeof memory));
    flash.page_bytes = page;
    flash.bytes = page;
    print_status("open with one page", open_learner(&flash, sizeof memory));
    flash.page_bytes = 64;
    flash.bytes = 128;
    print_status("open with a small flash", open_learner(&flash, sizeof memory));
    flash.page_bytes = page;
    flash.bytes = RECORD_PAGES * page;
    print_status("open a byte less", open_learner(&flash, MODEL_LEARNER_MEMORY - 1));
    print_status("open with a broken flash", open_learner(&flash, sizeof memory));
    print_status("state after it", ae_learner_state(&learner, &state));
    print_status("learn after it", ae_learner_learn_row(&learner, bytes, MODEL_ROW_BYTES, &learned));
    print_status("end after it", ae_learner_end(&learner, &judgement));
    print_status("repeat after it", ae_learner_repeat(&learner, &left));
    print_status("reset after it", ae_learner_reset(&learner));
    flash.context = NULL;
    print_status("open", open_learner(&flash, sizeof memory));
    print_status("state", ae_learner_state(&learner, &state));
    print_status("end before a run", ae_learner_end(&learner, &judgement));
    print_status("learn before a run", ae_learner_learn_row(&learner, bytes, MODEL_ROW_BYTES, &learned));
    print_status("learn a sample before a run", ae_learner_learn_sample(&learner, sample, MODEL_CHANNELS, &learned));
    print_status("begin without settings", ae_learner_begin(&learner, NULL));
    print_status("begin with an unknown method", ae_learner_begin(&learner, &run));
    run.method = AE_METHOD_RMS_PROP;
    run.batch = 9;
    print_status("begin with a large batch", ae_learner_begin(&learner, &run));
    run.batch = 8;
    print_status("begin", ae_learner_begin(&learner, &run));
    print_status("learn a short row", ae_learner_learn_row(&learner, bytes, MODEL_ROW_BYTES - 1, &learned));
    print_status("learn to nowhere", ae_learner_learn_sample(&learner, (float *)memory, MODEL_CHANNELS, NULL));
    print_status("end without a row", ae_learner_end(&learner, &judgement));
    print_status("reset", ae_learner_reset(&learner));
    print_status("open without a flash", open_learner(NULL, sizeof memory));
    print_status("score after it", ae_learner_score(&learner, bytes, MODEL_ROW_BYTES, &score));
    print_status("open", open_learner(&flash, sizeof memory));
    flash.page_bytes = 63;
    print_status("open with odd pages", open_learner(&flash, sizeof memory));
    print_status("score after it", ae_learner_score(&learner, bytes, MODEL_ROW_BYTES, &score));
    flash.page_bytes = page;
    print_status("open", open_learner(&flash, sizeof memory));
    flash.write = NULL;
    print_status("open without a callback", open_learner(&flash, sizeof memory));
    print_status("score after it", ae_learner_score(&learner, bytes, MODEL_ROW_BYTES, &score));
}

int main(void)
{
    blobs();
    codecs();
    detectors();
    learners();
    print_text("stack");
    print_number(stack_bytes());
    print_text("\n");
    return 0;
}
