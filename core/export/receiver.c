/* SPDX-License-Identifier: MIT
 *
 * receiver.c - sends a body, reads the answer, and retries.
 */
#include "core/export/receiver.h"

#include <time.h>

#include "core/base/clock.h"
#include "core/base/random.h"
#include "core/telemetry/log.h"

#define BACKOFF_MS     1000
#define BACKOFF_MAX_MS 16000
#define AFTER_MAX_MS   3600000
#define LINE_MS        60000
#define ANSWER_MAX     (4u << 20) /* OTLP's limit */

static const char *const receiver_names[EXPORTER_RECEIVERS] = {"otlp", "jaeger"};
static const char *const reason_names[RECEIVER_REASONS] = {
    "queue", "memory", "unreachable", "refused", "rejected", "nonsense", "shutdown"};

static uint64_t now_ms(const struct receiver *receiver)
{
    return loop_now_ms(receiver->exporter->loop);
}

/* --- the account --- */

/* tell logs what went wrong, once a minute; the number of spans is that of the whole time. */
static void tell(struct receiver *receiver, const char *what, int status, const char *detail)
{
    receiver->is_failing = true;
    if (now_ms(receiver) < receiver->line_due_ms) {
        return;
    }
    receiver->line_due_ms = now_ms(receiver) + LINE_MS;
    struct log_field fields[5] = {log_cstr("receiver", receiver_names[receiver->kind]),
                                  log_cstr("what", what)};
    size_t count = 2;
    if (status != 0) {
        fields[count++] = log_i64("status", status);
    }
    if (detail[0] != '\0') {
        fields[count++] = log_cstr("error", detail);
    }
    fields[count++] = log_u64("dropped", receiver->dropped_unlogged);
    log_event(LOG_WARN, "export", "spans are not delivered", fields, count);
    receiver->dropped_unlogged = 0;
}

static void tell_recovery(struct receiver *receiver)
{
    if (receiver->is_failing) {
        receiver->is_failing = false;
        receiver->line_due_ms = 0;
        LOG(LOG_INFO, "export", "spans are delivered again",
            log_cstr("receiver", receiver_names[receiver->kind]),
            log_u64("dropped", receiver->dropped_unlogged));
        receiver->dropped_unlogged = 0;
    }
}

void receiver_drop(struct receiver *receiver, enum receiver_reason reason, uint64_t span_count)
{
    METRIC_ADD(receiver->dropped[reason], span_count);
    receiver->dropped_unlogged += span_count;
}

/* --- what is sent --- */

static void send_current(struct receiver *receiver);

static void free_payload(struct payload *payload)
{
    buf_deinit(&payload->body);
    payload->span_count = 0;
}

/* go_on sends the next body, when there is one. */
static void go_on(struct receiver *receiver)
{
    free_payload(&receiver->current);
    receiver->current = receiver->next;
    receiver->next = (struct payload){0};
    receiver->tries = 0;
    receiver->give_up_ms = now_ms(receiver) + receiver->exporter->export_timeout_ms;
    if (receiver->current.span_count > 0) {
        send_current(receiver);
    }
    receiver->on_free(receiver->arg);
}

static void drop_current(struct receiver *receiver, enum receiver_reason reason, const char *what,
                         int status, const char *detail)
{
    receiver_drop(receiver, reason, receiver->current.span_count);
    tell(receiver, what, status, detail);
    go_on(receiver);
}

/* try_again sets the next attempt, or gives up. */
static void try_again(struct receiver *receiver, uint64_t after_ms, int status, const char *detail)
{
    uint64_t backoff_ms = (uint64_t)BACKOFF_MS << (receiver->tries < 4 ? receiver->tries : 4);
    backoff_ms = backoff_ms < BACKOFF_MAX_MS ? backoff_ms : BACKOFF_MAX_MS;
    const uint64_t jitter_ms = backoff_ms * random_u16() / 65536;
    const uint64_t delay_ms = after_ms > 0 ? after_ms + jitter_ms / 8 : backoff_ms / 2 + jitter_ms;
    if (receiver->is_hurried || now_ms(receiver) + delay_ms > receiver->give_up_ms) {
        drop_current(receiver, RECEIVER_UNREACHABLE, "given up", status, detail);
        return;
    }
    tell(receiver, "tried again", status, detail);
    receiver->tries++;
    loop_set_timer(receiver->exporter->loop, &receiver->again, delay_ms);
}

