/* SPDX-License-Identifier: MIT
 *
 * grpc_reflection.c - answers each request of the stream before it asks for the next.
 */
#include "handlers/grpc/grpc_reflection.h"

#include "core/base/arena.h"
#include "grpc/reflection/v1/reflection.pb-c.h"

#define ANSWER_MAX_BYTES (1u << 20) /* more than all descriptions together */

typedef Grpc__Reflection__V1__ServerReflectionRequest reflection_request;
typedef Grpc__Reflection__V1__ServerReflectionResponse reflection_response;

/* What scripts/embed makes of them. */
extern const unsigned char descriptors[];
extern const size_t descriptors_len;

struct stream {
    struct grpc_reflection *reflection;
    bool *is_sent; /* by file: a client keeps what it has got */
};

/* What one answer is put together from. */
struct answer {
    struct stream *stream;
    struct arena arena;
    reflection_response response;
};

static const struct descriptors *descriptors_of(const struct answer *answer)
{
    return &answer->stream->reflection->descriptors;
}

static void put_error(struct answer *answer, enum grpc_code code, const char *message)
{
    Grpc__Reflection__V1__ErrorResponse *error = arena_alloc(&answer->arena, sizeof(*error));
    if (error == NULL) {
        return;
    }
    grpc__reflection__v1__error_response__init(error);
    error->error_code = (int32_t)code;
    error->error_message = (char *)(uintptr_t)message;
    answer->response.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
    answer->response.error_response = error;
}

/* --- files --- */

/* put_file adds a file and what it imports, but for those that the client has.
 *
 * Returns: false when memory is missing. */
static bool put_file(struct answer *answer, size_t number,
                     Grpc__Reflection__V1__FileDescriptorResponse *files)
{
    const descriptors_file *file = descriptors_at(descriptors_of(answer), number);
    const size_t len = google__protobuf__file_descriptor_proto__get_packed_size(file);
    uint8_t *bytes = arena_alloc(&answer->arena, len);
    if (bytes == NULL) {
        return false;
    }
    (void)google__protobuf__file_descriptor_proto__pack(file, bytes);
    answer->stream->is_sent[number] = true;
    files->file_descriptor_proto[files->n_file_descriptor_proto++] =
        (ProtobufCBinaryData){len, bytes};
    for (size_t i = 0; i < file->n_dependency; i++) {
        size_t next;
        const struct str name = str_from(file->dependency[i]);
        if (descriptors_find(descriptors_of(answer), name, &next) &&
            !answer->stream->is_sent[next] && !put_file(answer, next, files)) {
            return false;
        }
    }
    return true;
}

static void put_files(struct answer *answer, size_t number)
{
    Grpc__Reflection__V1__FileDescriptorResponse *files =
        arena_alloc(&answer->arena, sizeof(*files));
    if (files == NULL) {
        return;
    }
    const size_t count = descriptors_count(descriptors_of(answer)) + 1;
    grpc__reflection__v1__file_descriptor_response__init(files);
    files->file_descriptor_proto =
        arena_alloc(&answer->arena, count * sizeof(files->file_descriptor_proto[0]));
    if (files->file_descriptor_proto != NULL && put_file(answer, number, files)) {
        answer->response.message_response_case =
            GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
        answer->response.file_descriptor_response = files;
    }
}

static void put_found(struct answer *answer, bool is_found, size_t number)
{
    if (is_found) {
        put_files(answer, number);
    } else {
        put_error(answer, GRPC_NOT_FOUND, "not found");
    }
}

/* --- the five questions --- */

static void answer_extension(struct answer *answer,
                             const Grpc__Reflection__V1__ExtensionRequest *extension)
{
    size_t cursor = 0;
    size_t number = 0;
    int32_t field = 0;
    bool is_found = false;
    while (!is_found &&
           descriptors_next_extension(descriptors_of(answer), str_from(extension->containing_type),
                                      &cursor, &field, &number)) {
        is_found = field == extension->extension_number;
    }
    put_found(answer, is_found, number);
}

static size_t count_extensions(const struct answer *answer, struct str type)
{
    size_t count = 0;
    size_t cursor = 0;
    size_t number;
    int32_t field;
    while (descriptors_next_extension(descriptors_of(answer), type, &cursor, &field, &number)) {
        count++;
    }
    return count;
}

static void answer_extension_numbers(struct answer *answer, struct str type)
{
    size_t number;
    if (!descriptors_find_symbol(descriptors_of(answer), type, &number)) {
        put_error(answer, GRPC_NOT_FOUND, "not found");
        return;
    }
    Grpc__Reflection__V1__ExtensionNumberResponse *numbers =
        arena_alloc(&answer->arena, sizeof(*numbers));
    const size_t count = count_extensions(answer, type);
    int32_t *list = arena_alloc(&answer->arena, (count + 1) * sizeof(*list));
    if (numbers == NULL || list == NULL) {
        return;
    }
    grpc__reflection__v1__extension_number_response__init(numbers);
    numbers->base_type_name = (char *)(uintptr_t)type.ptr;
    numbers->extension_number = list;
    size_t cursor = 0;
    for (size_t i = 0; i < count && descriptors_next_extension(descriptors_of(answer), type,
                                                               &cursor, &list[i], &number);
         i++) {
        numbers->n_extension_number = i + 1;
    }
    answer->response.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ALL_EXTENSION_NUMBERS_RESPONSE;
    answer->response.all_extension_numbers_response = numbers;
}

