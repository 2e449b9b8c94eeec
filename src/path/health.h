// SPDX-License-Identifier: MIT
// Health: does the way that data messages take carry them? Judged by what the peer reports to have
// seen, held against what was sent. One machine a peer; it watches the way in use.
//
// State:  FINE --silence, stuck, loss--> SUSPECT --0.5 s--> FINE (recovered or left)
// Wire:   Report, docs/protocol.md sections 3 and 7.4. A report counts per way (0 direct, 1 relay)
//         the messages of one key pair: how many came, and the greatest counter + 1.
// Rules:  silence   10 messages or more are out since the last report, and 200 ms more than a round
//                   trip have passed (500 ms before the first report after a pause)
//         stuck     the second report in a row with the same `highest`, and 3 messages or more
//                   beyond it are older than a round trip + 30 ms
//         loss      among the last 20 to 40 messages 3 or more, and 11 %, did not come, and that is
//                   10 points more than the other way is known to lose; 2 of 20 suffice on a way
//                   that has lost less than 0.5 % of the last thousand or so
//         While suspect, the owner sends each message both ways, so the other way's loss is known
//         at the end. Recovered: 20 messages with less than 5 % lost; at the end: DEAD when none of
//         3 or more came by the suspect way, LOSSY when of 10 or more 3, 15 % and 10 points more
//         than by the other were lost, else recovered.
//
// A peer that reports falsely hurts only what we send to it; what cannot be true is refused. Owns
// no clock or memory. Not thread-safe. A zeroed one is initialised.
#ifndef WEND_PATH_HEALTH_H
#define WEND_PATH_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

#define WEND_HEALTH_WAYS    2
#define WEND_HEALTH_SAMPLES 32
#define WEND_HEALTH_STEPS   16

enum wend_health_event {
    WEND_HEALTH_NONE = 0,
    WEND_HEALTH_SUSPECT,   // send both ways, probe at once
    WEND_HEALTH_RECOVERED, // the way in use carries after all
    WEND_HEALTH_DEAD,      // it does not: take the other
    WEND_HEALTH_LOSSY,
};

struct wend_health_way {
    uint64_t highest; // greatest counter + 1; 0: none came
    uint64_t count;
};

struct wend_health_report {
    uint32_t id;    // of the message; later ones have greater ones
    uint32_t index; // which key pair, in the peer's words
    struct wend_health_way ways[WEND_HEALTH_WAYS];
};

// What went out between two reports, and how much of it did not come (negative: came late).
struct wend_health_step {
    int64_t sent, lost;
};

// What had been sent at an instant. They are 20 ms apart at least, but for the newest.
struct wend_health_sample {
    wend_instant at;
    uint64_t counter;
};

struct wend_health {
    uint8_t way;
    uint8_t event; // enum wend_health_event, to be taken
    bool suspect;
    bool reporting; // the peer has reported at least once
    uint32_t index, last_id;
    uint64_t counter; // of the next message, as last told
    uint64_t begun;   // messages from here on count for `way`
    struct wend_health_way last[WEND_HEALTH_WAYS];

    bool based[WEND_HEALTH_WAYS];   // since `begun` something came by it, and
    struct wend_health_way base[2]; // this was the first report that said so
    struct wend_health_step steps[WEND_HEALTH_STEPS];
    uint8_t step;      // newest
    int64_t usual_ppm; // smoothed loss of the way in use

    struct wend_health_sample samples[WEND_HEALTH_SAMPLES];
    uint8_t sample; // newest

    wend_instant reported;     // last report, or first message after a pause
    uint64_t reported_counter; // what was sent then
    bool resumed;              // no report since that pause
    wend_instant grew;         // something was sent
    wend_instant decide_at;    // suspect: the end
    wend_duration rtt;         // allowed for
    uint32_t spare_permille;   // what the other way loses
};

// Data messages take `way` from the next one on; what was suspected of another way is forgotten.
void wend_health_use(struct wend_health *h, uint8_t way, wend_instant now);
// `counter`: of the next message under the pair that the peer calls `index`. To be told before
// each report, and every 50 ms or so while messages flow.
void wend_health_sent(struct wend_health *h, uint32_t index, uint64_t counter, wend_instant now);
// Round-trip time to allow for (the slower way's), and the loss that probes of the other way show.
void wend_health_expect(struct wend_health *h, wend_duration rtt, uint32_t spare_permille);

// Returns 0;
//   -ENOENT  of another pair: says only that the peer is there
//   -ESTALE  an older report than the last
//   -EPROTO  counters that go back, or exceed what was sent
int wend_health_report(struct wend_health *h, const struct wend_health_report *r, wend_instant now);

void wend_health_expire(struct wend_health *h, wend_instant now);
wend_instant wend_health_deadline(const struct wend_health *h); // silence shows at `sent`, not here
// The last thing that happened and was not taken yet; NONE: nothing.
enum wend_health_event wend_health_take_event(struct wend_health *h);

#endif
