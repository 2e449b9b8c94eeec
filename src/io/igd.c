// SPDX-License-Identifier: MIT
// The loop's side: one job at a time, its time limit, when the next one follows.
#include "io/igd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "io/clock.h"
#include "io/igd_job.h"

struct wend_igd {
    uv_async_t async; // a job is done
    uv_timer_t timer; // of a job: its limit; else: when the next one follows
    int handles;      // not closed yet
    struct wend_igd_handler handler;
    struct wend_igd_job *job; // NULL: none runs
    struct wend_address gateway, inside;
    char description[WEND_IGD_URL_SIZE];
    struct wend_igd_device device;
    struct wend_address external; // held; family NONE: nothing
    unsigned failures;            // in a row
    bool ending;
};

static atomic_int stuck; // threads that were abandoned and have not ended

static void begin_map(struct wend_igd *i);

int wend_igd_stuck(void)
{
    return atomic_load(&stuck);
}

// --- jobs ---

static void free_job(struct wend_igd_job *job)
{
    pthread_cond_destroy(&job->ended);
    pthread_mutex_destroy(&job->lock);
    free(job);
}

static void *run(void *context)
{
    struct wend_igd_job *job = context;

    wend_igd_work(job);
    pthread_mutex_lock(&job->lock);
    job->done = true;
    const bool abandoned = job->owner == NULL;
    if (!abandoned)
        uv_async_send(job->owner);
    pthread_cond_signal(&job->ended);
    pthread_mutex_unlock(&job->lock);
    if (abandoned) {
        free_job(job);
        atomic_fetch_sub(&stuck, 1);
    }
    return NULL;
}

static struct wend_igd_job *new_job(struct wend_igd *i, enum wend_igd_work work)
{
    pthread_condattr_t clock;
    struct wend_igd_job *job = calloc(1, sizeof *job);

    if (job == NULL)
        return NULL;
    pthread_mutex_init(&job->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&job->ended, &clock);
    pthread_condattr_destroy(&clock);
    job->owner = &i->async;
    job->work = work;
    job->gateway = i->gateway;
    job->inside = i->inside;
    job->external = i->external;
    job->wanted = i->external.port != 0 ? i->external.port : i->inside.port;
    job->device = i->device;
    memcpy(job->description, i->description, sizeof job->description);
    return job;
}

// Returns 0, or -EAGAIN while threads of before are stuck, or -errno.
static int start_job(struct wend_igd *i, enum wend_igd_work work)
{
    pthread_t thread;
    pthread_attr_t detached;

    if (wend_igd_stuck() >= WEND_IGD_STUCK_MAX)
        return -EAGAIN;
    struct wend_igd_job *job = new_job(i, work);
    if (job == NULL)
        return -ENOMEM;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    const int error = -pthread_create(&thread, &detached, run, job);
    pthread_attr_destroy(&detached);
    if (error != 0)
        free_job(job);
    else
        i->job = job;
    return error;
}

// Lets the thread go on alone, or frees the job if it has ended meanwhile.
static void abandon(struct wend_igd *i)
{
    struct wend_igd_job *job = i->job;

    if (job == NULL)
        return;
    i->job = NULL;
    atomic_store(&job->cancelled, true);
    pthread_mutex_lock(&job->lock);
    job->owner = NULL;
    const bool done = job->done;
    if (!done)
        atomic_fetch_add(&stuck, 1);
    pthread_mutex_unlock(&job->lock);
    if (done)
        free_job(job);
}

// --- what comes of them ---

static void tell(struct wend_igd *i, const struct wend_igd_event *e)
{
    i->handler.event(i->handler.context, e);
}

static void lose(struct wend_igd *i, const char *why)
{
    if (i->external.family == WEND_FAMILY_NONE)
        return;
    const struct wend_igd_event e = {
        .kind = WEND_IGD_LOST, .external = i->external, .version = i->device.version, .why = why};
    i->external = (struct wend_address){0};
    tell(i, &e);
}

static void on_next(uv_timer_t *timer)
{
    begin_map(timer->data);
}

static void fail(struct wend_igd *i, const char *why, int code)
{
    uint64_t rest = WEND_IGD_REST_MS;

    for (unsigned n = 0; n < i->failures && rest < WEND_IGD_REST_MAX_MS; n++)
        rest *= 2;
    i->failures++;
    memset(&i->device, 0, sizeof i->device); // it may be another one next time
    uv_timer_start(&i->timer, on_next, rest < WEND_IGD_REST_MAX_MS ? rest : WEND_IGD_REST_MAX_MS,
                   0);
    lose(i, why);
    tell(i, &(struct wend_igd_event){.kind = WEND_IGD_FAILED, .why = why, .code = code});
}

