/* SPDX-License-Identifier: MIT
 *
 * http2_session.h - a connection of HTTP/2 and its streams. Private to http2*.c.
 *
 * nghttp2's callbacks only take notes: handlers run between the frames, when the session may be
 * asked to send.
 *
 * Memory:  a stream lives from its HEADERS until its request has been ended by its handler and
 *          nobody holds it: nghttp2 does until it has closed the stream, and so does the note of a
 *          frame. Then it goes back to its server's spare list. The connection's struct lives until
 *          the last stream is gone.
 * Thread:  the loop.
 */
#ifndef TOQ_CORE_HTTP2_HTTP2_SESSION_H
#define TOQ_CORE_HTTP2_HTTP2_SESSION_H

#include <nghttp2/nghttp2.h>

#include "core/http/http_pool.h"
#include "core/http/server.h"
#include "core/http2/http2_cut.h"

#define HTTP2_FRAME_HEAD_BYTES 9
#define HTTP2_FIELD_BYTES      32 /* beside name and value, RFC 9113 6.5.2 */
#define HTTP2_GAPS_MAX         8
#define HTTP2_SPANS_MAX        16
#define HTTP2_CLOSED_MAX       64 /* a power of 2 */
#define HTTP2_CLOSED_BY_PEER   0x80000000u
#define HTTP2_HIGH_BYTES       (64u << 10) /* of a stream's queue: its handler is to wait */
#define HTTP2_LOW_BYTES        (16u << 10) /* ... until it is down to this */
#define HTTP2_PACE_BYTES       1024 /* of a stream that its peer must take in write_timeout_ms */
/* A peer that is refused before its request has come whole learns of it a round trip later, and
 * most then end what they send. It is told to stop when that takes longer, or when more comes. */
#define HTTP2_LINGER_MS    1000
#define HTTP2_LINGER_BYTES (64u << 10)

/* How far the bytes of the frame that is coming have come. */
struct http2_walk {
    uint8_t head[HTTP2_FRAME_HEAD_BYTES];
    uint8_t head_len;    /* while the head is not complete */
    uint8_t type;        /* of the last complete head */
    uint8_t flags;       /* ... */
    uint32_t left_bytes; /* of its payload */
};

/* A token bucket: time empties it, and more than a burst in it is too much. */
struct http2_bucket {
    int64_t level_milli; /* thousandths of an event; below 0: tokens saved up */
    uint64_t at_ms;
};

/* Stream ids; those of clients are odd. */
struct http2_span {
    uint32_t first;
    uint32_t last; /* inclusive; 0: there are none */
};

/* The streams that closed last, and those that closed before them and had been ended by the peer.
 * nghttp2 would keep up to max_streams whole ones to know them by, 64 KiB on a connection that has
 * served some hundred requests. */
struct http2_closed {
    uint32_t
        ids[HTTP2_CLOSED_MAX]; /* with HTTP2_CLOSED_BY_PEER where the peer had ended its half */
    uint8_t count;             /* of all, so that the oldest is the one to overwrite */
    struct http2_span long_ago[HTTP2_SPANS_MAX];
};

/* PINGs both ways, and the age of the connection. */
struct http2_keepalive {
    struct wheel_timer ping_timer;
    struct wheel_timer age_timer;
    uint64_t received_ms;   /* when the last byte came */
    uint64_t last_asked_ms; /* when the peer's last PING came */
    uint8_t strikes;        /* PINGs of the peer's that came too early */
    bool is_asking;         /* by a PING of ours, and nothing has come since */
    bool is_asked;          /* a PING of the peer's is to be looked at */
    bool has_been_asked;
    bool has_sent; /* HEADERS or DATA since the last one */
};

/* What the connection's timer is set for. */
enum http2_wait { WAIT_NOTHING, WAIT_SETTINGS, WAIT_HEAD, WAIT_STREAM, WAIT_PING };