static void answer_services(struct answer *answer)
{
    const struct grpc *grpc = answer->stream->reflection->grpc;
    size_t count = 0;
    while (grpc_service_at(grpc, count) != NULL) {
        count++;
    }
    Grpc__Reflection__V1__ListServiceResponse *services =
        arena_alloc(&answer->arena, sizeof(*services));
    Grpc__Reflection__V1__ServiceResponse **list =
        arena_alloc(&answer->arena, count * sizeof(Grpc__Reflection__V1__ServiceResponse *));
    Grpc__Reflection__V1__ServiceResponse *rows =
        arena_alloc(&answer->arena, count * sizeof(rows[0]));
    if (services == NULL || list == NULL || rows == NULL) {
        return;
    }
    grpc__reflection__v1__list_service_response__init(services);
    for (size_t i = 0; i < count; i++) {
        grpc__reflection__v1__service_response__init(&rows[i]);
        rows[i].name = (char *)(uintptr_t)grpc_service_at(grpc, i);
        list[i] = &rows[i];
    }
    services->service = list;
    services->n_service = count;
    answer->response.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
    answer->response.list_services_response = services;
}

static void put_answer(struct answer *answer, const reflection_request *request)
{
    size_t number = 0;
    bool is_found;
    switch (request->message_request_case) {
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME:
        is_found =
            descriptors_find(descriptors_of(answer), str_from(request->file_by_filename), &number);
        put_found(answer, is_found, number);
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL:
        is_found = descriptors_find_symbol(descriptors_of(answer),
                                           str_from(request->file_containing_symbol), &number);
        put_found(answer, is_found, number);
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_EXTENSION:
        answer_extension(answer, request->file_containing_extension);
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_ALL_EXTENSION_NUMBERS_OF_TYPE:
        answer_extension_numbers(answer, str_from(request->all_extension_numbers_of_type));
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES:
        answer_services(answer);
        break;
    default:
        put_error(answer, GRPC_INVALID_ARGUMENT, "the request asks for nothing that is known");
        break;
    }
}

/* --- the stream --- */

static void on_request(struct grpc_call *call, const ProtobufCMessage *message);

static void on_writable(struct grpc_call *call)
{
    grpc_on_writable(call, NULL);
    grpc_receive(call, on_request);
}

static void on_cancel(struct grpc_call *call, int status)
{
    (void)status;
    grpc_end(call, GRPC_STATUS(GRPC_CANCELLED, "cancelled"));
}

static void on_drain(struct grpc_call *call)
{
    grpc_end(call, grpc_status_of(UV_ECANCELED));
}

static void on_request(struct grpc_call *call, const ProtobufCMessage *message)
{
    if (message == NULL) {
        grpc_end(call, (struct grpc_status){0});
        return;
    }
    const reflection_request *request = (const reflection_request *)message;
    struct answer answer = {.stream = grpc_user(call)};
    arena_init(&answer.arena, ANSWER_MAX_BYTES);
    grpc__reflection__v1__server_reflection_response__init(&answer.response);
    answer.response.valid_host = request->host;
    answer.response.original_request = (reflection_request *)(uintptr_t)request;
    put_answer(&answer, request);
    const bool has_answer = answer.response.message_response_case != 0;
    const bool has_room = has_answer && grpc_send(call, &answer.response.base);
    arena_deinit(&answer.arena);
    if (!has_answer) {
        grpc_fail(call, UV_ENOMEM);
    } else if (has_room) {
        grpc_receive(call, on_request);
    } else {
        grpc_on_writable(call, on_writable);
    }
}

static void handle(struct grpc_call *call, const ProtobufCMessage *request, void *arg)
{
    (void)request;
    struct grpc_reflection *reflection = arg;
    struct stream *stream = grpc_alloc(call, sizeof(*stream));
    bool *is_sent = grpc_alloc(call, descriptors_count(&reflection->descriptors));
    if (stream == NULL || is_sent == NULL) {
        grpc_fail(call, UV_ENOMEM);
        return;
    }
    memset(is_sent, 0, descriptors_count(&reflection->descriptors));
    *stream = (struct stream){reflection, is_sent};
    grpc_set_user(call, stream);
    grpc_on_cancel(call, on_cancel);
    grpc_on_drain(call, on_drain);
    grpc_receive(call, on_request);
}

/* --- mounting --- */

int grpc_reflection_mount(struct grpc_reflection *reflection, struct grpc *grpc)
{
    static const struct grpc_method methods[] = {
        {"ServerReflectionInfo", GRPC_BIDI_STREAM, handle}};
    const ProtobufCServiceDescriptor *v1 = &grpc__reflection__v1__server_reflection__descriptor;
    *reflection = (struct grpc_reflection){.grpc = grpc, .v1alpha = *v1};
    reflection->v1alpha.name = "grpc.reflection.v1alpha.ServerReflection";
    struct grpc_service service = {v1, methods, ARRAY_COUNT(methods), reflection, false};
    int rc = grpc_reflection_add(reflection, descriptors, descriptors_len);
    rc = rc < 0 ? rc : grpc_add_service(grpc, &service);
    service.descriptor = &reflection->v1alpha;
    return rc < 0 ? rc : grpc_add_service(grpc, &service);
}

int grpc_reflection_add(struct grpc_reflection *reflection, const unsigned char *set, size_t len)
{
    return descriptors_add(&reflection->descriptors, set, len);
}

void grpc_reflection_deinit(struct grpc_reflection *reflection)
{
    descriptors_deinit(&reflection->descriptors);
}