static void take_mapping(struct wend_igd *i, const struct wend_igd_job *job)
{
    const bool same = wend_address_equal(&i->external, &job->external);

    i->failures = 0;
    i->device = job->device;
    uv_timer_start(&i->timer, on_next, WEND_IGD_RENEW_MS, 0);
    if (same)
        return;
    i->external = job->external;
    tell(i, &(struct wend_igd_event){.kind = WEND_IGD_MAPPED,
                                     .external = job->external,
                                     .lifetime_s = job->lifetime_s,
                                     .version = job->device.version});
}

static void on_done(uv_async_t *async)
{
    struct wend_igd *i = async->data;
    struct wend_igd_job *job = i->job;

    if (job == NULL || i->ending)
        return;
    pthread_mutex_lock(&job->lock);
    const bool done = job->done;
    pthread_mutex_unlock(&job->lock);
    if (!done)
        return; // a wake-up of the job before
    i->job = NULL;
    uv_timer_stop(&i->timer);
    if (atomic_load(&job->cancelled))
        ; // wend_igd_rest: nobody wants to know
    else if (job->why == NULL)
        take_mapping(i, job);
    else
        fail(i, job->why, job->code);
    free_job(job);
}

static void on_limit(uv_timer_t *timer)
{
    struct wend_igd *i = timer->data;

    abandon(i);
    fail(i, "too-slow", 0);
}

static void begin_map(struct wend_igd *i)
{
    if (start_job(i, WEND_IGD_MAP) != 0)
        fail(i, "too-slow", 0);
    else
        uv_timer_start(&i->timer, on_limit, WEND_IGD_PATIENCE_MS, 0);
}

// --- opening, starting, closing ---

int wend_igd_open(uv_loop_t *loop, const struct wend_igd_handler *handler, struct wend_igd **ret)
{
    struct wend_igd *i = calloc(1, sizeof *i);

    if (i == NULL)
        return -ENOMEM;
    const int error = uv_async_init(loop, &i->async, on_done);
    if (error != 0) {
        free(i);
        return error;
    }
    uv_timer_init(loop, &i->timer);
    i->handles = 2;
    i->async.data = i->timer.data = i;
    i->handler = *handler;
    *ret = i;
    return 0;
}

void wend_igd_start(struct wend_igd *i, const struct wend_address *gateway,
                    const struct wend_address *inside, const char *description)
{
    const bool same =
        wend_address_same_ip(&i->gateway, gateway) && wend_address_equal(&i->inside, inside);

    if (same && i->job != NULL && !atomic_load(&i->job->cancelled))
        return; // it is at it
    abandon(i);
    uv_timer_stop(&i->timer);
    i->failures = 0;
    if (!same) {
        memset(&i->device, 0, sizeof i->device);
        lose(i, "moved");
    }
    i->gateway = *gateway;
    i->inside = *inside;
    i->description[0] = 0;
    if (description != NULL && strlen(description) < sizeof i->description)
        memcpy(i->description, description, strlen(description) + 1);
    if (gateway->family == WEND_FAMILY_IPV4)
        begin_map(i);
}

void wend_igd_rest(struct wend_igd *i)
{
    if (i->external.family != WEND_FAMILY_NONE)
        return; // held: it goes on
    if (i->job != NULL)
        atomic_store(&i->job->cancelled, true);
    else
        uv_timer_stop(&i->timer);
}

void wend_igd_end(struct wend_igd *i)
{
    i->ending = true;
    abandon(i);
    uv_timer_stop(&i->timer);
    if (i->external.family != WEND_FAMILY_NONE)
        (void)start_job(i, WEND_IGD_DELETE);
}

static void wait_for_job(struct wend_igd_job *job, wend_duration most)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    const int64_t ns = until.tv_nsec + most;
    until.tv_sec += ns / WEND_S(1);
    until.tv_nsec = ns % WEND_S(1);
    pthread_mutex_lock(&job->lock);
    while (!job->done && pthread_cond_timedwait(&job->ended, &job->lock, &until) == 0)
        ;
    pthread_mutex_unlock(&job->lock);
}

static void on_closed(uv_handle_t *handle)
{
    struct wend_igd *i = handle->data;

    if (--i->handles == 0)
        free(i);
}

void wend_igd_close(struct wend_igd *i, wend_instant until)
{
    const wend_duration most = until - wend_clock_now();

    if (i == NULL)
        return;
    if (i->job != NULL && i->ending && most > 0)
        wait_for_job(i->job, most);
    abandon(i);
    uv_close((uv_handle_t *)&i->async, on_closed);
    uv_close((uv_handle_t *)&i->timer, on_closed);
}