struct http2 {
    struct list link; /* in server->http2_conns */
    struct http_server *server;
    struct conn *conn; /* NULL once it has closed, and the session is gone */
    nghttp2_session *session;
    const struct http2_session_events *session_events;
    struct list streams; /* those that nghttp2 has not closed, or whose handler does not know */
    struct list blocked; /* of streams whose handler waits for on_writable, or to begin */
    struct list lost;    /* of those in STREAM_LOST */
    size_t stream_count; /* with those that are closed, whose requests go on */
    struct http2_stream *event; /* the stream that the last frame was about, if it was; held */
    struct str event_data;      /* ... and what it brought */
    struct loop_deferred wake;  /* runs what must not run inside another call */
    uint64_t queued_bytes;      /* of answers, in the queues of the streams */
    uint64_t head_bytes;        /* of the header block that comes, decoded */
    uint64_t held_bytes;        /* of bodies, not yet used by handlers */
    uint64_t owed_bytes;        /* of them, credit of the connection that waits */
    uint64_t moved_bytes;       /* of bodies and answers, both ways */
    uint32_t resets_sent;       /* of ours, which the peer has brought about; not counted yet */
    uint32_t last_stream_id;    /* the highest that the peer has used */
    struct http2_keepalive keepalive;
    struct http2_walk walk;
    struct http2_bucket control; /* limits->control_* */
    struct http2_bucket resets;  /* limits->reset_* */
    struct http2_closed closed;
    struct http2_span gaps[HTTP2_GAPS_MAX]; /* ids that the peer has passed over, and cannot use */
    uint8_t gap_count;                      /* of all, so that the oldest is the one to overwrite */
    enum http2_wait wait;
    bool has_settings;     /* the peer's first frame has come */
    bool is_padding;       /* the DATA that has come held nothing else */
    bool is_head_too_big;  /* nghttp2 has been stopped because of it */
    bool is_head_new;      /* a header block has begun since the timer was set */
    bool is_window_broken; /* by WINDOW_UPDATE, or by SETTINGS, which must end the connection */
    bool is_reading;       /* inside nghttp2, because of what has come */
    bool is_busy;          /* inside nghttp2, which must not be entered twice */
    bool is_ending;        /* no more frames are read */
    bool is_finished;      /* the connection has: the streams are closed at the end of the turn */
    bool is_leaving;       /* it is to take no more streams, as all are when the server drains */
    bool is_goaway_due;    /* the peer knows that we leave: what it had sent before is here */
    bool is_goaway_sent;   /* the one with the last stream's id, which refuses all later ones */
};

/* The life of a stream. Its transitions are in http2_stream.c's set_life. */
enum http2_life {
    STREAM_HEAD,      /* the header block is not complete */
    STREAM_BODY,      /* a body comes, which is collected or dropped */
    STREAM_WAITING,   /* it runs when the peer has read more of what it has asked for before */
    STREAM_HANDLED,   /* a handler has the request; what comes is for its on_body, or dropped */
    STREAM_ANSWERED,  /* the answer is whole or broken off, and its rest is being sent */
    STREAM_LINGERING, /* a refusal has left, and what still comes is dropped */
    STREAM_LOST,      /* nghttp2 has closed it, which its handler is to hear */
    STREAM_CLOSED,    /* nghttp2 has closed it */
};

struct http2_stream {
    struct http_request req;
    struct list link;  /* in h2->streams */
    struct list queue; /* in h2->blocked, or in h2->lost */
    struct http2 *h2;  /* outlives it, though perhaps not its connection */
    int32_t id;
    uint32_t label; /* of the request, which may have ended before its answer is sent */
    enum http2_life life;
    int fault_status; /* the head is refused with it; 0: it is not */
    const char *fault_detail;
    uint64_t header_bytes; /* as RFC 9113 6.5.2 counts them */
    size_t header_cap;
    char *cookie; /* in the arena: the joined ones, when there are several */
    size_t cookie_cap;
    struct wheel_timer timer;   /* the peer sends no body, or takes no answer */
    struct buf body;            /* collected for the handler */
    uint64_t body_bytes;        /* that have come */
    uint64_t late_bytes;        /* ... while it lingered */
    uint64_t taken_bytes;       /* of the answer, since its timer was set */
    uint64_t held_bytes;        /* given to on_body and not consumed */
    uint64_t held_credit;       /* of the body that has come, credit that waits */
    struct outq out;            /* of the answer's body, to be sent */
    struct str borrowed;        /* sent before it; only inside the call that answers */
    const nghttp2_nv *trailers; /* in the arena */
    size_t trailer_count;
    /* facts of the two halves, which no life follows from: */
    bool is_body_done; /* the peer has ended its half */
    bool is_body_end_told;
    bool is_expecting; /* 100-continue */
    bool is_bodyless;  /* HEAD, 204, 304: what a handler writes is dropped */
    bool is_watched;   /* the timer waits for the peer to take more of the answer */
    bool is_refusal;   /* the answer's status is an error */
    bool is_end_given; /* nghttp2 has the end of the answer, or its reset */
    bool is_deferred;  /* nghttp2 waits for nghttp2_session_resume_data */
};

/* What the layer above is told inside nghttp2, when it may take notes and nothing else. */
struct http2_session_events {
    struct http2_stream *(*open)(struct http2 *h2, int32_t id); /* NULL: it is refused */
    void (*closed)(struct http2_stream *st, uint32_t code);     /* code: of its reset, or 0 */
    int (*sent_end)(struct http2_stream *st); /* the answer has left. Returns: nghttp2's errors */
    nghttp2_send_data_callback send_data;
};

