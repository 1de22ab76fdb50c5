/* lease.lua, said again in C. */
#include "tests/simulation/model_redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct model_lease *find(const struct model_redis *redis, const char *id) {
    struct model_lease *lease;
    HASH_FIND_STR(redis->leases, id, lease);
    return lease;
}

static void changed(const struct model_redis *redis) {
    if (redis->leases_changed) redis->leases_changed(redis->arg);
}

static struct model_lease *take(struct model_redis *redis, const char *suffix, int64_t length_ms) {
    struct model_lease *lease = store_allocate(sizeof *lease);
    int64_t at_ms = model_redis_now_ms(redis);
    lease->renewed_at_ms = at_ms;
    lease->length_ms = length_ms;
    do {
        snprintf(lease->id, sizeof lease->id, "%llx-%s", (unsigned long long)at_ms++, suffix);
    } while (find(redis, lease->id));
    HASH_ADD_STR(redis->leases, id, lease);
    changed(redis);
    return lease;
}

static bool renew(struct model_redis *redis, const char *id) {
    struct model_lease *lease = find(redis, id);
    if (!lease || lease->ended_at_ms > 0) return false;
    lease->renewed_at_ms = model_redis_now_ms(redis);
    return true;
}

static void finish(struct model_redis *redis, const char *id) {
    struct model_lease *lease = find(redis, id);
    if (!lease || lease->ended_at_ms > 0) return;
    lease->ended_at_ms = model_redis_now_ms(redis);
    changed(redis);
}

static redisReply *keep(struct model_redis *redis, const char *suffix, int64_t length_ms, int64_t most) {
    const char *id = model_named_get(redis->lease_of, suffix);
    if (id && find(redis, id)) return renew(redis, id) ? model_reply_text(id) : model_reply_integer(0);
    if ((int64_t)HASH_COUNT(redis->leases) >= most) return model_reply_integer(-1);
    const struct model_lease *lease = take(redis, suffix, length_ms);
    model_named_set(&redis->lease_of, suffix, lease->id);
    return model_reply_text(lease->id);
}

static int64_t standing_since(struct model_redis *redis, int64_t gap_ms) {
    int64_t now_ms = model_redis_now_ms(redis);
    if (strcmp(redis->seen_lineage, redis->lineage) != 0 || now_ms - redis->seen_at_ms > gap_ms) {
        redis->seen_since_ms = now_ms;
        redis->seen_at_ms = 0;
    }
    if (now_ms - redis->seen_at_ms > gap_ms / 2) {
        strcpy(redis->seen_lineage, redis->lineage);
        redis->seen_at_ms = now_ms;
    }
    return redis->seen_since_ms;
}

static bool is_forgotten(void *arg, const char *id) {
    return !find(arg, id);
}

static redisReply *look(struct model_redis *redis, int64_t gap_ms, int64_t kept_ms) {
    int64_t now_ms = model_redis_now_ms(redis), since_ms = standing_since(redis, gap_ms);
    redisReply *answer = model_reply_list(3), *list = model_reply_list(3 * HASH_COUNT(redis->leases));
    struct model_lease *lease, *next;
    bool any = false, forgot = false;
    HASH_ITER(hh, redis->leases, lease, next) {
        int64_t from_ms = lease->renewed_at_ms > since_ms ? lease->renewed_at_ms : since_ms;
        if (!lease->ended_at_ms && now_ms > from_ms + lease->length_ms) {
            lease->ended_at_ms = now_ms;
            any = true;
        }
        if (lease->ended_at_ms && now_ms > lease->ended_at_ms + kept_ms) {
            HASH_DEL(redis->leases, lease);
            free(lease);
            forgot = true;
            continue;
        }
        model_reply_add(list, model_reply_text(lease->id));
        model_reply_add(list, model_reply_number(lease->renewed_at_ms));
        model_reply_add(list, model_reply_number(lease->ended_at_ms));
    }
    if (forgot) model_named_expire(&redis->lease_of, is_forgotten, redis);
    if (any || forgot) changed(redis);
    model_reply_add(answer, model_reply_number(now_ms));
    model_reply_add(answer, model_reply_text(redis->lineage));
    model_reply_add(answer, list);
    return answer;
}

redisReply *model_lease_run(struct model_redis *redis, const struct model_arguments *arguments) {
    const char *const *words = arguments->words, *verb = words[0];
    long long number = arguments->count > 2 ? strtoll(words[2], NULL, 10) : 0;
    if (strcmp(verb, "take") == 0) return model_reply_text(take(redis, words[1], number)->id);
    if (strcmp(verb, "renew") == 0) return model_reply_integer(renew(redis, words[1]));
    if (strcmp(verb, "keep") == 0) return keep(redis, words[1], number, strtoll(words[3], NULL, 10));
    if (strcmp(verb, "look") == 0) return look(redis, strtoll(words[1], NULL, 10), number);
    if (strcmp(verb, "end") != 0) abort();
    finish(redis, words[1]);
    return model_reply_integer(1);
}
