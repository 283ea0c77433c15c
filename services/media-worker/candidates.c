// SPDX-License-Identifier: MIT
// See candidates.h. RFC 8445 priorities, RFC 8839 lines.
#include "media-worker/candidates.h"

#include <errno.h>
#include <gio/gio.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ADDRESSES_MAX 16 // lines in each answer
#define RECEIVE_BYTES (4 * 1024 * 1024)
#define HOST_PREFERENCE 126

static gboolean is_ipv6(const char *address)
{
    return strchr(address, ':') != NULL;
}

void candidates_free(Candidates *candidates)
{
    if (candidates == NULL)
        return;
    g_strfreev(candidates->listen);
    g_strfreev(candidates->advertise);
    g_free(candidates);
}

// --------------------------------------------------------------------------------------- sockets

// address NULL: every address of the family. -1 with errno.
static int bind_one(gboolean ipv6, const char *address, guint16 port)
{
    g_autoptr(GInetAddress) any =
        address == NULL ? g_inet_address_new_any(ipv6 ? G_SOCKET_FAMILY_IPV6 : G_SOCKET_FAMILY_IPV4)
                        : g_inet_address_new_from_string(address);
    g_autoptr(GSocketAddress) where = g_inet_socket_address_new(any, port);
    struct sockaddr_storage native;
    int only = 1;
    int fd = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (ipv6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
    g_socket_address_to_native(where, &native, sizeof native, NULL);
    if (bind(fd, (struct sockaddr *)&native, (socklen_t)g_socket_address_get_native_size(where)) ==
        0)
        return fd;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

// One address of the family is bound as such; several, by the wildcard.
static int bind_family(const Candidates *candidates, gboolean ipv6, guint16 port)
{
    const char *only = NULL;
    guint count = 0;
    for (char **address = candidates->listen; *address != NULL; address++)
        if (is_ipv6(*address) == ipv6) {
            only = *address;
            count++;
        }
    errno = 0;
    return count == 0 ? -1 : bind_one(ipv6, count == 1 ? only : NULL, port);
}

// FORCE needs a privilege; without it the kernel's rmem_max is the limit.
static guint enlarge(int fd)
{
    int bytes = RECEIVE_BYTES, granted = 0;
    socklen_t length = sizeof granted;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &granted, &length);
    return (guint)granted / 2; // the kernel counts its own overhead in
}

// 0: both families stand (or are not wanted); else errno.
static int bind_port(const Candidates *candidates, guint16 port, CandidatesSockets *sockets)
{
    sockets->port = port;
    sockets->socket6 = -1;
    sockets->socket4 = bind_family(candidates, FALSE, port);
    if (sockets->socket4 < 0 && errno != 0)
        return errno;
    sockets->socket6 = bind_family(candidates, TRUE, port);
    if (sockets->socket6 < 0 && errno != 0) {
        int reason = errno;
        if (sockets->socket4 >= 0)
            close(sockets->socket4);
        return reason;
    }
    return 0;
}

static gboolean fail_port(guint port, int reason, GError **error)
{
    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(reason), "UDP port %u: %s", port,
                g_strerror(reason));
    return FALSE;
}

gboolean candidates_check(const Candidates *candidates, guint *ret_taken, GError **error)
{
    CandidatesSockets sockets;
    guint taken = 0;
    for (guint port = candidates->first_port; port <= candidates->last_port; port++) {
        int reason = bind_port(candidates, (guint16)port, &sockets);
        if (reason != 0 && reason != EADDRINUSE)
            return fail_port(port, reason, error);
        taken += reason != 0;
        if (reason == 0 && sockets.socket4 >= 0)
            close(sockets.socket4);
        if (reason == 0 && sockets.socket6 >= 0)
            close(sockets.socket6);
    }
    *ret_taken = taken;
    return TRUE;
}

gboolean candidates_bind(const Candidates *candidates, CandidatesSockets *ret_sockets,
                         GError **error)
{
    CandidatesSockets sockets;
    for (guint port = candidates->first_port; port <= candidates->last_port; port++) {
        int reason = bind_port(candidates, (guint16)port, &sockets);
        if (reason == EADDRINUSE)
            continue;
        if (reason != 0)
            return fail_port(port, reason, error);
        sockets.receive_bytes = sockets.socket6 >= 0 ? enlarge(sockets.socket6) : G_MAXUINT;
        if (sockets.socket4 >= 0)
            sockets.receive_bytes = MIN(sockets.receive_bytes, enlarge(sockets.socket4));
        *ret_sockets = sockets;
        return TRUE;
    }
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE, "no free UDP port in %u-%u",
                candidates->first_port, candidates->last_port);
    return FALSE;
}

// ------------------------------------------------------------------------------------- addresses

