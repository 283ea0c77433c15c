// SPDX-License-Identifier: MIT
// See message.h.
#include "gateway/message.h"

#include <stdarg.h>
#include <string.h>

#include "common/envelope.h"
#include "common/limits.h"
#include "common/url.h"

#define REASON(name) MSG__REFUSAL__REASON__##name

gboolean message_fault(MessageFault *fault, Refusal reason, const char *format, ...)
{
    va_list arguments;
    fault->reason = reason;
    va_start(arguments, format);
    g_vsnprintf(fault->detail, sizeof fault->detail, format, arguments);
    va_end(arguments);
    // Cut in the middle of a character, it would be no JSON string any more.
    const char *end = NULL;
    if (!g_utf8_validate(fault->detail, -1, &end))
        fault->detail[end - fault->detail] = '\0';
    return FALSE;
}

static gboolean has_id(const Json *message, MessageFault *fault)
{
    const Json *id = json_get(message, "id");
    if (json_is_text(id) && strlen(json_text(id)) > LIMIT_URL)
        return message_fault(fault, REASON(too_large), "id is longer than %d bytes", LIMIT_URL);
    return json_is_text(id) || json_is_number(id) ||
           message_fault(fault, REASON(malformed), "id is missing or neither number nor string");
}

static gboolean has_type(const Json *message, MessageFault *fault)
{
    const char *type = json_get_text(message, "type");
    if (type == NULL || *type == '\0')
        return message_fault(fault, REASON(malformed), "type is missing or not a string");
    return strlen(type) <= LIMIT_KEY ||
           message_fault(fault, REASON(too_large), "type is longer than %d bytes", LIMIT_KEY);
}

static gboolean is_address(const char *text, const char *member, MessageFault *fault)
{
    if (text == NULL || *text == '\0')
        return message_fault(fault, REASON(malformed), "%s is missing or not a string", member);
    return url_is_valid(text) || message_fault(fault, REASON(bad_address),
                                               "%s is no address: printable ASCII, no blanks, "
                                               "at most %d bytes",
                                               member, LIMIT_URL);
}

static gboolean has_from(const Json *message, MessageFault *fault)
{
    const char *type = json_get_text(message, "type");
    if (json_get(message, "from") == NULL &&
        envelope_type_parse(type) == MSG__ENVELOPE__TYPE__CLOSE)
        return TRUE;
    return is_address(json_get_text(message, "from"), "from", fault);
}

static gboolean has_to(const Json *message, MessageFault *fault)
{
    const Json *to = json_get(message, "to");
    if (!json_is_array(to))
        return is_address(json_text(to), "to", fault);
    if (json_size(to) == 0)
        return message_fault(fault, REASON(malformed), "to is empty");
    if (json_size(to) > LIMIT_RECIPIENTS)
        return message_fault(fault, REASON(too_large), "to has more than %d addresses",
                             LIMIT_RECIPIENTS);
    for (guint i = 0; i < json_size(to); i++)
        if (!is_address(json_text(json_at(to, i)), "to", fault))
            return FALSE;
    return TRUE;
}

Json *message_parse(const char *text, gsize length, MessageFault *fault, Json **ret_partial)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Json) message = json_parse(text, length, LIMIT_WEBSOCKET_MESSAGE, &error);
    if (message == NULL) {
        message_fault(fault, REASON(malformed), "%s", error->message);
        return NULL;
    }
    if (!json_is_object(message)) {
        message_fault(fault, REASON(malformed), "a message is a JSON object");
        return NULL;
    }
    if (has_id(message, fault) && has_type(message, fault) && has_from(message, fault) &&
        has_to(message, fault))
        return g_steal_pointer(&message);
    *ret_partial = g_steal_pointer(&message);
    return NULL;
}

GPtrArray *message_recipients(const Json *message)
{
    GPtrArray *recipients = g_ptr_array_new();
    const Json *to = json_get(message, "to");
    if (!json_is_array(to)) {
        g_ptr_array_add(recipients, (gpointer)json_text(to));
        return recipients;
    }
    for (guint i = 0; i < json_size(to); i++) {
        const char *address = json_text(json_at(to, i));
        if (!g_ptr_array_find_with_equal_func(recipients, address, g_str_equal, NULL))
            g_ptr_array_add(recipients, (gpointer)address);
    }
    return recipients;
}

// An id that a stranger sent is given back only if it is of a kind that ids have.
static void echo_id(Json *answer, const Json *message)
{
    Json *id = json_get(message, "id");
    gboolean short_text = json_is_text(id) && strlen(json_text(id)) <= LIMIT_URL;
    if (json_is_number(id) || short_text)
        json_set(answer, "id", id);
}

static const char *text_within_bounds(const Json *message, const char *member)
{
    const char *text = json_get_text(message, member);
    return text != NULL && url_is_valid(text) ? text : NULL;
}

Json *message_answer(const Json *message, const char *from, const Json *body)
{
    Json *answer = json_new_object();
    echo_id(answer, message);
    json_set_text(answer, "type", "response");
    json_set_text(answer, "from", from != NULL ? from : text_within_bounds(message, "to"));
    json_set_text(answer, "to", text_within_bounds(message, "from"));
    json_set(answer, "body", (Json *)body);
    return answer;
}

Json *message_refusal_body(Refusal reason, const char *detail)
{
    Json *body = json_new_object();
    gboolean more = detail != NULL && *detail != '\0';
    g_autofree char *text =
        g_strconcat(refusal_text(reason), more ? ": " : "", more ? detail : "", NULL);
    json_set_number(body, "code", refusal_code(reason));
    json_set_text(body, "reason", refusal_name(reason));
    json_set_text(body, "desc", text);
    json_set_text(body, "description", text);
    return body;
}

Json *message_ok_body(void)
{
    Json *body = json_new_object();
    json_set_number(body, "code", 200);
    return body;
}
