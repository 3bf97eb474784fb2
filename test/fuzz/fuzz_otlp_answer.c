/* SPDX-License-Identifier: MIT
 *
 * fuzz_otlp_answer.c - any bytes as what a receiver of spans answers, and as its Retry-After.
 *
 * Input: a byte that says which, and the body.
 */
#include "core/export/receiver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const struct str text = {(const char *)data + 1, size - 1};
    if (data[0] % 3 == 2) {
        INVARIANT(receiver_retry_after_ms(text, UINT64_C(1700000000000000000)) <= 3600000);
        return 0;
    }
    const struct otlp_answer answer = otlp_read_answer(text, data[0] % 3 == 1);
    for (size_t i = 0; answer.message[i] != '\0'; i++) {
        INVARIANT(answer.message[i] >= ' ' && answer.message[i] <= '~'); /* it goes into the log */
    }
    return 0;
}
