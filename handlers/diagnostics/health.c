/* SPDX-License-Identifier: MIT
 *
 * health.c - the three health routes.
 */
#include "handlers/diagnostics/health.h"

#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/loop/loop.h"

#define BODY_MAX_BYTES 4096

static void respond_json(struct http_request *req, int status, struct str body)
{
    const struct http_header no_store = {STR("Cache-Control"), STR("no-store")};
    const struct http_response response = {
        .status = status,
        .content_type = "application/json",
        .body = body,
        .headers = &no_store,
        .header_count = 1,
    };
    http_respond(req, &response);
}

/* --- what is told --- */

static struct health_facts look(const struct health *health)
{
    struct health_facts facts = {.sql_reason = "", .redis_reason = ""};
    if (health->sql != NULL) {
        const struct sql_health sql = sql_get_health(health->sql);
        const bool has_latency = sql.state == SQL_UP || sql.state == SQL_DEGRADED;
        facts.has_sql = true;
        facts.sql_state = sql.state;
        facts.sql_reason = sql.reason;
        facts.sql_latency_ns = has_latency ? sql.latency_ns : 0;
    }
    if (health->redis != NULL) {
        const struct redis_health redis = redis_get_health(health->redis);
        facts.has_redis = true;
        facts.redis_state = redis.state;
        facts.redis_reason = redis.reason;
        facts.redis_latency_ns = redis.is_ready ? redis.latency_ns : 0;
    }
    return facts;
}

static bool is_sql_ready(const struct health_facts *facts)
{
    return !facts->has_sql || facts->sql_state == SQL_UP || facts->sql_state == SQL_DEGRADED;
}

void health_publish(struct health *health)
{
    const struct health_facts facts = look(health);
    (void)pthread_mutex_lock(&health->lock);
    health->facts = facts;
    (void)pthread_mutex_unlock(&health->lock);
    atomic_store_explicit(&health->is_sql_ready, is_sql_ready(&facts), memory_order_relaxed);
}

static struct health_facts read_facts(struct health *health)
{
    (void)pthread_mutex_lock(&health->lock);
    const struct health_facts facts = health->facts;
    (void)pthread_mutex_unlock(&health->lock);
    return facts;
}

/* Whether a callback holds the work loop, and whose. */
struct hold {
    bool is_held;
    bool is_failed; /* for so long that nothing else helps than a restart */
    uint64_t held_ms;
    const char *route; /* or method of gRPC; "" when it is not known */
};

/* may_be_held: what the work loop answers by itself is not held up. */
static bool may_be_held(const struct health *health)
{
    return health->work != NULL && !loop_is_own(health->work);
}

static struct hold look_at_loop(const struct health *health)
{
    struct hold hold = {.route = ""};
    if (!may_be_held(health)) {
        return hold;
    }
    hold.held_ms = loop_held_ns(health->work, NULL) / NS_PER_MS;
    hold.is_held = health->held_warn_ms > 0 && hold.held_ms >= health->held_warn_ms;
    hold.is_failed = health->held_fail_ms > 0 && hold.held_ms >= health->held_fail_ms;
    if (hold.is_held || hold.is_failed) {
        hold.route = loop_running_route(health->work);
    }
    return hold;
}

/* --- what is made of it --- */

static bool is_all_well(const struct health_facts *facts)
{
    return (!facts->has_sql || facts->sql_state == SQL_UP) &&
           (!facts->has_redis || facts->redis_state == REDIS_HEALTH_UP);
}

bool health_is_ready(struct health *health)
{
    return !*health->is_draining &&
           atomic_load_explicit(&health->is_sql_ready, memory_order_relaxed);
}

/* An answer: says in a word whether work should be sent, and whether all of it can be done. */
struct verdict {
    const char *status;
    int code;
};

static struct verdict judge(const struct health *health, const struct health_facts *facts,
                            const struct hold *hold)
{
    if (*health->is_draining) {
        return (struct verdict){"draining", 503};
    }
    if (!is_sql_ready(facts) || hold->is_failed) {
        return (struct verdict){"unavailable", 503};
    }
    return (struct verdict){is_all_well(facts) && !hold->is_held ? "ok" : "degraded", 200};
}

