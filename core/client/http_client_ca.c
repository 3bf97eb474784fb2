/* SPDX-License-Identifier: MIT
 *
 * http_client_ca.c - certificates of authorities and the client's own, read on a thread when the
 * first call needs them, and shared by all connections.
 */
#include <fcntl.h>
#include <unistd.h>

#include "core/client/http_client_internal.h"

/* The bundle that libcurl would read, for each connection and on the loop. */
static const char *bundle_of(const struct http_client_options *options)
{
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
    if (options->ca_file != NULL && options->ca_file[0] != '\0') {
        return options->ca_file;
    }
    return info->cainfo != NULL ? info->cainfo : "/etc/ssl/certs/ca-certificates.crt";
}

/* read_file reads a file whole. Returns: its length; 0: it is missing, empty or too long. */
static size_t read_file(const char *path, char *out)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    if (fd < 0) {
        return 0;
    }
    for (ssize_t got = 1; got > 0 && len<CLIENT_PEM_BYTES; len += got> 0 ? (size_t)got : 0) {
        got = read(fd, out + len, CLIENT_PEM_BYTES - len);
    }
    (void)close(fd);
    return len < CLIENT_PEM_BYTES ? len : 0;
}

static bool is_set(const char *path)
{
    return path != NULL && path[0] != '\0';
}

static void read_all(struct pool_job *job)
{
    struct client_ca *ca = CONTAINER_OF(job, struct client_ca, job);
    const struct http_client *client = CONTAINER_OF(ca, struct http_client, ca);
    const struct http_client_options *options = &client->options;
    ca->status = 0;
    ca->store = X509_STORE_new();
    if (ca->store == NULL) {
        ca->status = UV_ENOMEM;
    } else if (X509_STORE_load_file(ca->store, bundle_of(options)) != 1) {
        ca->status = UV_ENOENT;
    }
    if (is_set(options->cert_file)) {
        ca->cert_bytes = read_file(options->cert_file, ca->cert);
        ca->key_bytes = is_set(options->key_file) ? read_file(options->key_file, ca->key) : 0;
        ca->status = ca->cert_bytes == 0 || ca->key_bytes == 0 ? UV_ENOENT : ca->status;
    }
}

static void on_read(struct pool_job *job, int status)
{
    struct client_ca *ca = CONTAINER_OF(job, struct client_ca, job);
    struct http_client *client = CONTAINER_OF(ca, struct http_client, ca);
    status = status < 0 ? status : ca->status;
    ca->state = status == 0 ? CA_READ : CA_UNREAD;
    if (status < 0) {
        X509_STORE_free(ca->store);
        ca->store = NULL;
    }
    while (!list_is_empty(&ca->waiting)) {
        struct http_client_transfer *transfer =
            CONTAINER_OF(ca->waiting.next, struct http_client_transfer, wait);
        list_unlink(&transfer->wait);
        if (status < 0) {
            (void)snprintf(transfer->error, sizeof(transfer->error),
                           "certificates cannot be read: %s", uv_strerror(status));
            transfer->client->events->end(transfer, status);
        } else {
            transfer->client->events->start(transfer);
        }
    }
    client->events->settle(client);
}

int client_ca_want(struct http_client_transfer *transfer)
{
    struct client_ca *ca = &transfer->client->ca;
    if (ca->state == CA_READ) {
        return 1;
    }
    if (ca->state == CA_UNREAD) {
        ca->job.work = read_all;
        ca->job.done = on_read;
        const int rc =
            pool_submit(transfer->client->options.pool, transfer->client->options.loop, &ca->job);
        if (rc < 0) {
            return rc;
        }
        ca->state = CA_READING;
    }
    list_push_back(&ca->waiting, &transfer->wait);
    return 0;
}

static CURLcode use_store(CURL *easy, void *ssl_ctx, void *arg)
{
    const struct client_ca *ca = arg;
    (void)easy;
    SSL_CTX_set1_cert_store(ssl_ctx, ca->store);
    return CURLE_OK;
}

static void set_blob(CURL *easy, CURLoption option, const char *bytes, size_t len)
{
    struct curl_blob blob = {
        .data = (void *)(uintptr_t)bytes, .len = len, .flags = CURL_BLOB_NOCOPY};
    (void)curl_easy_setopt(easy, option, &blob);
}

void client_ca_use(struct http_client_transfer *transfer)
{
    struct client_ca *ca = &transfer->client->ca;
    if (!transfer->is_tls) {
        return;
    }
    CURL *easy = transfer->easy;
    (void)curl_easy_setopt(easy, CURLOPT_CAINFO, NULL); /* nothing is read on the loop */
    (void)curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, use_store);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, ca);
    if (ca->cert_bytes > 0) {
        set_blob(easy, CURLOPT_SSLCERT_BLOB, ca->cert, ca->cert_bytes);
        set_blob(easy, CURLOPT_SSLKEY_BLOB, ca->key, ca->key_bytes);
    }
}

void client_ca_stop(struct http_client *client)
{
    X509_STORE_free(client->ca.store);
    client->ca.store = NULL;
    OPENSSL_cleanse(client->ca.key, sizeof(client->ca.key));
}
