/* SPDX-License-Identifier: MIT
 *
 * accept.c - each offer is weighed against all ranges; both are few.
 */
#include "core/http/accept.h"

#include "core/http/parameter.h"

#define WEIGHT_MAX 1000 /* q=1, in thousandths */

/* How well an offer does. */
struct fit {
    unsigned weight;
    unsigned specificity; /* of the range that says so; 0: there is none */
    size_t position;      /* of that range in the field */
};

/* parse_weight reads "1", "0.", "0.25" ... of three digits at most. */
static bool parse_weight(struct str text, unsigned *ret_weight)
{
    if (text.len == 0 || text.len > 5 || (text.ptr[0] != '0' && text.ptr[0] != '1') ||
        (text.len > 1 && text.ptr[1] != '.')) {
        return false;
    }
    unsigned weight = text.ptr[0] == '1' ? WEIGHT_MAX : 0;
    unsigned unit = WEIGHT_MAX / 10;
    for (size_t i = 2; i < text.len; i++, unit /= 10) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
        weight += unit * (unsigned)(text.ptr[i] - '0');
    }
    *ret_weight = weight;
    return weight <= WEIGHT_MAX;
}

/* match_type returns the specificity: 1 for all types, 2 for all subtypes of one type, 3 for the
 * type itself; 0: the offer is not in the range. */
static unsigned match_type(struct str range, struct str type)
{
    if (str_equal(range, STR("*/*"))) {
        return 1;
    }
    if (str_equal_nocase(range, type)) {
        return 3;
    }
    const size_t stem = range.len - 1;
    const bool is_open = range.len > 2 && range.ptr[stem] == '*' && range.ptr[stem - 1] == '/';
    return is_open && type.len > stem &&
                   str_equal_nocase((struct str){range.ptr, stem}, (struct str){type.ptr, stem})
               ? 2
               : 0;
}

/* match_parameter: 1 when an offer has the parameter, 0 when it lacks it, -1 when it has another
 * value. */
static int match_parameter(struct str offered, const struct parameter *wanted)
{
    struct parameter own;
    while (parameter_next(&offered, &own)) {
        if (str_equal_nocase(own.name, wanted->name)) {
            return parameter_is(wanted->value, own.value) ? 1 : -1;
        }
    }
    return 0;
}

/* match_range weighs an offer against one range.
 *
 * Returns: whether it is in the range; ret_fit's position is not set. */
static bool match_range(struct str range, struct str offer, struct fit *ret_fit)
{
    struct str type;
    struct str range_type;
    struct parameter parameter;
    if (!parameter_next_part(&offer, ';', &type) ||
        !parameter_next_part(&range, ';', &range_type)) {
        return false;
    }
    struct fit fit = {.weight = WEIGHT_MAX, .specificity = match_type(range_type, type)};
    bool is_in = fit.specificity > 0;
    while (is_in && parameter_next(&range, &parameter)) {
        if (str_equal_nocase(parameter.name, STR("q"))) {
            is_in = parse_weight(parameter.value, &fit.weight);
            break; /* what follows is not of the type */
        }
        const int match = match_parameter(offer, &parameter);
        is_in = match >= 0;
        fit.specificity += match > 0;
    }
    *ret_fit = fit;
    return is_in;
}

static struct fit weigh(struct str accept, struct str offer)
{
    struct fit best = {0};
    struct fit fit;
    struct str range;
    for (size_t i = 0; parameter_next_part(&accept, ',', &range); i++) {
        if (match_range(range, offer, &fit) &&
            (fit.specificity > best.specificity ||
             (fit.specificity == best.specificity && fit.weight > best.weight))) {
            best = fit;
            best.position = i;
        }
    }
    return best;
}

static bool is_better(const struct fit *a, const struct fit *b)
{
    if (a->weight != b->weight) {
        return a->weight > b->weight;
    }
    if (a->specificity != b->specificity) {
        return a->specificity > b->specificity;
    }
    return a->position < b->position;
}

size_t accept_choose(struct str accept, const struct str *offers, size_t count)
{
    struct fit best = {0};
    size_t chosen = 0;
    for (size_t i = 0; i < count; i++) {
        const struct fit fit = weigh(accept, offers[i]);
        if (fit.weight > 0 && (best.weight == 0 || is_better(&fit, &best))) {
            best = fit;
            chosen = i;
        }
    }
    return chosen;
}
