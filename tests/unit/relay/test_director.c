// SPDX-License-Identifier: MIT
// Peer service and relaying: who reaches whom, through which channel, and nobody else.
#include "world.h"

static const uint8_t hello[5] = "hello", answer[6] = "answer";

struct pair {
    struct world w;
    struct net home;
    struct client a, b, c;
    uint32_t channel;
};

static uint32_t call(struct client *from, const struct client *to)
{
    uint8_t memory[128];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    wend_attribute_put(&w, WEND_ATTRIBUTE_PEER, WEND_BYTES(to->identity.public_key));
    wend_attribute_put(&w, WEND_ATTRIBUTE_DATAGRAM, WEND_BYTES(hello));
    client_send_request(from, WEND_CONTROL_PEER_SERVICE, (struct wend_bytes){memory, w.len});
    return from->id;
}

static void answer_call(struct client *c)
{
    uint8_t memory[64];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    const struct wend_control request = c->message;
    assert_int_equal(request.type, WEND_CONTROL_PEER_SERVICE);
    wend_attribute_put(&w, WEND_ATTRIBUTE_DATAGRAM, WEND_BYTES(answer));
    client_respond(c, &request, (struct wend_bytes){memory, w.len});
}

static uint32_t open_channel(struct client *from, struct client *to)
{
    call(from, to);
    assert_true(client_hear(to));
    answer_call(to);
    assert_true(client_hear(from));
    assert_int_equal(client_error(from), 0);
    return wend_attribute_u32(from->a.channel);
}

static void pair_open(struct pair *p)
{
    world_open(&p->w, NULL);
    net_load(&p->home, &p->w, 1);
    client_init(&p->a, &p->w, 1);
    client_init(&p->b, &p->w, 2);
    client_init(&p->c, &p->w, 3);
    client_up(&p->a, &p->home, "a");
    client_up(&p->b, &p->home, "b");
    client_up(&p->c, &p->home, "c");
    p->channel = open_channel(&p->a, &p->b);
    assert_int_not_equal(p->channel, 0);
}

// A run of `count` datagrams of `step` bytes on a channel, the last one shorter by one.
static struct wend_relay_run make_run(const struct client *from, uint32_t channel, uint8_t *memory,
                                      size_t count, size_t step)
{
    for (size_t i = 0; i < count; i++) {
        memset(memory + i * step, (int)i, step);
        wend_frame_write_header(memory + i * step, channel);
    }
    return (struct wend_relay_run){.transport = from->way.transport,
                                   .stream = from->way.stream,
                                   .local = from->way.local,
                                   .remote = from->way.remote,
                                   .at = memory,
                                   .len = count * step - (count > 1),
                                   .segment_len = count > 1 ? (uint16_t)step : 0};
}

static bool forward(struct pair *p, struct wend_relay_run *in, struct wend_relay_run *ret)
{
    const bool sent = wend_relay_forward(p->w.relay, in, p->w.now, ret);
    world_drain(&p->w);
    return sent;
}

static void a_call_carries_what_the_called_needs(void **state)
{
    struct world w;
    struct net home;
    struct client a, b;
    struct wend_address seen;
    (void)state;
    world_open(&w, NULL);
    net_load(&home, &w, 1);
    client_init(&a, &w, 1);
    client_init(&b, &w, 2);
    client_up(&a, &home, "a");
    client_up(&b, &home, "b");
    const uint32_t id = call(&a, &b);
    assert_true(client_hear(&b));
    assert_false(b.message.response);
    assert_int_equal(b.message.id, wend_attribute_u32(b.a.channel));
    assert_memory_equal(b.a.peer.at, a.identity.public_key, 32);
    assert_memory_equal(b.a.datagram.at, hello, sizeof hello);
    assert_true(wend_attribute_address(b.a.address, &seen));
    assert_true(wend_address_equal(&seen, &a.way.remote));
    assert_non_null(b.a.entry.at); // b has not subscribed: it is told who a is
    const uint32_t channel = b.message.id;
    a.id--; // the same request again leads to the same channel
    call(&a, &b);
    assert_true(client_hear(&b));
    assert_int_equal(b.message.id, channel);
    answer_call(&b);
    assert_true(client_hear(&a));
    assert_true(a.message.response);
    assert_int_equal(a.message.id, id);
    assert_int_equal(wend_attribute_u32(a.a.channel), channel);
    assert_memory_equal(a.a.datagram.at, answer, sizeof answer);
    assert_true(wend_attribute_address(a.a.address, &seen));
    assert_true(wend_address_equal(&seen, &b.way.remote));
    assert_int_equal(world_counts(&w).channels, 1);
    world_close(&w);
}