static void read_success(struct receiver *receiver, const struct http_client_call *call)
{
    const struct str body = buf_str(&call->answer);
    const struct otlp_answer answer = receiver->kind == EXPORTER_OTLP
                                          ? otlp_read_answer(body, false)
                                          : (struct otlp_answer){.is_read = true};
    const uint64_t count = receiver->current.span_count;
    const bool is_partial = answer.rejected_spans > 0 || answer.message[0] != '\0';
    const uint64_t rejected = answer.rejected_spans > 0 && (uint64_t)answer.rejected_spans <= count
                                  ? (uint64_t)answer.rejected_spans
                                  : 0;
    if (!answer.is_read || (answer.rejected_spans != 0 && rejected == 0)) {
        drop_current(receiver, RECEIVER_NONSENSE, "its answer is nonsense", call->status, "");
        return;
    }
    METRIC_ADD(receiver->exported, count - rejected);
    if (is_partial) {
        receiver_drop(receiver, RECEIVER_REJECTED, rejected);
        tell(receiver, "some were rejected", call->status, answer.message);
    } else {
        tell_recovery(receiver);
    }
    go_on(receiver);
}

static void on_done(struct http_client_call *call, int status)
{
    struct receiver *receiver = call->arg;
    receiver->is_sending = false;
    if (!receiver->is_on) { /* it was stopped */
        free_payload(&receiver->current);
        return;
    }
    if (status < 0 && status != UV_EMSGSIZE) {
        try_again(receiver, 0, 0, call->error);
    } else if (status == UV_EMSGSIZE) {
        drop_current(receiver, RECEIVER_NONSENSE, "its answer is too long", call->status, "");
    } else if (call->status / 100 == 2) {
        read_success(receiver, call);
    } else if (call->status == 429 || (call->status >= 502 && call->status <= 504)) {
        const struct str after = http_client_header(call, "Retry-After");
        try_again(receiver, receiver_retry_after_ms(after, clock_wall_ns()), call->status, "");
    } else {
        const struct otlp_answer answer = otlp_read_answer(buf_str(&call->answer), true);
        drop_current(receiver, RECEIVER_REFUSED, "refused", call->status, answer.message);
    }
}

static void send_current(struct receiver *receiver)
{
    struct http_client *client = receiver->call.client;
    size_t count = 0;
    receiver->headers[count++] = (struct http_header){
        STR("Content-Type"), receiver->kind == EXPORTER_OTLP ? STR("application/x-protobuf")
                                                             : STR("application/x-thrift")};
    if (receiver->target->is_gzip) {
        receiver->headers[count++] = (struct http_header){STR("Content-Encoding"), STR("gzip")};
    }
    for (size_t i = 0; i < receiver->target->headers.count; i++) {
        receiver->headers[count++] = receiver->target->headers.list[i];
    }
    receiver->call = (struct http_client_call){
        .client = client,
        .method = "POST",
        .url = receiver->target->url,
        .headers = receiver->headers,
        .header_count = count,
        .body = buf_str(&receiver->current.body),
        .timeout_ms = receiver->target->timeout_ms,
        .body_max_bytes = ANSWER_MAX,
        .on_done = on_done,
        .arg = receiver,
    };
    METRIC_ADD(receiver->requests, 1);
    const int rc = http_client_send((struct task_ref){0}, &receiver->call);
    receiver->is_sending = rc == 0;
    if (rc < 0) {
        try_again(receiver, 0, 0, uv_strerror(rc));
    }
}

static void on_again(struct wheel_timer *timer)
{
    send_current(CONTAINER_OF(timer, struct receiver, again));
}

/* --- what the exporter asks --- */

bool receiver_has_room(const struct receiver *receiver)
{
    return receiver->is_on && receiver->next.span_count == 0;
}

bool receiver_is_idle(const struct receiver *receiver)
{
    return receiver->current.span_count == 0 && !receiver->is_sending;
}

