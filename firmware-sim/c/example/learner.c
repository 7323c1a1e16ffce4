/*
 * Learns from rows or from samples, keeps in a flash what helps, and starts again with it, as after a power cut. The flash is
 * memory that is only used as flash is: pages are erased to ones, and a write clears bits.
 */
#include "autoencoder.h"
#include "board.h"
#include "model.h"
#include "observe.h"

#include <string.h>

enum { PAGE = 4096, PAGES = 8 }; /* two slots of four pages */

static uint8_t flash_bytes[PAGES * PAGE] __attribute__((section(".flash")));

static int flash_read(void *context, uint32_t offset, uint8_t *bytes, size_t length)
{
    memcpy(bytes, (const uint8_t *)context + offset, length);
    return 0;
}

static int flash_write(void *context, uint32_t offset, const uint8_t *bytes, size_t length)
{
    uint8_t *to = (uint8_t *)context + offset;
    for (size_t i = 0; i < length; i++) {
        if (to[i] != 0xff) {
            return 1; /* not erased */
        }
        to[i] = bytes[i];
    }
    return 0;
}

static int flash_erase(void *context, uint32_t offset, uint32_t length)
{
    if (offset % PAGE != 0 || length % PAGE != 0) {
        return 1;
    }
    memset((uint8_t *)context + offset, 0xff, length);
    return 0;
}

static const ae_flash flash = {flash_bytes, sizeof flash_bytes, PAGE, flash_read, flash_write, flash_erase};
static ae_learner learner;

/* A run over windows goes over those again that there is room for. */
#define STORED_BYTES (MODEL_CHANNELS > 0 ? 16384 : 0)

static uint32_t memory[(MODEL_LEARNER_MEMORY + STORED_BYTES + 3) / 4];

static const uint8_t *item(uint32_t i)
{
    return board_items.data + i * board_items.bytes;
}

static const float *sample(uint32_t i)
{
    return (const float *)(const void *)item(i);
}

/* The items are rows, or samples of windows. */
static uint32_t rows(void)
{
#if MODEL_CHANNELS > 0
    return board_items.count < MODEL_WINDOW ? 0 : (board_items.count - MODEL_WINDOW) / MODEL_HOP + 1;
#else
    return board_items.count;
#endif
}

static void print_state(void)
{
    ae_learning state;
    require(10, ae_learner_state(&learner, &state));
    print_text("state");
    print_number(state.record);
    print_number(state.number);
    print_number(state.rows);
    print_number(state.lower);
    print_number(state.upper);
    print_text("\n");
}

static void learn(void)
{
    const ae_run run = {.method = AE_METHOD_ADAM, .rows = rows(), .passes = 2, .forced = 1};
    ae_learned learned;
    ae_judgement judgement;
    require(20, ae_learner_begin(&learner, &run));
    for (uint32_t i = 0; i < board_items.count; i++) {
        if (MODEL_CHANNELS > 0) {
            require(21, ae_learner_learn_sample(&learner, sample(i), MODEL_CHANNELS, &learned));
        } else {
            require(22, ae_learner_learn_row(&learner, item(i), board_items.bytes, &learned));
        }
        if (learned.complete) {
            print_text("learned");
            print_number(learned.score);
            print_number(learned.held_out);
            print_text("\n");
        }
    }
    if (MODEL_CHANNELS > 0) {
        uint32_t left, steps = 0;
        do {
            require(23, ae_learner_repeat(&learner, &left));
            steps++;
        } while (left > 0);
        print_text("repeated");
        print_number(steps);
        print_text("\n");
    }
    require(24, ae_learner_end(&learner, &judgement));
    print_text("judgement");
    print_number(judgement.before);
    print_number(judgement.after);
    print_number(judgement.outcome);
    print_number(judgement.record);
    print_text("\n");
}

/* What the learner makes of the items with the parameters that it has. */
static void use(void)
{
    for (uint32_t i = 0; i < board_items.count; i++) {
        if (MODEL_CHANNELS > 0) {
            ae_observation observation;
            require(30, ae_learner_push(&learner, sample(i), MODEL_CHANNELS, &observation));
            if (observation.complete) {
                print_observation(&observation);
            }
        } else {
            uint32_t score;
            require(31, ae_learner_score(&learner, item(i), board_items.bytes, &score));
            print_text("score");
            print_number(score);
            print_text("\n");
        }
    }
}

int main(void)
{
    memset(flash_bytes, 0xff, sizeof flash_bytes); /* erased, as a new part is */
    require(1, ae_learner_open(&learner, model, MODEL_BYTES, memory, sizeof memory, &flash));
    print_state();
    learn();
    print_state();
    require(2, ae_learner_open(&learner, model, MODEL_BYTES, memory, sizeof memory, &flash));
    print_state();
    use();
    for (uint32_t page = 0; page < PAGES; page++) {
        for (uint32_t at = 0; at < PAGE; at += 128) {
            print_text("flash");
            print_hex(flash_bytes + page * PAGE + at, 128);
            print_text("\n");
        }
    }
    require(3, ae_learner_reset(&learner));
    print_state();
    print_text("stack");
    print_number(stack_bytes());
    print_text("\n");
    return 0;
}
