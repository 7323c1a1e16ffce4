#include "board.h"

/* Operations of semihosting. */
enum { WRITE0 = 0x04, EXIT = 0x18 };
#define APPLICATION_EXIT ((const void *)0x20026)
#define RUN_TIME_ERROR ((const void *)0x20023)

#define PAINT 0xccccccccu

/* From the linker script. */
extern uint32_t _data_start, _data_end, _data_flash, _bss_start, _bss_end, _stack_end, _stack_start;

static void semihosting(int operation, const void *argument)
{
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

static void end(const void *reason)
{
    for (;;) {
        semihosting(EXIT, reason);
    }
}

static void fault(void)
{
    print_text("fault\n");
    end(RUN_TIME_ERROR);
}

/* Enables the FPU, initialises the memory, paints the stack and runs the program. */
__attribute__((noreturn)) void reset(void);

void reset(void)
{
    volatile uint32_t *const access_control = (uint32_t *)0xe000ed88;
    *access_control |= 0xf << 20;
    __asm__ volatile("dsb\n\tisb" ::: "memory");
    for (uint32_t *to = &_data_start, *from = &_data_flash; to < &_data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = &_bss_start; to < &_bss_end;) {
        *to++ = 0;
    }
    uint32_t *here = (uint32_t *)__builtin_frame_address(0) - 16;
    for (volatile uint32_t *word = &_stack_end; word < here;) {
        *word++ = PAINT;
    }
    main();
    end(APPLICATION_EXIT);
    __builtin_unreachable();
}

typedef void (*handler)(void);

/* The stack, and the processor's own vectors. */
__attribute__((section(".vectors"), used)) static const struct {
    uint32_t *stack;
    handler handlers[15];
} vectors = {&_stack_start, {reset, fault, fault, fault, fault, fault, 0, 0, 0, 0, fault, fault, 0, fault, fault}};

void print_text(const char *text)
{
    semihosting(WRITE0, text);
}

void print_number(uint32_t number)
{
    char digits[12];
    char *first = digits + sizeof digits - 1;
    *first = '\0';
    do {
        *--first = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    *--first = ' ';
    print_text(first);
}

void print_hex(const uint8_t *bytes, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    char text[33];
    print_text(" ");
    for (size_t i = 0; i < length;) {
        char *to = text;
        for (; to < text + sizeof text - 1 && i < length; i++) {
            *to++ = digits[bytes[i] >> 4];
            *to++ = digits[bytes[i] & 15];
        }
        *to = '\0';
        print_text(text);
    }
}

uint32_t stack_bytes(void)
{
    const uint32_t *word = &_stack_end;
    while (word < &_stack_start && *word == PAINT) {
        word++;
    }
    return (uint32_t)(4 * (&_stack_start - word));
}

void require(uint32_t at, uint32_t status)
{
    if (status != 0) {
        print_text("failed");
        print_number(at);
        print_number(status);
        print_text("\n");
        end(RUN_TIME_ERROR);
    }
}
