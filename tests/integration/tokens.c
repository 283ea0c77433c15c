// SPDX-License-Identifier: MIT
// Tokens over the wire, as a stranger would show them (rows 4 and 32 of the specification's
// checklist): a suite that lets nobody in without one, what is refused at `open` and at a join,
// whom others see, and that nobody who watches the bus gets to see one. Tokens are put together
// here by RFC 7519 alone.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/support/fake_worker.h"
#include "tests/support/stranger.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210"
#define KEYS "k0:" OTHER ",k1:" SECRET
#define HS256 "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define JOIN                                                                                       \
    "{'id':'%s','type':'create','from':'hyperty://localhost/%s','to':"                             \
    "'hyperty://localhost/conference','body':{'source':'hyperty://localhost/%s','schema':"         \
    "'hyperty-catalogue://catalogue.localhost/.well-known/dataschema/Connection','roomId':'%s',"   \
    "'mutual':false,%s'identity':{'userProfile':{'preferred_username':'Eve','userURL':"            \
    "'user://localhost/eve'}},'value':{'url':'connection://localhost/%s','version':1,'data':"      \
    "{'status':'new','connectionDescription':{'type':'offer','sdp':'v=0'},'watch':{}}}}}"
#define OPEN "{'id':%u,'type':'open','from':'%s','to':'mn:/session','body':{'token':'%s'}}"
#define ALLOCATE                                                                                   \
    "{'id':'%s','type':'create','from':'runtime:/dan','to':"                                       \
    "'domain://msg-node.localhost/address-allocation','body':{'value':{'number':1}}}"

static Suite *suite;
static FakeWorker *worker;
static guint port, second;

static int start(void **state)
{
    (void)state;
    g_setenv("PARLEY_AUTH_KEYS", KEYS, TRUE);
    g_setenv("PARLEY_AUTH_GUESTS", "false", TRUE);
    suite = stranger_suite(&second);
    port = suite_gateway_port(suite);
    suite_start(suite, "busmon", "busmon", (const char *[]){"--json", NULL});
    worker = fake_worker_new(suite, 100);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fake_worker_free(worker);
    suite_free(suite);
    return 0;
}

// --- tokens

static char *base64url(const guint8 *bytes, gsize length)
{
    char *text = g_base64_encode(bytes, length);
    g_strdelimit(text, "+", '-');
    g_strdelimit(text, "/", '_');
    text[strcspn(text, "=")] = '\0';
    return text;
}

static char *sign(const char *header, const char *claims, const char *secret)
{
    guint8 digest[32];
    gsize length = sizeof digest;
    g_autofree char *head = base64url((const guint8 *)header, strlen(header));
    g_autofree char *body = base64url((const guint8 *)claims, strlen(claims));
    g_autofree char *text = g_strconcat(head, ".", body, NULL);
    GHmac *hmac = g_hmac_new(G_CHECKSUM_SHA256, (const guint8 *)secret, strlen(secret));
    g_hmac_update(hmac, (const guint8 *)text, -1);
    g_hmac_get_digest(hmac, digest, &length);
    g_hmac_unref(hmac);
    g_autofree char *signature = base64url(digest, length);
    return g_strconcat(text, ".", signature, NULL);
}

// Valid from now + begins_s until now + ends_s. video: what it grants.
static char *token_for(const char *who, const char *secret, gint begins_s, gint ends_s,
                       const char *video)
{
    gint64 now_s = g_get_real_time() / G_USEC_PER_SEC;
    g_autofree char *claims =
        g_strdup_printf("{\"iss\":\"k1\",\"sub\":\"%s\",\"name\":\"The real %s\",\"nbf\":%lld,"
                        "\"exp\":%lld,\"video\":%s}",
                        who, who, (long long)now_s + begins_s, (long long)now_s + ends_s, video);
    return sign(HS256, claims, secret);
}

static char *token_of(const char *who, const char *video)
{
    return token_for(who, SECRET, -10, 600, video);
}

static Stranger *open_as(guint at, const char *runtime, const char *who)
{
    g_autofree char *token = token_of(who, "{}");
    Stranger *stranger = stranger_new(at);
    stranger_ask(stranger, 200, NULL, OPEN, 1, runtime, token);
    return stranger;
}

static const Json *join(Stranger *stranger, gint code, const char *reason, const char *who,
                        const char *token)
{
    static guint joins;
    g_autofree char *id = g_strdup_printf("join-%u", ++joins);
    g_autofree char *shown =
        *token != '\0' ? g_strdup_printf("'token':'%s',", token) : g_strdup("");
    return stranger_ask(stranger, code, reason, JOIN, id, who, who, "demo", shown, who);
}

// --- stories

