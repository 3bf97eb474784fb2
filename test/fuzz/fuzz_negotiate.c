/* SPDX-License-Identifier: MIT
 *
 * fuzz_negotiate.c - any text as the values of Accept and of conditions: an offer is chosen, and
 * what one comparison finds no other one contradicts.
 */
#include "core/http/accept.h"
#include "handlers/kit/etag.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define VERSION 3

static void check_accept(struct str text)
{
    static const struct str offers[] = {STR("text/plain; version=0.0.4"), STR("text/html"),
                                        STR("application/openmetrics-text; version=1.0.0"),
                                        STR("application/json")};
    const size_t all = accept_choose(text, offers, ARRAY_COUNT(offers));
    INVARIANT(all < ARRAY_COUNT(offers));
    INVARIANT(accept_choose(text, offers, 1) == 0);
    /* what was chosen of all is chosen of itself and a type that nobody asks for */
    const struct str two[] = {offers[all], STR("x-toq/x-nothing")};
    const size_t again = accept_choose(text, two, ARRAY_COUNT(two));
    INVARIANT(again < ARRAY_COUNT(two));
}

static void check_tags(struct str text)
{
    const enum etag_match strong = etag_compare(text, VERSION, false);
    const enum etag_match weak = etag_compare(text, VERSION, true);
    uint64_t version;
    INVARIANT((strong == ETAG_BROKEN) == (weak == ETAG_BROKEN));
    INVARIANT(strong != ETAG_SOME || weak == ETAG_SOME);
    INVARIANT(!etag_is_one(text, &version) || etag_compare(text, version, false) == ETAG_SOME);
    const struct etag_conditions conditions = {.if_match = text, .if_none_match = text};
    if (strong == ETAG_NONE && weak == ETAG_NONE) {
        INVARIANT(etag_conditions_judge(&conditions, VERSION, true) == ETAG_FAILED);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct str text = {size == 0 ? "" : (const char *)data, size};
    check_accept(text);
    check_tags(text);
    return 0;
}
