/* The emulated board of the examples: Arm MPS2 with AN386, a Cortex-M4. */
#ifndef BOARD_H
#define BOARD_H

#include <stddef.h>
#include <stdint.h>

/* The items that the program works on, in flash. */
typedef struct items {
    uint32_t count;
    uint32_t bytes; /* of each */
    uint8_t data[];
} items;

extern const items board_items;

/* Writes to the console of the emulator. */
void print_text(const char *text);
void print_number(uint32_t number); /* after a space */
void print_hex(const uint8_t *bytes, size_t length);

/* Bytes of the stack that were used so far. */
uint32_t stack_bytes(void);

/* Ends the program with the line "failed AT STATUS" if a status is not 0. */
void require(uint32_t at, uint32_t status);

int main(void);

#endif
