/* The service of one worker: the companies it has loaded, the devices connected to it, and what routers ask of it.
 *
 * One loop, one store, one service; it owns the store and the replicas. It does not know libwebsockets or hiredis:
 * bytes come and go through connection.h and http_exchange.h, facts through store.h. Not thread-safe. */
#ifndef LEDIG_SERVICE_SERVICE_H
#define LEDIG_SERVICE_SERVICE_H

#include "broker/identity/token.h"
#include "broker/metrics/metrics.h"
#include "broker/model/company.h"
#include "broker/service/claim_line.h"
#include "broker/service/fanout.h"
#include "broker/service/incarnation.h"
#include "broker/service/route_watches.h"
#include "broker/service/routing.h"
#include "broker/service/session_room.h"
#include "broker/service/zones.h"
#include "broker/store/store.h"
#include <uv.h>

struct tenant;
struct vault;

struct service_options { /* 0 = the default in brackets */
    const char *redis_url;
    const char *redis_user, *redis_password; /* NULL = none */
    uint32_t store_timeout_ms;               /* [2000] a request waits for the store so long, then is `unavailable` */
    uint32_t verify_ms;                      /* [2000] between two verify batches */
    uint32_t hello_ms;                       /* [5000] a client that has not said hello by then is closed */
    uint32_t ping_ms;                        /* [25000] longest silence towards a client */
    uint32_t background_ms;                  /* [20000] a background app hears at most this often */
    uint32_t grace_ms;                       /* [SESSION_GRACE_MS] a dropped connection keeps its session so long */
    uint32_t slice_ms;                       /* [1] a flush that takes longer lets others go first */
    uint32_t flush_ms;                       /* [5] under load changes may wait so long for each other */
    uint32_t stall_ms;                       /* [60000] a client that takes nothing for so long is dropped */
    uint32_t idle_ms;                        /* [600000] a company that nobody asks for is unloaded after this */
    uint32_t lease_ms;                       /* [10000] a worker that does not renew its lease for so long is dead */
    uint32_t router_lease_ms;                /* [30000] a router that gives no sign of life for so long has ended */
    uint32_t number_sweep_ms;                /* [600000] the index of numbers is looked through this often */
    uint32_t history_sweep_ms;               /* [3600000] what is over age is looked for this often */
    bool serves_apps;                        /* takes a lease, since sessions hang on it */
    struct metrics *metrics;                 /* the caller's; NULL: nobody looks */
    struct limits *limits;                   /* the caller's; NULL: none */
    struct vault *vault;                     /* the caller's; NULL: nothing is sealed */
};

#define SECURITY_KNOWN_MAX 256 /* events that a worker remembers to have noted */

struct service {
    uv_loop_t *loop;
    struct service_options options; /* defaults filled in; the texts are the caller's */
    const struct token_key *key;    /* the caller's */
    struct metrics *metrics;        /* never NULL */
    struct metrics own_metrics;     /* where the caller gave none */
    struct store *store;
    struct leases *leases;
    struct zones *zones;
    const struct entity_names *names;        /* never NULL */
    struct tenant *tenants;                  /* uthash by id */
    struct claim *claims;                    /* utlist: those under way */
    uv_timer_t line;                         /* of calls that wait: runs while there are any */
    struct claim_lull lull;                  /* of that line */
    uint64_t calls_swept_ms;                 /* the loop's time of the last sweep over calls */
    uint64_t retention_swept_ms;             /* and of the last over logs */
    uint64_t numbers_swept_ms;               /* the loop's time of the last round */
    struct number_sweep *number_sweep;       /* NULL before the first */
    struct retention_sweep *retention_sweep; /* NULL before the first */
    struct router *routers;                  /* uthash by the suffix of their lease */
    struct router_link *links;               /* utlist: routers that keep a connection open */
    struct route_watches watches;            /* the numbers that they follow */
    struct rewrap *rewrap;                   /* NULL before the first sweep */
    struct incarnation incarnation;
    struct fanout fanout;
    struct routing routing;
    struct import *imports; /* that are under way; see provisioning.h */
    struct edit *edits;     /* utlist: those under way, and those that wait for them; see edit.h */
    struct session_room room;
    struct session *with_deadline; /* utlist: sessions without hello, and those within their grace */
    uv_timer_t sweep;              /* deadlines, silence, companies that nobody needs */
    struct buffer scratch;         /* for the message that is being sent */
    struct arena *arena;           /* for the message that is being read */
    size_t connections;            /* welcome or not */
    unsigned handles;              /* still to be closed */
    char security_known[SECURITY_KNOWN_MAX][ENTITY_HASH_CHARS + 1]; /* see security.c */
    size_t security_next;
    unsigned subjects; /* of whom is told what is held on them */
    unsigned jobs;     /* in other threads or in slices, that have not come back */
    bool draining;     /* nobody is welcome any more */
    bool closing;
    bool handles_closing; /* the store is gone */
    void (*closed)(void *arg);
    void *closed_arg;
};

/* Opens the store; companies are loaded as they are needed. 0 or LEDIG_E…. */
int service_open(uv_loop_t *loop, const struct service_options *options, const struct token_key *key,
                 struct service **service);

/* Says bye to every client, each with another time to come back, and closes the connections. */
void service_drain(struct service *service);

/* Every connection must be closed before. Ends the lease, closes the store, then calls `closed` from the loop; the
 * service is gone then. */
void service_close(struct service *service, void (*closed)(void *arg), void *arg);

/* Whether questions can be answered in full: the store answers, and did so lately. */
bool service_is_ready(const struct service *service);

/* Sets the gauges of the service and its store. */
void service_measure(const struct service *service);

/* The time of record. */
int64_t service_now_ms(const struct service *service);

/* One of `jobs` has come back. The service may be gone after it. */
void service_job_ended(struct service *service);

#endif
