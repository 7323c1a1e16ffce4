/* Prints an observation. */
#ifndef OBSERVE_H
#define OBSERVE_H

#include "autoencoder.h"
#include "board.h"

static inline void print_observation(const ae_observation *observation)
{
    print_text("observation");
    print_number(observation->score);
    print_number(observation->threshold);
    print_number(observation->clipped);
    print_number(observation->row);
    print_number(observation->drift);
    print_number(observation->above);
    print_number(observation->below);
    print_number(observation->repeats);
    print_text("\n");
}

#endif
