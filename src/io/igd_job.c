// SPDX-License-Identifier: MIT
// What a job does, in its thread: finds the device, asks for the port, asks for the address. Every
// answer is a stranger's text: read with bounds, and believed only where it can be.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <miniupnpc/miniupnpc.h>
#include <miniupnpc/upnpcommands.h>
#include <miniupnpc/upnperrors.h>

#include "io/client.h"
#include "io/igd.h"
#include "io/igd_job.h"
#include "traverse/mapping.h"

#define SEARCH_MS 1000 // for each of the kinds below, until one answers
#define TTL       2
#define OTHERS    4 // other ports that a device of version 1 is asked for
#define PORT_LOW  49152

// Errors of the WANIPConnection service (UPnP Forum, sections 2.4.16 and 2.5.16 there).
enum {
    INVALID_ACTION = 401,
    ACTION_NOT_IMPLEMENTED = 602,
    CONFLICT = 718,
    ONLY_PERMANENT = 725,
};

// --- finding ---

// Whether a URL leads to the gateway itself, by its address in digits.
static bool leads_to(const char *url, const struct wend_address *gateway)
{
    char ip[WEND_ADDRESS_TEXT_LEN];
    static const char scheme[] = "http://";

    wend_address_format_ip(gateway, ip);
    if (strncmp(url, scheme, sizeof scheme - 1) != 0)
        return false;
    url += sizeof scheme - 1;
    if (strncmp(url, ip, strlen(ip)) != 0)
        return false;
    const char next = url[strlen(ip)];
    return next == ':' || next == '/';
}

// Reads a description. Returns whether it is a device that maps ports, at the gateway.
static bool describe(struct wend_igd_job *job, const char *url)
{
    struct UPNPUrls urls = {0};
    struct IGDdatas data = {0};
    char inside[64];

    if (UPNP_GetIGDFromUrl(url, &urls, &data, inside, sizeof inside) != 1)
        return false;
    const char *service = data.first.servicetype;
    const size_t len = strlen(service);
    const bool fits = urls.controlURL != NULL && leads_to(urls.controlURL, &job->gateway) &&
                      strlen(urls.controlURL) < sizeof job->device.control && len > 2 &&
                      len < sizeof job->device.service;
    if (fits) {
        snprintf(job->device.control, sizeof job->device.control, "%s", urls.controlURL);
        snprintf(job->device.service, sizeof job->device.service, "%s", service);
        job->device.version = strcmp(service + len - 2, ":2") == 0 ? 2 : 1;
    }
    FreeUPNPUrls(&urls);
    return fits;
}

static bool search(struct wend_igd_job *job)
{
    static const char *const kinds[] = {
        "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
        "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
        "urn:schemas-upnp-org:service:WANIPConnection:1",
        "urn:schemas-upnp-org:service:WANPPPConnection:1",
        NULL,
    };
    char from[WEND_ADDRESS_TEXT_LEN];
    int error = 0;
    bool found = false;

    wend_address_format_ip(&job->inside, from);
    struct UPNPDev *all =
        upnpDiscoverDevices(kinds, SEARCH_MS, from, NULL, UPNP_LOCAL_PORT_ANY, 0, TTL, &error, 0);
    for (struct UPNPDev *d = all; d != NULL && !found; d = d->pNext)
        found = leads_to(d->descURL, &job->gateway) && describe(job, d->descURL);
    freeUPNPDevlist(all);
    return found;
}

static bool find_device(struct wend_igd_job *job)
{
    if (job->device.control[0] != 0)
        return true;
    if (job->description[0] != 0)
        return leads_to(job->description, &job->gateway) && describe(job, job->description);
    return search(job);
}

// --- mapping ---

struct words {
    char inside_ip[WEND_ADDRESS_TEXT_LEN], inside_port[8], wanted[8], lease[16];
    char granted[8]; // "reservedPort": up to five digits
};

