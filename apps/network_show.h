// SPDX-License-Identifier: MIT
// wend network show: asks the server, judges each member as a peer would, prints.
#ifndef WEND_APPS_NETWORK_SHOW_H
#define WEND_APPS_NETWORK_SHOW_H

#include "admin.h"

int wend_network_show(struct wend_admin *a, bool json); // exit status

// Looks a member up by name or key (base64) among those the server tells. Exit status; prints the
// line when there is none.
int wend_network_find(struct wend_admin *a, const char *device, uint8_t ret_key[static 32],
                      char ret_name[static 64]);

#endif
