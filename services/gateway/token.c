// SPDX-License-Identifier: MIT
// See token.h. Signatures are compared in constant time.
#include "gateway/token.h"

#include <string.h>
#include <sys/random.h>

#define SESSION_DIGITS 16
#define SIGNATURE_DIGITS 43 // 32 bytes in base64url without padding
#define TOKEN_LENGTH (SESSION_DIGITS + 1 + SIGNATURE_DIGITS)

static char *random_hex(gsize bytes)
{
    guint8 buffer[32];
    g_autoptr(GString) text = g_string_new(NULL);
    g_assert(bytes <= sizeof buffer);
    g_assert(getrandom(buffer, bytes, 0) == (gssize)bytes);
    for (gsize i = 0; i < bytes; i++)
        g_string_append_printf(text, "%02x", buffer[i]);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

char *token_new_session(void)
{
    return random_hex(SESSION_DIGITS / 2);
}

char *token_new_secret(void)
{
    return random_hex(32);
}

static char *signature(const char *secret, const char *session)
{
    guint8 digest[32];
    gsize length = sizeof digest;
    GHmac *hmac = g_hmac_new(G_CHECKSUM_SHA256, (const guint8 *)secret, strlen(secret));
    g_hmac_update(hmac, (const guint8 *)session, -1);
    g_hmac_get_digest(hmac, digest, &length);
    g_hmac_unref(hmac);
    char *text = g_base64_encode(digest, length);
    g_strdelimit(text, "+", '-');
    g_strdelimit(text, "/", '_');
    text[SIGNATURE_DIGITS] = '\0';
    return text;
}

char *token_make(const char *secret, const char *session)
{
    g_autofree char *signed_by = signature(secret, session);
    return g_strconcat(session, ".", signed_by, NULL);
}

gboolean token_has_form(const char *text)
{
    if (strlen(text) != TOKEN_LENGTH || text[SESSION_DIGITS] != '.')
        return FALSE;
    for (gsize i = 0; i < TOKEN_LENGTH; i++) {
        gboolean hexadecimal = g_ascii_isxdigit(text[i]) && !g_ascii_isupper(text[i]);
        gboolean base64 = g_ascii_isalnum(text[i]) || text[i] == '-' || text[i] == '_';
        if (i != SESSION_DIGITS && !(i < SESSION_DIGITS ? hexadecimal : base64))
            return FALSE;
    }
    return TRUE;
}

static gboolean equal_in_constant_time(const char *a, const char *b, gsize length)
{
    guint difference = 0;
    for (gsize i = 0; i < length; i++)
        difference |= (guint)(guint8)a[i] ^ (guint)(guint8)b[i];
    return difference == 0;
}

char *token_session(const char *secret, const char *token)
{
    if (!token_has_form(token))
        return NULL;
    g_autofree char *session = g_strndup(token, SESSION_DIGITS);
    g_autofree char *expected = signature(secret, session);
    if (!equal_in_constant_time(expected, token + SESSION_DIGITS + 1, SIGNATURE_DIGITS))
        return NULL;
    return g_steal_pointer(&session);
}
