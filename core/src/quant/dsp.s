@ One layer, following an input program. dsp.rs describes the program and the registers.
    .section .text.ae_layer, "ax", %progbits
    .syntax unified
    .thumb
    .p2align 2

    @ Two rows by one pair of inputs: three instructions, four multiply-accumulates.
    .macro ae_mac l, r, w, x
    smlad \r, \w, \x, \r
    sxtb16 \w, \w
    smlad \l, \w, \x, \l
    .endm
    @ Four rows by one pair of inputs, by two, by four.
    .macro ae_one x
    ldm r7!, {r3, r4}
    ae_mac r0, r1, r3, \x
    ae_mac r2, lr, r4, \x
    .endm
    .macro ae_two x, y
    ldm r7!, {r3-r6}
    ae_mac r0, r1, r3, \x
    ae_mac r2, lr, r4, \x
    ae_mac r0, r1, r5, \y
    ae_mac r2, lr, r6, \y
    .endm
    .macro ae_block
    ae_two r9, r10
    ae_two r11, r12
    .endm
    .macro ae_next
    ldm r8!, {r3, r9-r12, pc}
    .endm
    @ A symbol whose address can be jumped to.
    .macro ae_code name
    .global \name
    .type \name, %function
    .thumb_func
\name:
    .endm

    @ ae_layer(channels, out, program, weights)
    ae_code ae_layer
    push {r4-r11, lr}
    mov r7, r3
    push {r0-r2}
1:  ldr r8, [sp, #8]
    ldm r8!, {r0-r2, lr}
    ae_next

    ae_code ae_run1
    add r7, r7, r3
    ae_one r9
    ae_next

    ae_code ae_run2
    add r7, r7, r3
    ae_two r9, r10
    ae_next

    ae_code ae_run3
    add r7, r7, r3
    ae_two r9, r10
    ae_one r11
    ae_next

    .irp blocks, 4, 3, 2
    ae_code ae_blocks\blocks
    ae_block
    ldm r8!, {r9-r12}
    .endr
    b.w ae_blocks1
    ae_code ae_run4
    add.w r7, r7, r3
    ae_code ae_blocks1
    ae_block
    ae_next

    .macro ae_scale
    add r7, r7, r3
    ldrd r8, r12, [sp]
    ldm r8!, {r3-r6}
    sub r1, r1, r0
    add r0, r0, r3
    add r1, r5, r1, asr #8
    smmlar r0, r0, r4, r10
    smmlar r1, r1, r6, r10
    ldm r8!, {r3-r6}
    sub lr, lr, r2
    add r2, r2, r3
    add r3, r5, lr, asr #8
    smmlar r2, r2, r4, r10
    smmlar r3, r3, r6, r10
    .endm

    ae_code ae_finish_table
    ae_scale
    usat r0, #10, r0
    usat r1, #10, r1
    usat r2, #10, r2
    usat r3, #10, r3
    ldrb r0, [r9, r0]
    ldrb r1, [r9, r1]
    ldrb r2, [r9, r2]
    ldrb r3, [r9, r3]
2:  strb r0, [r12], #1
    strb r1, [r12], #1
    strb r2, [r12], #1
    strb r3, [r12], #1
    strd r8, r12, [sp]
    cmp r12, r11
    bne 1b
    add sp, #12
    pop {r4-r11, pc}

    ae_code ae_finish_clamp
    ae_scale
    usat r0, #8, r0
    usat r1, #8, r1
    usat r2, #8, r2
    usat r3, #8, r3
    b 2b

    .size ae_layer, . - ae_layer