static gboolean can_bind(const char *address)
{
    int fd = bind_one(is_ipv6(address), address, 0);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static gboolean is_loopback(const char *address)
{
    g_autoptr(GInetAddress) parsed = g_inet_address_new_from_string(address);
    return g_str_equal(address, "localhost") ||
           (parsed != NULL && g_inet_address_get_is_loopback(parsed));
}

// Whether everything that the configuration names is on this machine: pages and bus. A worker whose
// bus is elsewhere has people elsewhere, too.
static gboolean is_local_suite(const Config *config)
{
    g_autoptr(GSocketConnectable) bus =
        g_network_address_parse_uri(config_text(config, CONFIG_BUS_PUBLISH), 0, NULL);
    const char *host = bus != NULL ? g_network_address_get_hostname(G_NETWORK_ADDRESS(bus)) : "";
    return is_loopback(config_text(config, CONFIG_GATEWAY_LISTEN)) &&
           (*host == '\0' || is_loopback(host));
}

static char **loopback(void)
{
    g_autoptr(GStrvBuilder) addresses = g_strv_builder_new();
    g_strv_builder_add(addresses, "127.0.0.1");
    if (can_bind("::1"))
        g_strv_builder_add(addresses, "::1");
    return g_strv_builder_end(addresses);
}

// Newly allocated; NULL for what cannot be offered to another machine.
static char *offerable(const struct ifaddrs *interface)
{
    if (interface->ifa_addr == NULL || (interface->ifa_flags & IFF_UP) == 0 ||
        (interface->ifa_flags & IFF_LOOPBACK) != 0)
        return NULL;
    int family = interface->ifa_addr->sa_family;
    gsize size = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    if (family != AF_INET && family != AF_INET6)
        return NULL;
    g_autoptr(GSocketAddress) address = g_socket_address_new_from_native(interface->ifa_addr, size);
    GInetAddress *inet = g_inet_socket_address_get_address(G_INET_SOCKET_ADDRESS(address));
    return g_inet_address_get_is_link_local(inet) ? NULL : g_inet_address_to_string(inet);
}

static char **interfaces(void)
{
    g_autoptr(GStrvBuilder) addresses = g_strv_builder_new();
    struct ifaddrs *all = NULL;
    guint count = 0;
    if (getifaddrs(&all) != 0)
        return loopback();
    for (struct ifaddrs *one = all; one != NULL && count < ADDRESSES_MAX; one = one->ifa_next) {
        g_autofree char *address = offerable(one);
        if (address == NULL || !can_bind(address))
            continue;
        g_strv_builder_add(addresses, address);
        count++;
    }
    freeifaddrs(all);
    return count > 0 ? g_strv_builder_end(addresses) : loopback();
}

static gboolean are_addresses(char **list, const char *key, gboolean local, GError **error)
{
    if (g_strv_length(list) > ADDRESSES_MAX) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s: more than %d addresses",
                    key, ADDRESSES_MAX);
        return FALSE;
    }
    for (char **address = list; *address != NULL; address++) {
        g_autoptr(GInetAddress) parsed = g_inet_address_new_from_string(*address);
        const char *wrong = NULL;
        if (parsed == NULL || g_inet_address_get_is_any(parsed))
            wrong = "is no IP address that can be offered";
        else if (local && !can_bind(*address))
            wrong = "is no address of this machine";
        if (wrong == NULL)
            continue;
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s: %s %s", key, *address,
                    wrong);
        return FALSE;
    }
    return TRUE;
}

static gboolean read_ports(const char *text, Candidates *candidates, GError **error)
{
    g_auto(GStrv) ends = g_strsplit(text, "-", 2);
    guint64 first = 0, last = 0;
    if (ends[0] == NULL || !g_ascii_string_to_unsigned(ends[0], 10, 1, 65535, &first, error) ||
        !g_ascii_string_to_unsigned(ends[1] == NULL ? ends[0] : ends[1], 10, first, 65535, &last,
                                    error)) {
        g_prefix_error(error, "media.ports: FIRST-LAST expected, not \"%s\": ", text);
        return FALSE;
    }
    candidates->first_port = (guint)first;
    candidates->last_port = (guint)last;
    return TRUE;
}

Candidates *candidates_new(const Config *config, GError **error)
{
    g_autoptr(Candidates) candidates = g_new0(Candidates, 1);
    candidates->listen = config_list(config, CONFIG_MEDIA_LISTEN);
    candidates->advertise = config_list(config, CONFIG_MEDIA_ADVERTISE_IP);
    if (!are_addresses(candidates->listen, "media.listen", TRUE, error) ||
        !are_addresses(candidates->advertise, "media.advertise_ip", FALSE, error) ||
        !read_ports(config_text(config, CONFIG_MEDIA_PORTS), candidates, error))
        return NULL;
    if (candidates->listen[0] == NULL) {
        g_strfreev(candidates->listen);
        candidates->listen = is_local_suite(config) ? loopback() : interfaces();
    }
    return g_steal_pointer(&candidates);
}

// ----------------------------------------------------------------------------------------- lines

char **candidates_addresses(const Candidates *candidates)
{
    g_autoptr(GStrvBuilder) all = g_strv_builder_new();
    g_strv_builder_addv(all, (const char **)candidates->listen);
    for (char **address = candidates->advertise; *address != NULL; address++)
        if (!g_strv_contains((const char *const *)candidates->listen, *address))
            g_strv_builder_add(all, *address);
    return g_strv_builder_end(all);
}

char **candidates_lines(const char *const *addresses, guint16 port)
{
    g_autoptr(GStrvBuilder) lines = g_strv_builder_new();
    for (guint i = 0; addresses[i] != NULL; i++) {
        guint priority = (guint)HOST_PREFERENCE << 24 | (65535 - i) << 8 | 255;
        g_autofree char *line = g_strdup_printf("candidate:%u 1 udp %u %s %u typ host", i + 1,
                                                priority, addresses[i], port);
        g_strv_builder_add(lines, line);
    }
    return g_strv_builder_end(lines);
}