/* The files, from below: each calls those above it in this list alone.
 *
 *     http2_out        frames into the connection; GOAWAY and the end
 *     http2_guard      frames that come, before nghttp2 has them
 *     http2_keepalive  PINGs and age
 *     http2_head       fields of a request
 *     http2_session    nghttp2, and its callbacks
 *     http2_flow       credit for bodies, room for answers
 *     http2_life       states of a stream
 *     http2_send       answers as frames
 *     http2_stream     the way of a stream
 *     http2            the connection's events
 */

/* --- http2_out.c --- */

/* http2_make allocates a connection's struct. Returns: NULL when memory is missing. */
struct http2 *http2_make(struct http_server *server);

/* http2_free frees a connection's struct, whose connection and streams are gone. */
void http2_free(struct http2 *h2);

/* http2_pump sends what nghttp2 has, as far as the connection takes it; inside a callback of
 * nghttp2's it does nothing, for the call that is under way ends with it. */
void http2_pump(struct http2 *h2);

/* http2_has_blocked tells whether handlers wait for room that the connection has. */
bool http2_has_blocked(const struct http2 *h2);

/* http2_wake runs the deferred part at the end of the turn. */
void http2_wake(struct http2 *h2);

/* http2_count_cut counts a connection that is ended because of what its peer does, and logs it,
 * with how many were left out since the last line.
 *
 * detail: what nghttp2 says about it; may be empty.
 */
void http2_count_cut(struct http2 *h2, uint32_t code, enum http2_cut cut, struct str detail);

/* http2_cut_off ends the connection with a GOAWAY because of what the peer does. */
void http2_cut_off(struct http2 *h2, uint32_t code, enum http2_cut cut);

/* http2_goaway tells the peer which stream is the last that will be answered. */
void http2_goaway(struct http2 *h2);

/* http2_end sends a GOAWAY that says why, and closes. */
void http2_end(struct http2 *h2, uint32_t code, struct str why);

/* http2_finish sends what is queued and closes; the requests are told at the end of the turn, for
 * one of them may be on its way through here. */
void http2_finish(struct http2 *h2);

/* http2_drop closes at once, for a peer that is not there any more. */
void http2_drop(struct http2 *h2, enum http2_cut cut);

/* http2_leave tells the peer to open no more streams; the connection closes when the last one has
 * ended. Harmless when done twice. */
void http2_leave(struct http2 *h2);

/* http2_is_leaving tells whether it was told so, or is about to be. */
bool http2_is_leaving(const struct http2 *h2);

/* --- http2_session.c --- */

/* http2_session_make gives the connection its nghttp2 session, with the server's SETTINGS queued.
 *
 * events:  a literal.
 * Returns: 0; an error of nghttp2's. h2->session is the caller's to delete, also then.
 */
MUST_USE int http2_session_make(struct http2 *h2, const struct http2_session_events *events);

/* http2_note notes which stream a frame was about; NULL: none. */
void http2_note(struct http2 *h2, struct http2_stream *st);

/* --- http2_guard.c --- */

/* http2_guard_walk finds the end of the current frame, and ends the connection when the frame's
 * head breaks a rule that nghttp2 does not know.
 *
 * Returns: how many bytes belong to the frame, or len; with h2->is_ending they are not for nghttp2.
 */
size_t http2_guard_walk(struct http2 *h2, const char *data, size_t len);

/* http2_guard_padding counts a frame of DATA that has no data. */
void http2_guard_padding(struct http2 *h2);

/* http2_guard_closed remembers a stream that nghttp2 has closed.
 *
 * is_by_peer: it sends no more on it; else what it still sends left before it knew. */
void http2_guard_closed(struct http2 *h2, int32_t id, bool is_by_peer);

/* http2_guard_is_in_head tells whether a header block has begun and not ended. */
bool http2_guard_is_in_head(const struct http2 *h2);

/* http2_guard_sent accounts for a frame that was sent: an answer allows its reader some
 * control frames. */
void http2_guard_sent(struct http2 *h2, const nghttp2_frame *frame);

/* http2_guard_settle ends the connection for what http2_guard_sent has noted, outside of
 * nghttp2. */
void http2_guard_settle(struct http2 *h2);

/* --- http2_keepalive.c --- */

/* http2_keepalive_start sets the timers of a connection that begins. */
void http2_keepalive_start(struct http2 *h2);

/* http2_keepalive_stop unsets them. */
void http2_keepalive_stop(struct http2 *h2);

/* http2_keepalive_asked counts a PING of the peer's, and cuts it off when there are too many. */
void http2_keepalive_asked(struct http2 *h2);

