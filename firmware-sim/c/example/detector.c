/* Observes the samples of a sensor. */
#include "autoencoder.h"
#include "board.h"
#include "model.h"
#include "observe.h"

static ae_detector detector;
static uint32_t memory[(MODEL_DETECTOR_MEMORY + 3) / 4];

int main(void)
{
    require(1, ae_detector_open(&detector, model, MODEL_BYTES, memory, sizeof memory));
    for (uint32_t i = 0; i < board_items.count; i++) {
        const float *sample = (const float *)(const void *)(board_items.data + i * board_items.bytes);
        ae_observation observation;
        require(2, ae_detector_push(&detector, sample, MODEL_CHANNELS, &observation));
        if (observation.complete) {
            print_observation(&observation);
        }
    }
    require(3, ae_detector_restart(&detector));
    print_text("stack");
    print_number(stack_bytes());
    print_text("\n");
    return 0;
}
