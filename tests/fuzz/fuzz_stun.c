// SPDX-License-Identifier: MIT
// ICE checks: whatever comes in, an answer is never longer than its request, and there is none
// without a valid integrity (the password is known to the corpus, so that fuzzing gets past it).
#include "media-worker/stun.h"
#include <netinet/in.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static const char *password_of(const StunUser *user, gpointer closure)
{
    (void)closure;
    return user->local_length > 0 ? "VOkJxbRl1RmTxUk/WvJxBt" : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    static StunServer *server;
    if (server == NULL)
        server = stun_server_new();
    const struct sockaddr_storage from = {.ss_family = length % 2 == 0 ? AF_INET : AF_INET6};
    const StunDatagram datagram = {data, length, &from};
    const StunRequest request = {.username = "a:b", .password = "VOkJxbRl1RmTxUk/WvJxBt"};
    StunCheck check;
    guint code;
    StunResult result = stun_server_check(server, &datagram, password_of, NULL, &check);
    g_assert(check.answer_length <= length);
    g_assert(check.answer_length == 0 || result <= STUN_UNSUPPORTED);
    stun_response_check(&request, data, length, &code, NULL);
    stun_datagram_kind(data, length);
    return 0;
}
