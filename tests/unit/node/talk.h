// SPDX-License-Identifier: MIT
// What the tests do in the world of world.h, and look at: the second half of that file.
#ifndef WEND_TESTS_UNIT_NODE_TALK_H
#define WEND_TESTS_UNIT_NODE_TALK_H

static inline bool view(size_t i, size_t of, struct wend_peer_view *ret)
{
    uint32_t cursor = 0;

    while (wend_node_next_peer(world.hosts[i].node, &cursor, ret))
        if (memcmp(ret->key, world.hosts[of].identity.public_key, 32) == 0)
            return true;
    return false;
}

static inline enum wend_path_kind way(size_t i, size_t to)
{
    struct wend_peer_view v;

    if (!view(i, to, &v) || v.path_used == v.path_count)
        return WEND_PATH_NONE;
    return v.paths[v.path_used].kind;
}

// One numbered packet of a user of host `i` to host `to`.
static inline void say(size_t i, size_t to, uint32_t number)
{
    struct host *h = &world.hosts[i];
    struct wend_peer_view v;
    struct plane_out out;

    assert_true(view(i, to, &v));
    struct plane_slot *s = &h->plane.slots[v.slot];
    if (s->queued == 0 && plane_seal(&h->plane, v.slot, number, world.now, &out)) {
        host_out(h, &out.way);
        host_out(h, &out.also);
        hear_plane(h);
        return;
    }
    if (s->queued < PLANE_QUEUE)
        s->queue[s->queued++] = number;
    if (!s->wanted) {
        const struct wend_notice notice = plane_want(&h->plane, v.slot);
        s->wanted = true;
        wend_node_notice(h->node, &notice, world.now);
    }
    drain(h);
}

// The user of a host that answers, at once. The tests have two of them.
static inline void answer(struct host *h)
{
    const size_t i = (size_t)(h - world.hosts);

    while (h->plane.arrived_count > 0) {
        const uint32_t number = h->plane.arrived[0];
        memmove(h->plane.arrived, h->plane.arrived + 1,
                --h->plane.arrived_count * sizeof h->plane.arrived[0]);
        if (h->answers && number < ANSWERS)
            say(i, i == 0 ? 1 : 0, number + ANSWERS);
    }
}

// A packet each way every `step`, for `duration`; numbers rise from `*number`.
static inline void talk(size_t i, size_t j, wend_duration duration, wend_duration step,
                        uint32_t *number)
{
    for (wend_duration t = 0; t < duration; t += step) {
        say(i, j, (*number)++);
        say(j, i, (*number)++);
        run(step);
    }
}

static inline void all_up(void)
{
    for (size_t i = 0; i < HOSTS; i++)
        host_up(i, 1);
    run(WEND_S(2));
    for (size_t i = 0; i < HOSTS; i++)
        assert_int_equal(world.hosts[i].count[WEND_NODE_READY], 1);
}

#endif