static int add(const struct wend_igd_job *job, const struct words *w)
{
    return UPNP_AddPortMapping(job->device.control, job->device.service, w->wanted, w->inside_port,
                               w->inside_ip, "wend", "UDP", NULL, w->lease);
}

static int add_with_any_lease(const struct wend_igd_job *job, struct words *w)
{
    int code = add(job, w);

    if (code == ONLY_PERMANENT) {
        snprintf(w->lease, sizeof w->lease, "0");
        code = add(job, w);
    }
    return code;
}

static int add_identical_or_other(const struct wend_igd_job *job, struct words *w)
{
    int code = add_with_any_lease(job, w);

    for (int i = 0; i < OTHERS && code == CONFLICT && !atomic_load(&job->cancelled); i++) {
        uint8_t draw[32];
        wend_entropy(draw);
        const unsigned port = PORT_LOW + (draw[0] | (unsigned)draw[1] << 8) % (65536 - PORT_LOW);
        snprintf(w->wanted, sizeof w->wanted, "%u", port);
        code = add_with_any_lease(job, w);
    }
    snprintf(w->granted, sizeof w->granted, "%s", w->wanted);
    return code;
}

static int add_any(const struct wend_igd_job *job, struct words *w)
{
    const int code =
        UPNP_AddAnyPortMapping(job->device.control, job->device.service, w->wanted, w->inside_port,
                               w->inside_ip, "wend", "UDP", NULL, w->lease, w->granted);

    return code == INVALID_ACTION || code == ACTION_NOT_IMPLEMENTED ? add_identical_or_other(job, w)
                                                                    : code;
}

static int remove_mapping(const struct wend_igd_job *job, const char *port)
{
    return UPNP_DeletePortMapping(job->device.control, job->device.service, port, "UDP", NULL);
}

// The address comes as text; the port as text, too, from AddAnyPortMapping.
static bool read_external(struct wend_igd_job *job, const struct words *w)
{
    char text[64] = "";
    char *end;
    const long port = strtol(w->granted, &end, 10);

    job->code = UPNP_GetExternalIPAddress(job->device.control, job->device.service, text);
    if (job->code != 0 || *end != 0 || port < 1 || port > 65535)
        return false;
    text[sizeof text - 1] = 0;
    return wend_address_parse(text, (uint16_t)port, &job->external) == 0 &&
           job->external.family == WEND_FAMILY_IPV4 && job->external.port == (uint16_t)port &&
           wend_address_is_usable(&job->external);
}

static void map(struct wend_igd_job *job)
{
    struct words w = {0};

    wend_address_format_ip(&job->inside, w.inside_ip);
    snprintf(w.inside_port, sizeof w.inside_port, "%u", (unsigned)job->inside.port);
    snprintf(w.wanted, sizeof w.wanted, "%u", (unsigned)job->wanted);
    snprintf(w.lease, sizeof w.lease, "%u", (unsigned)WEND_IGD_LEASE_S);
    job->code = job->device.version == 2 ? add_any(job, &w) : add_identical_or_other(job, &w);
    if (job->code != 0) {
        job->why = job->code < 0 ? "no-answer" : "refused";
        return;
    }
    job->lifetime_s = w.lease[0] == '0' ? 0 : WEND_IGD_LEASE_S;
    if (!read_external(job, &w))
        job->why = "nonsense";
    else if (!wend_mapping_is_public(&job->external))
        job->why = "nested";
    if (job->why != NULL) // it leads nowhere
        (void)remove_mapping(job, w.granted);
}

void wend_igd_work(struct wend_igd_job *job)
{
    char port[8];

    switch (job->work) {
    case WEND_IGD_MAP:
        if (!find_device(job))
            job->why = "no-device";
        else if (atomic_load(&job->cancelled))
            job->why = "not-wanted";
        else
            map(job);
        break;
    case WEND_IGD_DELETE:
        snprintf(port, sizeof port, "%u", (unsigned)job->external.port);
        job->code = remove_mapping(job, port);
        break;
    }
}
