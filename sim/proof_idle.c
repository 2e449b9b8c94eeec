// SPDX-License-Identifier: MIT
// Two hours in which two connected devices have nothing to say.
#include "proof.h"

#define SEEDS  20
#define BEGINS WEND_S(330) // what is due after a talk is over
#define LASTS  WEND_S(2 * 3600)
#define PERIOD WEND_S(25) // of a mapping behind a NAT, until more is known

struct sums {
    uint32_t up, down, across; // greatest of a device
};

static void join(struct sums *sums, const struct sim_ledger *l)
{
    for (uint16_t i = 0; i < 2; i++) {
        sums->up = l->up[i] > sums->up ? l->up[i] : sums->up;
        sums->down = l->down[i] > sums->down ? l->down[i] : sums->down;
        sums->across = l->across[i] > sums->across ? l->across[i] : sums->across;
    }
}

void sim_proof_idle(struct sim_proof *p)
{
    const uint32_t periods = LASTS / PERIOD;
    struct sums sums = {0};

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        if (!sim_proof_wants(p, seed))
            continue;
        sim_proof_cones(p, seed, (enum wend_sim_dependence)(seed % 3));
        sim_proof_talk(p, WEND_MS(100), WEND_S(5), WEND_S(10));
        sim_proof_begin(p);
        (void)sim_proof_run(p, BEGINS);
        for (uint16_t i = 0; i < 2; i++)
            p->ledger.up[i] = p->ledger.down[i] = p->ledger.across[i] = 0;
        (void)sim_proof_run(p, BEGINS + LASTS);
        join(&sums, &p->ledger);
        sim_proof_end(p);
    }
    sim_proof_row(p, sums.up <= periods && sums.across == 0,
                  (const char *[]){"idle for 2 h: datagrams of a device in 25 s",
                                   "1 to the server, 0 to the other device"},
                  "%.3f to the server, %.3f from it, %u to the other in all; worst of %u seeds",
                  (double)sums.up / periods, (double)sums.down / periods, sums.across, SEEDS);
}