static void calls_that_cannot_be(void **state)
{
    struct pair p;
    struct client stranger;
    uint8_t memory[128];
    (void)state;
    pair_open(&p);
    client_init(&stranger, &p.w, 77);
    call(&p.a, &stranger);
    assert_true(client_hear(&p.a));
    assert_int_equal(client_error(&p.a), WEND_ERROR_UNKNOWN_PEER);
    call(&p.a, &p.a);
    assert_true(client_hear(&p.a));
    assert_int_equal(client_error(&p.a), WEND_ERROR_NOT_ALLOWED);
    assert_int_equal(client_ask(&p.c, WEND_CONTROL_RELEASE, (struct wend_bytes){0}), 0);
    call(&p.a, &p.c);
    assert_true(client_hear(&p.a));
    assert_int_equal(client_error(&p.a), WEND_ERROR_NO_ANSWER);
    // The called side refuses: the caller hears why, and there is no channel.
    call(&p.b, &p.a);
    assert_true(client_hear(&p.a));
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    wend_attribute_put_failure(&w, WEND_ERROR_NOT_ALLOWED, "no");
    const struct wend_control request = p.a.message;
    client_respond(&p.a, &request, (struct wend_bytes){memory, w.len});
    assert_true(client_hear(&p.b));
    assert_int_equal(client_error(&p.b), WEND_ERROR_NOT_ALLOWED);
    assert_int_equal(world_counts(&p.w).channels, 1);
    // An answer to somebody else's call is nothing.
    client_respond(&p.b, &request, (struct wend_bytes){0});
    assert_false(client_hear(&p.a));
    world_close(&p.w);
}

static void frames_go_both_ways_and_nowhere_else(void **state)
{
    struct pair p;
    struct wend_relay_run run, out;
    uint8_t memory[8000], copy[8000];
    struct kept k;
    struct wend_hint hint;
    (void)state;
    pair_open(&p);
    run = make_run(&p.a, p.channel, memory, 5, 1400);
    memcpy(copy, memory, sizeof copy);
    assert_true(forward(&p, &run, &out));
    assert_int_equal(run.len, 0);
    assert_int_equal(out.len, 5 * 1400 - 1);
    assert_int_equal(out.segment_len, 1400);
    assert_ptr_equal(out.at, memory);
    assert_memory_equal(memory, copy, sizeof copy);
    assert_true(wend_address_equal(&out.remote, &p.b.way.remote));
    run = make_run(&p.b, p.channel, memory, 1, 100);
    assert_true(forward(&p, &run, &out));
    assert_true(wend_address_equal(&out.remote, &p.a.way.remote));
    // Somebody else's source, and a channel that is not.
    run = make_run(&p.c, p.channel, memory, 3, 100);
    assert_false(forward(&p, &run, &out));
    assert_int_equal(run.len, 0);
    assert_true(world_take(&p.w, &p.c.way, &k));
    assert_int_equal(wend_hint_read(k.d.bytes, &hint), 0);
    assert_int_equal(hint.kind, WEND_HINT_UNKNOWN_SOURCE);
    assert_int_equal(wend_get_u32(hint.echo), p.channel);
    run = make_run(&p.a, p.channel ^ 1, memory, 1, 100);
    assert_false(forward(&p, &run, &out));
    assert_true(world_take(&p.w, &p.a.way, &k));
    assert_int_equal(wend_hint_read(k.d.bytes, &hint), 0);
    assert_int_equal(hint.kind, WEND_HINT_UNKNOWN_CHANNEL);
    const struct wend_relay_counts counts = world_counts(&p.w);
    assert_int_equal(counts.drops.count[WEND_DROP_WRONG_SOURCE], 3);
    assert_int_equal(counts.drops.count[WEND_DROP_NO_SESSION], 1);
    assert_int_equal(counts.forwarded, 6);
    world_close(&p.w);
}

// GRO merges by addresses: two channels of one pair of hosts may come as one packet.
static void mixed_runs_are_split(void **state)
{
    struct pair p;
    struct wend_relay_run run, out;
    uint8_t memory[1000];
    (void)state;
    pair_open(&p);
    const uint32_t other = open_channel(&p.a, &p.c);
    run = make_run(&p.a, p.channel, memory, 5, 100);
    wend_frame_write_header(memory + 200, other);
    wend_frame_write_header(memory + 300, other);
    memory[301] = 1; // a reserved byte that must be zero
    wend_frame_write_header(memory + 400, other);
    assert_true(forward(&p, &run, &out));
    assert_int_equal(out.len, 200);
    assert_true(wend_address_equal(&out.remote, &p.b.way.remote));
    assert_true(forward(&p, &run, &out));
    assert_int_equal(out.len, 100);
    assert_int_equal(out.segment_len, 0);
    assert_true(wend_address_equal(&out.remote, &p.c.way.remote));
    assert_false(forward(&p, &run, &out));
    assert_true(forward(&p, &run, &out));
    assert_int_equal(out.len, 99);
    assert_int_equal(run.len, 0);
    assert_int_equal(world_counts(&p.w).drops.count[WEND_DROP_MALFORMED], 1);
    world_close(&p.w);
}

