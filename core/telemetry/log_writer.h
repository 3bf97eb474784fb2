/* SPDX-License-Identifier: MIT
 *
 * log_writer.h - the thread that writes finished lines, and the bounded queue before it.
 *
 * Flow:    log_writer_push copies a line into the queue -> the thread swaps the queue for its
 *          empty batch -> write(2) without the lock
 * Failure: a full queue drops the new line, a failed write the rest of its batch; both are
 *          counted, and a warning line says how many are missing once lines get through again.
 * Memory:  queue and batch, queue_bytes each, allocated at the start.
 */
#ifndef TOQ_CORE_TELEMETRY_LOG_WRITER_H
#define TOQ_CORE_TELEMETRY_LOG_WRITER_H

#include "core/telemetry/log_line.h"

/* Lines whose counts are to be written while no new line comes: log_limit.h. */
struct log_writer_counts {
    bool (*is_pending)(void);
    void (*flush)(uint64_t now_ns);
};

/* log_writer_start starts the thread.
 *
 * options: level is not used; queue_bytes is not 0.
 * counts:  called by the thread without its lock, about once a second; a literal.
 * Returns: 0; -ENOMEM, or the thread's creation error as a negative errno.
 * Thread:  main, while no writer runs.
 */
MUST_USE int log_writer_start(const struct log_options *options,
                              const struct log_writer_counts *counts);

/* log_writer_stop takes no more lines, writes what is queued and ends the thread. After
 * `timeout_ms` what is still queued is dropped, and the thread is left behind in its write(2); it
 * ends by itself if that ever returns.
 *
 * Thread: main.
 */
void log_writer_stop(uint64_t timeout_ms);

/* log_writer_push queues one line, which ends with a newline. Without a writer it is dropped. It
 * never waits for a write.
 *
 * Thread: any.
 */
void log_writer_push(const char *line, size_t len);

/* log_writer_get_stats reads the counters, which go on over all writers of the process.
 *
 * Thread: any.
 */
struct log_stats log_writer_get_stats(void);

#endif
