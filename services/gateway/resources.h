// SPDX-License-Identifier: MIT
// The lists of addresses in bodies for the gateway's own services. Runtimes name the member
// differently and nest arrays; this reads them all as one flat list.
#pragma once
#include "common/json.h"

// Strings under resources, subscribe, unsubscribe, resource and childrenResources, in order;
// borrowed from body. NULL if a member is neither string nor array of such, or there are more than
// LIMIT_SESSION_ROUTES.
GPtrArray *resources_of(const Json *body);
