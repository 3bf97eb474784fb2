/* SPDX-License-Identifier: MIT
 *
 * sql_error.c - errors by number, by SQLSTATE and by range; their texts without users' data.
 *
 * Source: MariaDB "Error Codes" and sql/share/errmsg-utf8.txt of 10.11 (numbers and SQLSTATEs);
 *         MySQL 8.0 "Server Error Message Reference" and "Client Error Message Reference" (2000 to
 *         2999 are the client library's); ISO 9075 (classes of SQLSTATE); Galera "wsrep_ready"
 *         (1047); ProxySQL and TiDB "Error codes" (8000 and above).
 *
 * The client's status is chosen at the edge, in listings_respond.c and listings_grpc_answer.c:
 *
 *   ECONNRESET    unknown whether a write took place           503  UNAVAILABLE
 *   ENOTCONN      the server did not begin with it             503  UNAVAILABLE
 *   EROFS         it takes no writes, here or for now          503  UNAVAILABLE
 *   EBUSY         no room, or a lock is taken: rolled back     503  RESOURCE_EXHAUSTED
 *   ECONNABORTED  rolled back because of another transaction,  503  ABORTED
 *                 in each try
 *   ETIMEDOUT     a time limit of the server                   503  UNAVAILABLE
 *   EEXIST        the key exists already                       the handler's choice
 *   others        schema, rights, data that does not fit       500  INTERNAL
 */
#include "core/sql/sql_error.h"

#include "core/loop/loop.h"

#define KEEP  false
#define DROP  true
#define NEVER SQL_AGAIN_NEVER
#define READ  SQL_AGAIN_READ
#define ALL   SQL_AGAIN_ALL

struct row {
    uint16_t first;
    uint16_t last; /* included */
    struct sql_meaning meaning;
};

struct class_row {
    const char *prefix; /* of the SQLSTATE */
    struct sql_meaning meaning;
};

