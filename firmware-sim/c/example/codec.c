/* Encodes each row, decodes its code, and scores it. */
#include "autoencoder.h"
#include "board.h"
#include "model.h"

static ae_codec codec;
static uint32_t memory[(MODEL_CODEC_MEMORY + 3) / 4];
static uint8_t code[MODEL_CODE_BYTES], row[MODEL_ROW_BYTES];

int main(void)
{
    require(1, ae_codec_open(&codec, model, MODEL_BYTES, memory, sizeof memory));
    for (uint32_t i = 0; i < board_items.count; i++) {
        const uint8_t *image = board_items.data + i * board_items.bytes;
        uint32_t score;
        require(2, ae_codec_encode(&codec, image, board_items.bytes, code, sizeof code));
        require(3, ae_codec_decode(&codec, code, sizeof code, row, sizeof row));
        require(4, ae_codec_score(&codec, image, board_items.bytes, &score));
        print_text("code");
        print_hex(code, sizeof code);
        print_text("\nrow");
        print_hex(row, sizeof row);
        print_text("\nscore");
        print_number(score);
        print_text("\n");
    }
    print_text("stack");
    print_number(stack_bytes());
    print_text("\n");
    return 0;
}
