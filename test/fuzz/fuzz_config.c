/* SPDX-License-Identifier: MIT
 *
 * fuzz_config.c - any bytes as an env file: accepted, or refused with one printable line.
 */
#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config config;
    struct config_set set;
    char error[CONFIG_ERROR_BYTES] = "";
    config_set_init(&set, &config);
    if (config_parse_file(&set, "fuzz.env", (struct str){(const char *)data, size}, error)) {
        return 0;
    }
    const size_t len = strnlen(error, sizeof(error));
    INVARIANT(len > 0 && len < sizeof(error));
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)error[i];
        INVARIANT(c >= 0x20 && c != 0x7F);
    }
    return 0;
}
