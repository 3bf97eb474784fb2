/* SPDX-License-Identifier: MIT
 *
 * grpc_health.c - Check, List and Watch.
 *
 * Source: gRPC's health-checking.md.
 */
#include "handlers/grpc/grpc_health.h"

#include "grpc/health/v1/health.pb-c.h"

#define LIST_MAX 100           /* of services; as grpc-go has it */
#define LOOK_MS  WHEEL_TICK_MS /* how often a watcher's server is looked at */
#define TELL_MAX 64            /* watchers that are told in one call; the others in later ones */

typedef Grpc__Health__V1__HealthCheckResponse check_response;
typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus serving_status;

#define SERVING         GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
#define NOT_SERVING     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING
#define SERVICE_UNKNOWN GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN

struct watcher {
    struct list link; /* in gh->watchers */
    struct grpc_health *gh;
    struct grpc_call *call;
    bool is_known;       /* the service that is watched */
    bool is_clogged;     /* the client does not read: it will hear the latest when it does */
    serving_status told; /* last; 0 at first */
};

static serving_status current_status(const struct grpc_health *gh)
{
    return health_is_ready(gh->health) ? SERVING : NOT_SERVING;
}

/* is_service tells whether a name is a mounted service's, or empty: the server's. */
static bool is_service(const struct grpc_health *gh, const char *name)
{
    const char *mounted = "";
    for (size_t i = 0; mounted != NULL; mounted = grpc_service_at(gh->grpc, i++)) {
        if (strcmp(name, mounted) == 0) {
            return true;
        }
    }
    return false;
}

static void handle_check(struct grpc_call *call, const ProtobufCMessage *message, void *arg)
{
    const struct grpc_health *gh = arg;
    const Grpc__Health__V1__HealthCheckRequest *request =
        (const Grpc__Health__V1__HealthCheckRequest *)message;
    if (!is_service(gh, request->service)) {
        grpc_end(call, GRPC_STATUS(GRPC_NOT_FOUND, "unknown service"));
        return;
    }
    check_response response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    response.status = current_status(gh);
    grpc_respond(call, &response.base);
}

/* --- List --- */

static void handle_list(struct grpc_call *call, const ProtobufCMessage *message, void *arg)
{
    (void)message;
    const struct grpc_health *gh = arg;
    Grpc__Health__V1__HealthListResponse response = GRPC__HEALTH__V1__HEALTH_LIST_RESPONSE__INIT;
    Grpc__Health__V1__HealthListResponse__StatusesEntry rows[LIST_MAX];
    Grpc__Health__V1__HealthListResponse__StatusesEntry *list[LIST_MAX];
    check_response status = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    const char *name = "";
    size_t count = 0;
    status.status = current_status(gh);
    for (; name != NULL && count < LIST_MAX; name = grpc_service_at(gh->grpc, count - 1)) {
        grpc__health__v1__health_list_response__statuses_entry__init(&rows[count]);
        rows[count].key = (char *)(uintptr_t)name;
        rows[count].value = &status;
        list[count] = &rows[count];
        count++;
    }
    if (name != NULL) {
        grpc_end(call, GRPC_STATUS(GRPC_RESOURCE_EXHAUSTED, "more services than can be listed"));
        return;
    }
    response.statuses = list;
    response.n_statuses = count;
    grpc_respond(call, &response.base);
}

/* --- Watch --- */

/* tell_watcher sends the status if it is another than the client knows.
 *
 * Returns: whether it was. */
static bool tell_watcher(struct watcher *watcher)
{
    const serving_status now = watcher->is_known ? current_status(watcher->gh) : SERVICE_UNKNOWN;
    if (watcher->is_clogged || watcher->told == now) {
        return false;
    }
    check_response response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    response.status = now;
    watcher->told = now;
    watcher->is_clogged = !grpc_send(watcher->call, &response.base);
    return true;
}

static bool is_watched(const struct grpc_health *gh)
{
    return !list_is_empty(&gh->watchers) || !list_is_empty(&gh->due);
}

