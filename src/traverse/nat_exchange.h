// SPDX-License-Identifier: MIT
// A NAT model to and from the bytes that peers exchange (wire/nat_model.h). Instants become ages,
// because peers share no clock: the way to the peer makes the newest mapping a little older.
#ifndef WEND_TRAVERSE_NAT_EXCHANGE_H
#define WEND_TRAVERSE_NAT_EXCHANGE_H

#include "traverse/nat_model.h"
#include "wire/nat_model.h"

// Writes a model whose serial is not 0. Returns its length.
size_t wend_nat_model_write(uint8_t ret[static WEND_NAT_MODEL_LEN_MAX],
                            const struct wend_nat_model *m, wend_instant now);
// Reads a peer's model, received at `now`; its instants are on our clock then.
// Returns 0, or -EBADMSG and `ret` is untouched.
int wend_nat_model_read(struct wend_bytes in, wend_instant now, struct wend_nat_model *ret);

#endif