void receiver_give(struct receiver *receiver, struct buf *body, size_t span_count)
{
    const struct payload payload = {*body, span_count};
    if (receiver->current.span_count > 0) {
        receiver->next = payload;
        return;
    }
    receiver->current = payload;
    receiver->tries = 0;
    receiver->give_up_ms = now_ms(receiver) + receiver->exporter->export_timeout_ms;
    send_current(receiver);
}

void receiver_hurry(struct receiver *receiver)
{
    receiver->is_hurried = true;
    if (receiver->current.span_count > 0 && !receiver->is_sending) {
        wheel_unset(&receiver->again);
        send_current(receiver);
    }
}

void receiver_stop(struct receiver *receiver)
{
    const uint64_t left = receiver->current.span_count + receiver->next.span_count;
    if (receiver->is_on && left > 0) {
        receiver_drop(receiver, RECEIVER_SHUTDOWN, left);
        receiver->line_due_ms = 0;
        tell(receiver, "the server ends", 0, "");
    }
    receiver->is_on = false;
    wheel_unset(&receiver->again);
    if (!receiver->is_sending) {
        free_payload(&receiver->current);
    }
    free_payload(&receiver->next);
}

uint64_t receiver_retry_after_ms(struct str value, uint64_t wall_ns)
{
    char text[40];
    uint64_t seconds;
    struct tm tm = {0};
    if (value.ptr == NULL || value.len == 0 || value.len >= sizeof(text)) {
        return 0;
    }
    memcpy(text, value.ptr, value.len);
    text[value.len] = '\0';
    if (str_parse_u64(value, UINT64_MAX, &seconds)) {
        return seconds < AFTER_MAX_MS / 1000 ? seconds * 1000 : AFTER_MAX_MS;
    }
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    const time_t at_s = end == NULL || *end != '\0' ? 0 : timegm(&tm);
    const uint64_t now_s = wall_ns / NS_PER_S;
    if (at_s <= 0 || (uint64_t)at_s <= now_s) {
        return 0;
    }
    const uint64_t left_ms = ((uint64_t)at_s - now_s) * 1000;
    return left_ms < AFTER_MAX_MS ? left_ms : AFTER_MAX_MS;
}

/* --- the beginning --- */

static struct metric_family *add_family(struct metrics *metrics, const char *name, const char *help,
                                        const char *const *labels)
{
    return metrics_family(
        metrics, &(struct metric_family_options){
                     .type = METRIC_COUNTER, .name = name, .help = help, .labels = labels});
}

int receiver_families_add(struct receiver_families *families, struct metrics *metrics)
{
    static const char *const by_receiver[] = {"receiver", NULL};
    static const char *const by_reason[] = {"receiver", "reason", NULL};
    families->exported = add_family(metrics, "toq_export_spans_total",
                                    "Spans that a receiver has taken.", by_receiver);
    families->dropped = add_family(metrics, "toq_export_dropped_spans_total",
                                   "Spans that were not delivered, by why.", by_reason);
    families->requests =
        add_family(metrics, "toq_export_requests_total",
                   "Requests to receivers of spans, with repeated ones.", by_receiver);
    const bool has_all =
        families->exported != NULL && families->dropped != NULL && families->requests != NULL;
    return has_all ? 0 : UV_ENOMEM;
}

int receiver_init(struct receiver *receiver, const struct receiver_options *options)
{
    *receiver = (struct receiver){
        .kind = options->kind,
        .exporter = options->exporter,
        .target = &options->exporter->targets[options->kind],
        .on_free = options->on_free,
        .arg = options->arg,
        .call = {.client = options->client},
    };
    wheel_timer_init(&receiver->again, on_again);
    receiver->is_on = receiver->target->url[0] != '\0';
    if (!receiver->is_on) {
        return 0;
    }
    const struct str values[] = {str_from(receiver_names[options->kind]), STR("")};
    receiver->exported = metric_counter(options->families->exported, values);
    receiver->requests = metric_counter(options->families->requests, values);
    bool has_all = receiver->exported != NULL && receiver->requests != NULL;
    for (int i = 0; has_all && i < RECEIVER_REASONS; i++) {
        const struct str both[] = {values[0], str_from(reason_names[i])};
        receiver->dropped[i] = metric_counter(options->families->dropped, both);
        has_all = receiver->dropped[i] != NULL;
    }
    return has_all ? 0 : UV_ENOMEM;
}
