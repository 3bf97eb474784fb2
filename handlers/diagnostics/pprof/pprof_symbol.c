/* SPDX-License-Identifier: MIT
 *
 * pprof_symbol.c - names for addresses, looked up on a worker thread because the first look-up
 * reads files. An address may be one in memory, as the texts have it, or one of the main binary as
 * the profiles show it. Code that has no symbol is answered with the name of its object in
 * brackets.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "core/base/hex.h"
#include "handlers/diagnostics/pprof/pprof_respond.h"
#include "profiling/code/symbol.h"
#include "profiling/profiler.h"

/* a name may be long, an address is 18 bytes; go tool pprof asks for some thousands at most */
#define ANSWER_MAX_BYTES (8u << 20)

struct symbol_job {
    struct pool_job job;
    struct http_request *req; /* it outlives the job, which alone ends it */
    struct str words;         /* "0x1234+0x5678" */
    struct buf answer;
};

static bool parse_digits(struct str digits, uint64_t base, uint64_t *ret_number)
{
    uint64_t number = 0;
    for (size_t i = 0; i < digits.len; i++) {
        const int digit = hex_value_any(digits.ptr[i]);
        if (digit < 0 || (uint64_t)digit >= base || __builtin_mul_overflow(number, base, &number) ||
            __builtin_add_overflow(number, (uint64_t)digit, &number)) {
            return false;
        }
    }
    *ret_number = number;
    return digits.len > 0;
}

/* parse_word reads a number as Go's ParseUint with base 0 does: 0x, 0b, 0o, 0 or decimal. */
static bool parse_word(struct str word, uint64_t *ret_pc)
{
    if (word.len < 2 || word.ptr[0] != '0') {
        return parse_digits(word, 10, ret_pc);
    }
    const struct str rest = {word.ptr + 2, word.len - 2};
    switch (word.ptr[1]) {
    case 'x':
    case 'X':
        return parse_digits(rest, 16, ret_pc);
    case 'o':
    case 'O':
        return parse_digits(rest, 8, ret_pc);
    case 'b':
    case 'B':
        return parse_digits(rest, 2, ret_pc);
    default:
        return parse_digits(word, 8, ret_pc);
    }
}

static void look_up(struct pool_job *job)
{
    struct symbol_job *sj = CONTAINER_OF(job, struct symbol_job, job);
    struct str word;
    /* clients only test that the number is not 0 */
    buf_append_cstr(&sj->answer, "num_symbols: 1\n");
    while (str_next_field(&sj->words, '+', &word) && !sj->answer.is_failed) {
        uint64_t pc;
        struct symbol_result symbol;
        if (!parse_word(word, &pc) || pc == 0) {
            continue;
        }
        symbol_lookup_shown(pc, &symbol);
        sj->answer.is_failed = sj->answer.is_failed || symbol.is_failed;
        if (symbol.is_mapped) {
            buf_printf(&sj->answer, "0x%" PRIx64 " %s\n", pc, symbol.frames[0].function);
        }
    }
}

static void finish(struct pool_job *job, int status)
{
    struct symbol_job *sj = CONTAINER_OF(job, struct symbol_job, job);
    if (status < 0 || sj->answer.is_failed) {
        pprof_respond_error(sj->req, 503, profiler_strerror(status < 0 ? status : UV_ENOMEM));
    } else {
        pprof_respond_text(sj->req, buf_str(&sj->answer));
    }
    http_release(sj->req);
    buf_deinit(&sj->answer);
    free(sj);
}

void pprof_handle_symbol(struct http_request *req, void *arg)
{
    struct pprof *pprof = arg;
    if (!pprof_is_allowed(pprof, req)) {
        return;
    }
    struct symbol_job *sj = calloc(1, sizeof(*sj));
    if (sj == NULL) {
        pprof_respond_error(req, 503, "out of memory");
        return;
    }
    sj->job.work = look_up;
    sj->job.done = finish;
    sj->req = req; /* held, for the worker reads its body or query */
    http_hold(req);
    sj->words = req->method == METHOD_POST ? req->body : req->query;
    buf_init(&sj->answer, ANSWER_MAX_BYTES);
    (void)http_wait(req, "threadpool");
    const int status = pool_submit(pprof->pool, pprof->loop, &sj->job);
    if (status < 0) {
        finish(&sj->job, status);
    }
}
