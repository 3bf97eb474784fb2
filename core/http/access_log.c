/* SPDX-License-Identifier: MIT
 *
 * access_log.c - counts access lines of a second, and those left out.
 *
 * Flow: first line -> a second begins -> up to max_per_s lines, the others are counted -> it ends:
 *       their number as a line
 */
#include "core/http/access_log.h"

#define SECOND_MS 1000

static void on_second(struct wheel_timer *timer)
{
    struct access_log *log = CONTAINER_OF(timer, struct access_log, second);
    access_log_flush(log);
    log->written_count = 0;
}

void access_log_init(struct access_log *log, struct loop *loop,
                     const struct access_log_options *options)
{
    *log = (struct access_log){
        .loop = loop,
        .name = options->name,
        .every = options->every,
        .max_per_s = options->max_per_s,
        .level = options->level,
    };
    wheel_timer_init(&log->second, on_second);
}

void access_log_deinit(struct access_log *log)
{
    wheel_unset(&log->second);
}

void access_log_flush(struct access_log *log)
{
    if (log->left_out_count == 0) {
        return;
    }
    LOG(log->level, "access", "sampled: more than LOG_ACCESS_MAX_PER_S, the rest left out",
        log_cstr("server", log->name), log_u64("max_per_s", log->max_per_s),
        log_u64("left_out", log->left_out_count));
    log->left_out_count = 0;
}

bool access_log_wants(struct access_log *log)
{
    if (++log->count < log->every) {
        return false;
    }
    log->count = 0;
    if (!log_is_on(log->level) || log->max_per_s == 0) {
        return log_is_on(log->level);
    }
    if (log->written_count >= log->max_per_s) {
        log->left_out_count++;
        return false;
    }
    if (log->written_count++ == 0) {
        loop_set_timer(log->loop, &log->second, SECOND_MS);
    }
    return true;
}