/* look_on tells the watchers that are due, TELL_MAX of them now; telling one may end any. */
static void look_on(struct grpc_health *gh)
{
    size_t told = 0;
    while (!list_is_empty(&gh->due) && told < TELL_MAX) {
        struct list *next = gh->due.next;
        list_unlink(next);
        list_push_back(&gh->watchers, next);
        told += tell_watcher(CONTAINER_OF(next, struct watcher, link));
    }
    if (!list_is_empty(&gh->due)) {
        loop_defer(gh->loop, &gh->look_on);
    } else if (is_watched(gh)) {
        loop_set_timer(gh->loop, &gh->timer, LOOK_MS);
    }
}

static void run_look_on(struct loop_deferred *deferred)
{
    look_on(CONTAINER_OF(deferred, struct grpc_health, look_on));
}

static void on_look(struct wheel_timer *timer)
{
    struct grpc_health *gh = CONTAINER_OF(timer, struct grpc_health, timer);
    list_splice(&gh->due, &gh->watchers);
    look_on(gh);
}

static void end_watch(struct grpc_call *call, struct grpc_status status)
{
    struct watcher *watcher = grpc_user(call);
    struct grpc_health *gh = watcher->gh;
    list_unlink(&watcher->link);
    if (!is_watched(gh)) {
        wheel_unset(&gh->timer);
        loop_undefer(&gh->look_on);
    }
    grpc_end(call, status);
}

static void on_watch_writable(struct grpc_call *call)
{
    struct watcher *watcher = grpc_user(call);
    watcher->is_clogged = false;
    (void)tell_watcher(watcher);
}

static void on_watch_cancel(struct grpc_call *call, int status)
{
    (void)status;
    end_watch(call, GRPC_STATUS(GRPC_CANCELLED, "cancelled"));
}

static void on_watch_drain(struct grpc_call *call)
{
    (void)tell_watcher(grpc_user(call));
    end_watch(call, grpc_status_of(UV_ECANCELED));
}

static void handle_watch(struct grpc_call *call, const ProtobufCMessage *message, void *arg)
{
    struct grpc_health *gh = arg;
    const Grpc__Health__V1__HealthCheckRequest *request =
        (const Grpc__Health__V1__HealthCheckRequest *)message;
    struct watcher *watcher = grpc_alloc(call, sizeof(*watcher));
    if (watcher == NULL) {
        grpc_fail(call, UV_ENOMEM);
        return;
    }
    *watcher =
        (struct watcher){.gh = gh, .call = call, .is_known = is_service(gh, request->service)};
    list_push_back(&gh->watchers, &watcher->link);
    grpc_set_user(call, watcher);
    grpc_on_cancel(call, on_watch_cancel);
    grpc_on_writable(call, on_watch_writable);
    grpc_on_drain(call, on_watch_drain);
    (void)grpc_wait(call, "watch"); /* until it ends: the timer of all watches wakes it */
    (void)tell_watcher(watcher);
    if (list_is_empty(&gh->due)) {
        loop_set_timer(gh->loop, &gh->timer, LOOK_MS);
    }
}

/* --- mounting --- */

int grpc_health_mount(struct grpc_health *gh, struct grpc *grpc, struct loop *loop,
                      struct health *health)
{
    static const struct grpc_method methods[] = {
        {"Check", GRPC_UNARY, handle_check},
        {"List", GRPC_UNARY, handle_list},
        {"Watch", GRPC_SERVER_WATCH, handle_watch},
    };
    *gh = (struct grpc_health){.grpc = grpc, .loop = loop, .health = health};
    list_init(&gh->watchers);
    list_init(&gh->due);
    list_init(&gh->look_on.link);
    gh->look_on.run = run_look_on;
    wheel_timer_init(&gh->timer, on_look);
    const struct grpc_service service = {
        .descriptor = &grpc__health__v1__health__descriptor,
        .methods = methods,
        .method_count = ARRAY_COUNT(methods),
        .arg = gh,
        .is_vital = true,
    };
    return grpc_add_service(grpc, &service);
}