static void row_32_open_takes_only_a_good_token(void **state)
{
    (void)state;
    g_autoptr(Stranger) eve = stranger_new(port);
    g_autofree char *forged = token_for("ann", OTHER, -10, 600, "{}");
    g_autofree char *expired = token_for("ann", SECRET, -600, -61, "{}");
    g_autofree char *early = token_for("ann", SECRET, 120, 600, "{}");
    g_autofree char *unsigned_one =
        sign("{\"alg\":\"none\"}", "{\"iss\":\"k1\",\"sub\":\"ann\",\"exp\":9999999999}", "");
    g_autofree char *late = token_for("ann", SECRET, -600, -30, "{}"); // within the tolerance
    const char *const bad[] = {forged, expired, early, unsigned_one, "nonsense", ""};
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        stranger_ask(eve, 403, "bad_token", OPEN, i, "runtime:/eve", bad[i]);
    stranger_ask(eve, 400, "malformed",
                 "{'id':20,'type':'open','from':'runtime:/eve','to':'mn:/session','body':"
                 "{'token':7}}");
    stranger_ask(eve, 403, "forbidden",
                 "{'id':21,'type':'open','from':'runtime:/eve','to':'mn:/session'}");
    stranger_ask(eve, 403, "forbidden",
                 "{'id':22,'type':'re-open','from':'runtime:/eve','to':'mn:/session'}");
    stranger_ask(eve, 200, NULL, OPEN, 23, "runtime:/eve", late);
}

static void row_4_a_join_needs_a_token_for_this_room(void **state)
{
    (void)state;
    g_autoptr(Stranger) bob = open_as(port, "runtime:/bob", "bob");
    g_autofree char *anns = token_of("ann", "{\"roomJoin\":true}");
    g_autofree char *elsewhere = token_of("bob", "{\"roomJoin\":true,\"room\":\"other\"}");
    g_autofree char *none = token_of("bob", "{\"room\":\"demo\"}");
    g_autofree char *mute = token_of("bob", "{\"roomJoin\":true,\"canPublish\":false}");
    g_autofree char *expired = token_for("bob", SECRET, -600, -61, "{\"roomJoin\":true}");
    g_autofree char *early = token_for("bob", SECRET, 120, 600, "{\"roomJoin\":true}");
    g_autofree char *forged = token_for("bob", OTHER, -10, 600, "{\"roomJoin\":true}");
    g_autofree char *good = token_of("bob", "{\"roomJoin\":true,\"room\":\"demo\"}");
    join(bob, 403, "forbidden", "bob", "");
    join(bob, 403, "bad_token", "bob", anns);
    join(bob, 403, "bad_token", "bob", elsewhere);
    join(bob, 403, "forbidden", "bob", none);
    join(bob, 403, "forbidden", "bob", mute);
    join(bob, 403, "bad_token", "bob", expired);
    join(bob, 403, "bad_token", "bob", early);
    join(bob, 403, "bad_token", "bob", forged);
    join(bob, 200, NULL, "bob", good);
    join(bob, 200, NULL, "bob", ""); // a new offer of who is in already
}

static void row_32_others_see_whom_the_token_names(void **state)
{
    (void)state;
    g_autoptr(Stranger) cid = open_as(second, "runtime:/cid", "cid");
    g_autofree char *token = token_of("cid", "{\"roomJoin\":true,\"room\":\"demo\"}");
    const Json *joined = join(cid, 200, NULL, "cid", token);
    const Json *data = json_get(json_get(joined, "value"), "data");
    const Json *entry = json_get(json_get(data, "participants"), "cid");
    const Json *profile = json_get(json_get(entry, "identity"), "userProfile");
    assert_string_equal(json_get_text(profile, "userURL"), "user://localhost/cid");
    assert_string_equal(json_get_text(profile, "preferred_username"), "The real cid");
}

// By the public runtime URL alone nobody gets it, at its own gateway or at another one.
static void row_16_a_users_session_is_taken_over_by_the_same_user_only(void **state)
{
    (void)state;
    g_autoptr(Stranger) dan = open_as(port, "runtime:/dan", "dan");
    const guint ports[] = {port, second};
    for (guint i = 0; i < G_N_ELEMENTS(ports); i++) {
        g_autoptr(Stranger) eve = stranger_new(ports[i]);
        g_autofree char *eves = token_of("eve", "{}");
        stranger_ask(eve, 403, "not_owner", OPEN, 1, "runtime:/dan", eves);
        stranger_ask(eve, 403, NULL,
                     "{'id':2,'type':'open','from':'runtime:/dan','to':"
                     "'mn:/session'}");
    }
    stranger_ask(dan, 200, NULL, ALLOCATE, "still"); // its session is what it was
    for (guint i = 0; i < G_N_ELEMENTS(ports); i++) {
        g_autoptr(Stranger) again = open_as(ports[i], "runtime:/dan", "dan");
        stranger_ask(again, 200, NULL, ALLOCATE, "mine");
    }
}

static void no_token_is_logged_or_shown_by_the_monitor(void **state)
{
    static const char *const names[] = {"gateway", "gateway2", "registry", "busmon"};
    (void)state;
    assert_true(suite_until_logged(suite, "busmon", "The real cid", 1, 5000)); // it saw the join
    assert_true(suite_logged(suite, "busmon", "***") > 0);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        assert_int_equal(suite_logged(suite, names[i], SECRET), 0);
        assert_int_equal(suite_logged(suite, names[i], "eyJ"), 0); // how each JWT begins
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_32_open_takes_only_a_good_token),
        cmocka_unit_test(row_4_a_join_needs_a_token_for_this_room),
        cmocka_unit_test(row_32_others_see_whom_the_token_names),
        cmocka_unit_test(row_16_a_users_session_is_taken_over_by_the_same_user_only),
        cmocka_unit_test(no_token_is_logged_or_shown_by_the_monitor),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, start, stop);
}