/* ascending by code */
static const struct row rows[] = {
    {1020, 1020, {UV_ECONNABORTED, KEEP, ALL}}, /* changed: innodb_snapshot_isolation */
    {1021, 1021, {UV_EBUSY, KEEP, NEVER}},      /* the disk is full */
    {1022, 1022, {UV_EEXIST, KEEP, NEVER}},     /* duplicate key */
    {1036, 1036, {UV_EROFS, DROP, NEVER}},      /* the table is read-only */
    {1037, 1038, {UV_EBUSY, KEEP, NEVER}},      /* out of memory, out of memory to sort */
    {1040, 1040, {UV_EBUSY, DROP, READ}},       /* too many connections */
    {1041, 1041, {UV_EBUSY, DROP, NEVER}},      /* out of memory: mysqld or the system */
    {1042, 1043, {UV_ENOTCONN, DROP, READ}},    /* no address for the host, bad handshake */
    {1044, 1044, {UV_EACCES, KEEP, NEVER}},     /* database not allowed */
    {1045, 1045, {UV_EACCES, DROP, NEVER}},     /* wrong user or password */
    {1046, 1046, {UV_EIO, DROP, READ}},         /* no database: the session lost it */
    {1047, 1047, {UV_ENOTCONN, DROP, READ}},    /* Galera: the node is not ready */
    {1048, 1048, {UV_EINVAL, KEEP, NEVER}},     /* NULL in a NOT NULL column */
    {1052, 1052, {UV_EIO, KEEP, NEVER}},        /* ambiguous column: 23000 */
    {1053, 1053, {UV_ECONNRESET, DROP, READ}},  /* server shutdown in progress */
    {1062, 1062, {UV_EEXIST, KEEP, NEVER}},     /* duplicate key */
    {1080, 1080, {UV_ECONNRESET, DROP, READ}},  /* forced to close */
    {1105, 1105, {UV_EIO, KEEP, NEVER}},        /* unknown error */
    {1114, 1114, {UV_EBUSY, KEEP, NEVER}},      /* the table is full */
    {1129, 1130, {UV_ENOTCONN, DROP, NEVER}},   /* our host is blocked, or not allowed */
    {1135, 1135, {UV_EBUSY, DROP, READ}},       /* cannot make a thread */
    {1142, 1143, {UV_EACCES, KEEP, NEVER}},     /* not allowed on table, column */
    {1152, 1152, {UV_ECONNRESET, DROP, READ}},  /* aborted connection */
    {1153, 1153, {UV_EMSGSIZE, DROP, NEVER}},   /* packet larger than the server takes */
    {1154, 1161, {UV_ECONNRESET, DROP, READ}},  /* the network failed */
    {1169, 1169, {UV_EEXIST, KEEP, NEVER}},     /* duplicate unique value */
    {1180, 1180, {UV_ECONNRESET, DROP, NEVER}}, /* an error during COMMIT: outcome unknown */
    {1181, 1181, {UV_ECONNRESET, DROP, NEVER}}, /* an error during ROLLBACK */
    {1184, 1184, {UV_ECONNRESET, DROP, READ}},  /* aborted connection */
    {1197, 1197, {UV_EBUSY, KEEP, NEVER}},      /* too large for the log's cache */
    {1203, 1203, {UV_EBUSY, DROP, NEVER}},      /* too many connections of this user */
    {1205, 1205, {UV_EBUSY, KEEP, NEVER}},      /* lock wait timeout: undone alone */
    {1206, 1206, {UV_EBUSY, KEEP, NEVER}},      /* no room for locks */
    {1213, 1213, {UV_ECONNABORTED, KEEP, ALL}}, /* deadlock: all is undone */
    {1226, 1226, {UV_EBUSY, DROP, NEVER}},      /* the user's quota is used up */
    {1227, 1227, {UV_EACCES, KEEP, NEVER}},     /* a privilege is missing */
    {1243, 1243, {UV_EBUSY, DROP, ALL}},        /* unknown statement: another session */
    {1264, 1265, {UV_EINVAL, KEEP, NEVER}},     /* out of range, data truncated */
    {1290, 1290, {UV_EROFS, DROP, NEVER}},      /* read-only: a failed-over primary; connect anew */
    {1292, 1292, {UV_EINVAL, KEEP, NEVER}},     /* wrong value */
    {1317, 1317, {UV_EBUSY, KEEP, NEVER}},      /* KILL QUERY by somebody else: undone */
    {1366, 1366, {UV_EINVAL, KEEP, NEVER}},     /* wrong value: text that is no UTF-8 */
    {1406, 1406, {UV_EINVAL, KEEP, NEVER}},     /* too long */
    {1412, 1412, {UV_ECONNABORTED, KEEP, ALL}}, /* altered meanwhile */
    {1419, 1419, {UV_EACCES, KEEP, NEVER}},     /* a trigger, with binary logging */
    {1451, 1452, {UV_EINVAL, KEEP, NEVER}},     /* foreign keys */
    {1461, 1461, {UV_EBUSY, DROP, NEVER}},      /* too many statements: frees ours */
    {1586, 1586, {UV_EEXIST, KEEP, NEVER}},     /* duplicate key */
    {1614, 1614, {UV_ECONNABORTED, KEEP, ALL}}, /* XA_RBDEADLOCK */
    {1615, 1615, {UV_EBUSY, DROP, ALL}},        /* to be prepared anew */
    {1637, 1637, {UV_EBUSY, KEEP, NEVER}},      /* too many transactions */
    {1698, 1698, {UV_EACCES, DROP, NEVER}},     /* no password login for this user */
    {1792, 1792, {UV_EROFS, DROP, NEVER}},      /* the session began as read-only */
    {1836, 1836, {UV_EROFS, DROP, NEVER}},      /* running in read-only mode */
    {1874, 1874, {UV_EROFS, DROP, NEVER}},      /* InnoDB is in read-only mode */
    {1881, 1881, {UV_EROFS, DROP, NEVER}},      /* innodb_force_recovery */
    {1927, 1927, {UV_ECONNRESET, DROP, READ}},  /* connection was killed (MariaDB) */
    {1969, 1969, {UV_ETIMEDOUT, KEEP, NEVER}},  /* max_statement_time (MariaDB) */
    {2002, 2003, {UV_ENOTCONN, DROP, READ}},    /* cannot connect to the socket, to the host */
    {2005, 2005, {UV_ENOTCONN, DROP, READ}},    /* unknown host */
    {2006, 2006, {UV_ECONNRESET, DROP, READ}},  /* server has gone away */
    {2008, 2008, {UV_ENOMEM, DROP, NEVER}},     /* client out of memory */
    {2012, 2012, {UV_EPROTO, DROP, NEVER}},     /* error in the handshake */
    {2013, 2013, {UV_ECONNRESET, DROP, READ}},  /* connection lost during a query */
    {2014, 2014, {UV_EPROTO, DROP, READ}},      /* commands out of sync */
    {2020, 2020, {UV_EMSGSIZE, DROP, NEVER}},   /* packet larger than max_packet_bytes */
    {2026, 2026, {UV_ENOTCONN, DROP, NEVER}},   /* TLS */
    {2027, 2027, {UV_EPROTO, DROP, READ}},      /* malformed packet */
    {2055, 2055, {UV_ECONNRESET, DROP, READ}},  /* connection lost: the system says */
    {2057, 2057, {UV_EIO, DROP, READ}},         /* the columns have changed */
    {3024, 3024, {UV_ETIMEDOUT, KEEP, NEVER}},  /* max_execution_time (MySQL) */
    {3101, 3101, {UV_ECONNABORTED, KEEP, ALL}}, /* group replication (MySQL) */
    {3572, 3572, {UV_EBUSY, KEEP, NEVER}},      /* NOWAIT: a lock is not to be had (MySQL) */
    {3819, 3819, {UV_EINVAL, KEEP, NEVER}},     /* CHECK constraint (MySQL) */
    {3989, 3989, {UV_EROFS, DROP, NEVER}},      /* the schema is read-only (MySQL) */
    {4025, 4025, {UV_EINVAL, KEEP, NEVER}},     /* CHECK constraint (MariaDB) */
    {4031, 4031, {UV_ECONNRESET, DROP, READ}},  /* closed for idleness (MySQL) */
    {8002, 8002, {UV_ECONNABORTED, KEEP, ALL}}, /* write conflict (TiDB) */
    {8022, 8022, {UV_ECONNABORTED, KEEP, ALL}}, /* COMMIT failed and was rolled back (TiDB) */
    {8028, 8028, {UV_ECONNABORTED, KEEP, ALL}}, /* the schema has changed meanwhile (TiDB) */
    {9000, 9099, {UV_ECONNRESET, DROP, READ}},  /* ProxySQL, TiDB: not reached */
};