/* --- http2_head.c --- */

/* http2_head_add takes one field of a request, pseudo-header or not, into its arena. What is wrong
 * with it is told by fault_status. */
void http2_head_add(struct http2_stream *st, struct str name, struct str value);

/* http2_head_finish checks what needs the whole head, and sets method, path and query. */
void http2_head_finish(struct http2_stream *st);

/* --- http2_flow.c --- */

/* http2_flow_credit lets the peer send more on the stream; harmless when nghttp2 has closed it. */
void http2_flow_credit(struct http2_stream *st, size_t len);

/* http2_flow_credit_connection lets the peer send more on all streams: at once, so that one handler
 * that is slow holds up no other, until all of them together hold more than a connection's window.
 */
void http2_flow_credit_connection(struct http2 *h2, size_t len);

/* http2_flow_consume is the transport's consume. */
void http2_flow_consume(struct http2_stream *st, size_t len);

/* http2_flow_ease gives the credit that was held back while memory was short. */
void http2_flow_ease(struct http2_stream *st);

/* http2_flow_has_share tells whether the connection may queue more answers. */
bool http2_flow_has_share(const struct http2 *h2);

/* http2_flow_has_room tells whether a stream's handler should produce more. */
bool http2_flow_has_room(const struct http2_stream *st, size_t limit);

/* --- http2_life.c --- */

/* http2_life_set changes the state; one that may not follow aborts. */
void http2_life_set(struct http2_stream *st, enum http2_life life);

/* http2_life_release gives back what the stream holds beside its memory. */
void http2_life_release(struct http2_stream *st);

/* http2_life_answer marks that the answer is whole or broken off: what is held of the body is
 * used. */
void http2_life_answer(struct http2_stream *st);

/* http2_life_linger marks that a refusal has left whole. */
void http2_life_linger(struct http2_stream *st);

/* http2_life_block has on_writable run when there is room again. */
void http2_life_block(struct http2_stream *st);

/* http2_life_recycle is the transport's recycle. */
void http2_life_recycle(struct http_request *req);

/* http2_stream_is_closed tells whether nghttp2 has closed it. */
static inline bool http2_stream_is_closed(const struct http2_stream *st)
{
    return st->life >= STREAM_LOST;
}

/* --- http2_send.c --- */

/* The transport of HTTP/2. */
extern const struct http_transport http2_transport;

/* http2_send_data is nghttp2's send_data callback: a DATA frame, straight into the connection's
 * queue. */
int http2_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *framehd,
                    size_t length, nghttp2_data_source *source, void *user_data);

/* http2_send_continue sends the interim answer to Expect: 100-continue. */
void http2_send_continue(struct http2_stream *st);

/* http2_send_watch sets the timer of a stream, if something waits for its peer to open the window,
 * and anew when the peer has taken HTTP2_PACE_BYTES; else it unsets it. */
void http2_send_watch(struct http2_stream *st);

/* http2_send_done notes that the last frame of an answer has left. If the request has not ended the
 * peer is told to send no more of it: at once, for a call of gRPC keeps its place among the streams
 * until then; after a while when it was refused, so that what is wrong with the rest is told as
 * well.
 *
 * Returns: 0; an error of nghttp2's.
 */
MUST_USE int http2_send_done(struct http2_stream *st);

/* http2_send_stop tells the peer of a stream that lingers to send no more. */
void http2_send_stop(struct http2_stream *st);

/* http2_send_drop drops what of an answer is not sent yet. */
void http2_send_drop(struct http2_stream *st);

/* --- http2_stream.c --- */

/* http2_stream_open takes a spare stream or makes one, and starts its request.
 *
 * Returns: the stream, in h2->streams; NULL when memory is missing.
 */
MUST_USE struct http2_stream *http2_stream_open(struct http2 *h2, int32_t id);

/* http2_stream_advance goes on with a stream after a frame: its head is complete, `data` of its
 * body has come, or its end. */
void http2_stream_advance(struct http2_stream *st, struct str data);

/* http2_stream_closed notes that nghttp2 has closed a stream. A handler that has not answered hears
 * of it from http2_stream_tell_lost, between the frames or at the end of the turn.
 *
 * code: the error code of a reset.
 */
void http2_stream_closed(struct http2_stream *st, uint32_t code);

/* http2_stream_tell_lost tells the handlers that are to be told. */
void http2_stream_tell_lost(struct http2 *h2);

/* http2_stream_close_all closes every stream of a connection that ends, and tells their
 * handlers. */
void http2_stream_close_all(struct http2 *h2);

/* http2_stream_notify goes on with a stream that has room again: it runs on_writable, or the
 * handler. */
void http2_stream_notify(struct http2_stream *st);

#endif