static void short_frames_are_malformed(void **state)
{
    struct pair p;
    struct wend_relay_run run, out;
    uint8_t memory[32];
    (void)state;
    pair_open(&p);
    for (size_t len = 1; len <= 8; len++) {
        run = make_run(&p.a, p.channel, memory, 1, 16);
        run.len = len;
        assert_false(forward(&p, &run, &out));
        assert_int_equal(run.len, 0);
    }
    run = make_run(&p.a, p.channel, memory, 2, 12); // the second one is cut to a header
    run.len = 12 + 8;
    assert_true(forward(&p, &run, &out));
    assert_int_equal(out.len, 12);
    assert_false(forward(&p, &run, &out));
    world_close(&p.w);
}

static void a_channel_waits_for_the_called_side(void **state)
{
    struct pair p;
    struct wend_relay_run run, out;
    uint8_t memory[100];
    (void)state;
    pair_open(&p);
    call(&p.a, &p.c);
    assert_true(client_hear(&p.c));
    run = make_run(&p.a, p.c.message.id, memory, 1, 100);
    assert_false(forward(&p, &run, &out));
    assert_int_equal(world_counts(&p.w).drops.count[WEND_DROP_NOT_ALLOWED], 1);
    answer_call(&p.c);
    run = make_run(&p.a, p.c.message.id, memory, 1, 100);
    assert_true(forward(&p, &run, &out));
    world_close(&p.w);
}

static void a_moved_client_is_followed_after_its_resume(void **state)
{
    struct pair p;
    struct wend_relay_run run, out;
    uint8_t memory[100];
    (void)state;
    pair_open(&p);
    p.a.way.transport = WEND_TRANSPORT_TCP; // from UDP to a stream
    p.a.way.stream = 3;
    struct kept k;
    run = make_run(&p.a, p.channel, memory, 1, 100);
    assert_false(forward(&p, &run, &out));
    assert_true(world_take(&p.w, &p.a.way, &k)); // a hint
    assert_int_equal(client_ask(&p.a, WEND_CONTROL_RESUME, (struct wend_bytes){0}), 0);
    run = make_run(&p.a, p.channel, memory, 1, 100);
    assert_true(forward(&p, &run, &out));
    run = make_run(&p.b, p.channel, memory, 1, 100);
    assert_true(forward(&p, &run, &out));
    assert_int_equal(out.transport, WEND_TRANSPORT_TCP);
    assert_int_equal(out.stream, 3);
    wend_relay_stream_closed(p.w.relay, 3, p.w.now);
    run = make_run(&p.b, p.channel, memory, 1, 100);
    assert_false(forward(&p, &run, &out));
    assert_int_equal(world_counts(&p.w).drops.count[WEND_DROP_NO_ROUTE], 1);
    world_close(&p.w);
}

static void another_run_of_a_device_has_no_channels(void **state)
{
    struct pair p;
    (void)state;
    pair_open(&p);
    client_connect(&p.a); // a rekey keeps them
    assert_int_equal(client_register(&p.a, &p.home), 0);
    assert_int_equal(world_counts(&p.w).channels, 1);
    p.a.epoch++;
    client_connect(&p.a);
    assert_int_equal(client_register(&p.a, &p.home), 0);
    assert_int_equal(world_counts(&p.w).channels, 0);
    world_close(&p.w);
}

static void the_oldest_channel_gives_way(void **state)
{
    struct pair p;
    struct wend_relay_run run, out;
    uint8_t memory[100];
    (void)state;
    pair_open(&p);
    for (int i = 0; i < 3; i++)
        (void)open_channel(&p.a, &p.b);
    run = make_run(&p.a, p.channel, memory, 1, 100);
    assert_true(forward(&p, &run, &out));
    (void)open_channel(&p.a, &p.b); // the fifth between these two
    run = make_run(&p.a, p.channel, memory, 1, 100);
    assert_false(forward(&p, &run, &out));
    assert_int_equal(world_counts(&p.w).channels, 4);
    world_close(&p.w);
}

static void a_client_holds_256_channels(void **state)
{
    static struct client many[300];
    struct world w;
    struct net home;
    struct client hub;
    char name[8];
    (void)state;
    world_open(&w, NULL);
    net_load(&home, &w, 1);
    client_init(&hub, &w, 1);
    client_up(&hub, &home, "hub");
    for (uint32_t i = 0; i < 300; i++) {
        client_init(&many[i], &w, 10 + i);
        snprintf(name, sizeof name, "d%u", i);
        client_up(&many[i], &home, name);
        (void)open_channel(&many[i], &hub);
        world_wait(&w, WEND_MS(100)); // within the hub's rate of requests
    }
    assert_int_equal(world_counts(&w).channels, 256);
    assert_int_equal(world_counts(&w).channels_opened, 300);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_carries_what_the_called_needs),
        cmocka_unit_test(calls_that_cannot_be),
        cmocka_unit_test(frames_go_both_ways_and_nowhere_else),
        cmocka_unit_test(mixed_runs_are_split),
        cmocka_unit_test(short_frames_are_malformed),
        cmocka_unit_test(a_channel_waits_for_the_called_side),
        cmocka_unit_test(a_moved_client_is_followed_after_its_resume),
        cmocka_unit_test(another_run_of_a_device_has_no_channels),
        cmocka_unit_test(the_oldest_channel_gives_way),
        cmocka_unit_test(a_client_holds_256_channels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