/* the longer prefix first */
static const struct class_row classes[] = {
    {"25006", {UV_EROFS, DROP, NEVER}},   /* read-only transaction */
    {"08", {UV_ECONNRESET, DROP, READ}},  /* connection exception */
    {"21", {UV_EIO, KEEP, NEVER}},        /* cardinality: columns and values differ */
    {"22", {UV_EINVAL, KEEP, NEVER}},     /* data exception */
    {"23", {UV_EINVAL, KEEP, NEVER}},     /* integrity constraint */
    {"25", {UV_EIO, DROP, NEVER}},        /* a transaction is, or is not, under way: out of step */
    {"28", {UV_EACCES, DROP, NEVER}},     /* authorization */
    {"3D", {UV_EIO, DROP, READ}},         /* no database is selected */
    {"40", {UV_ECONNABORTED, KEEP, ALL}}, /* the transaction was rolled back */
    {"53", {UV_EBUSY, KEEP, NEVER}},      /* insufficient resources */
    {"70", {UV_EBUSY, KEEP, NEVER}},      /* interrupted */
    {"XA", {UV_EIO, DROP, NEVER}},        /* distributed transactions, which nobody here began */
};

/* An error of the client library that is not in the table: of the connection, not the statement. */
static const struct sql_meaning of_library = {UV_EIO, DROP, NEVER};
static const struct sql_meaning unknown = {UV_EIO, KEEP, NEVER};

struct sql_meaning sql_error_meaning(unsigned code, const char *sqlstate)
{
    if (code == 0) {
        return (struct sql_meaning){.status = 0};
    }
    for (size_t i = 0; i < ARRAY_COUNT(rows) && rows[i].first <= code; i++) {
        if (code <= rows[i].last) {
            return rows[i].meaning;
        }
    }
    if (code >= 2000 && code < 3000) {
        return of_library;
    }
    for (size_t i = 0; i < ARRAY_COUNT(classes); i++) {
        if (strncmp(sqlstate, classes[i].prefix, strlen(classes[i].prefix)) == 0) {
            return classes[i].meaning;
        }
    }
    return unknown;
}

/* --- texts --- */

static bool is_quote(char c)
{
    return c == '\'' || c == '"' || c == '`';
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c & 0x80) != 0;
}

static bool has_quote(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (is_quote(text.ptr[i])) {
            return true;
        }
    }
    return false;
}

static bool is_ambiguous(const struct sql_value *params, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const bool is_text = params[i].type == SQL_TEXT || params[i].type == SQL_BLOB;
        if (is_text && has_quote(params[i].str)) {
            return true;
        }
    }
    return false;
}

/* is_opening tells a quote from an apostrophe: "doesn't". */
static bool is_opening(struct str text, size_t i)
{
    return is_quote(text.ptr[i]) && (i == 0 || !is_word(text.ptr[i - 1]));
}

/* closing_of finds the quote that closes an opening one; text.len: there is none. */
static size_t closing_of(struct str text, size_t opening)
{
    size_t i = opening + 1;
    while (i < text.len && !(text.ptr[i] == text.ptr[opening] &&
                             (i + 1 == text.len || !is_word(text.ptr[i + 1])))) {
        i++;
    }
    return i;
}

static size_t last_quote_of(struct str text)
{
    size_t i = text.len - 1;
    while (!is_quote(text.ptr[i])) {
        i--;
    }
    return i;
}

void sql_error_text(struct str message, const struct sql_value *params, size_t param_count,
                    char *out)
{
    const bool is_all = is_ambiguous(params, param_count);
    size_t len = 0;
    for (size_t i = 0; i < message.len && len < SQL_ERROR_TEXT_BYTES - 1; i++) {
        if (!is_opening(message, i)) {
            out[len++] = message.ptr[i];
            continue;
        }
        for (size_t n = 0; n < 3 && len < SQL_ERROR_TEXT_BYTES - 1; n++) {
            out[len++] = "'?'"[n];
        }
        i = is_all ? last_quote_of(message) : closing_of(message, i);
    }
    out[len] = '\0';
}