/* put_hold writes the members that tell of a held loop. */
static void put_hold(struct buf *body, const struct hold *hold)
{
    if (hold->is_held || hold->is_failed) {
        buf_printf(body, ",\"work_loop\":\"held\",\"held_ms\":%llu,\"route\":",
                   (unsigned long long)hold->held_ms);
        buf_append_json(body, str_from(hold->route));
    }
}

static void respond(struct http_request *req, int code, struct buf *body)
{
    if (body->is_failed) {
        http_respond_error(req, 503, "out of memory");
    } else {
        respond_json(req, code, buf_str(body));
    }
    buf_deinit(body);
}

/* put_dependency writes one member of "dependencies". Why one is down is for the log: the message
 * may tell strangers of hosts and users.
 *
 * reason: a literal; "" for none. */
static void put_dependency(struct buf *body, const char *name, const char *state,
                           const char *reason, uint64_t latency_ns)
{
    buf_printf(body, "\"%s\":{\"state\":\"%s\",", name, state);
    if (reason[0] != '\0') {
        buf_printf(body, "\"reason\":\"%s\",", reason);
    }
    if (latency_ns > 0) {
        buf_printf(body, "\"latency_ms\":%.3f}", (double)latency_ns / (double)NS_PER_MS);
    } else {
        buf_append_cstr(body, "\"latency_ms\":null}"); /* not answered, or not asked yet */
    }
}

static void put_dependencies(struct buf *body, const struct health_facts *facts)
{
    static const char *const states[] = {
        [SQL_CONNECTING] = "connecting",
        [SQL_UP] = "up",
        [SQL_DEGRADED] = "degraded",
        [SQL_DOWN] = "down",
    };
    static const char *const redis_states[] = {[REDIS_HEALTH_DOWN] = "down",
                                               [REDIS_HEALTH_DEGRADED] = "degraded",
                                               [REDIS_HEALTH_UP] = "up"};
    if (facts->has_sql) {
        put_dependency(body, "mysql", states[facts->sql_state], facts->sql_reason,
                       facts->sql_latency_ns);
    }
    if (facts->has_redis) {
        buf_append_cstr(body, facts->has_sql ? "," : "");
        put_dependency(body, "redis", redis_states[facts->redis_state], facts->redis_reason,
                       facts->redis_latency_ns);
    }
}

void health_handle(struct http_request *req, void *arg)
{
    struct health *health = arg;
    const struct health_facts facts = read_facts(health);
    const struct hold hold = look_at_loop(health);
    const struct verdict verdict = judge(health, &facts, &hold);
    const double uptime_s = (double)(clock_now_ns() - health->start_ns) * 1e-9;
    struct buf body;
    buf_init(&body, BODY_MAX_BYTES);
    buf_printf(&body, "{\"status\":\"%s\",\"version\":", verdict.status);
    buf_append_json(&body, str_from(health->version));
    buf_printf(&body, ",\"uptime_seconds\":%.3f", uptime_s);
    put_hold(&body, &hold);
    buf_append_cstr(&body, ",\"dependencies\":{");
    put_dependencies(&body, &facts);
    buf_append_cstr(&body, "}}\n");
    respond(req, verdict.code, &body);
}

/* respond_word answers with the status alone, and with what holds the loop. */
static void respond_word(struct http_request *req, const struct verdict *verdict,
                         const struct hold *hold)
{
    struct buf body;
    buf_init(&body, BODY_MAX_BYTES);
    buf_printf(&body, "{\"status\":\"%s\"", verdict->status);
    put_hold(&body, hold);
    buf_append_cstr(&body, "}\n");
    respond(req, verdict->code, &body);
}

static __attribute__((noinline)) void respond_held(struct http_request *req,
                                                   const struct health *health)
{
    const struct hold hold = look_at_loop(health);
    const struct verdict verdict =
        hold.is_failed ? (struct verdict){"held", 503} : (struct verdict){"ok", 200};
    respond_word(req, &verdict, &hold);
}

void health_handle_live(struct http_request *req, void *arg)
{
    const struct health *health = arg;
    if (may_be_held(health)) {
        respond_held(req, health);
    } else {
        respond_json(req, 200, STR("{\"status\":\"ok\"}\n"));
    }
}

void health_handle_ready(struct http_request *req, void *arg)
{
    struct health *health = arg;
    const struct health_facts facts = read_facts(health);
    const struct hold hold = look_at_loop(health);
    const struct verdict verdict = judge(health, &facts, &hold);
    respond_word(req, &verdict, &hold);
}
